#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

#include "enclave/base/json.h"
#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/keychange.h"
#include "enclave/opening.h"

static void format_day(uint64_t sec, char buf[24])
{
	time_t t = sec;
	struct tm tm;

	if (!sec || !gmtime_r(&t, &tm) || !strftime(buf, 24, "%Y-%m-%d", &tm))
		snprintf(buf, 24, "-");
}

static struct json_object *key_json(const struct proto_key_info *k)
{
	struct json_object *o = json_object_new_object();
	char token[KEYTOKEN_JSON];

	json_object_object_add(o, "slot", json_object_new_int(k->slot));
	json_object_object_add(o, "kind",
			       json_object_new_string(keytoken_kind_name(k->token.kind)));
	json_object_object_add(o, "label", json_object_new_string(k->token.label));
	json_object_object_add(o, "made", json_object_new_int64(k->token.made_sec));
	json_object_object_add(o, "kdf", json_object_new_string("argon2id"));
	json_object_object_add(o, "memory_kib", json_object_new_int64(k->memory_kib));
	json_object_object_add(o, "passes", json_object_new_int64(k->passes));
	json_object_object_add(o, "threads", json_object_new_int64(k->threads));
	/* The host needs it to ask a FIDO2 token for the key; it opens nothing by itself. */
	if (k->token.kind == KEY_FIDO2 &&
	    keytoken_format(&k->token, k->slot, token, sizeof(token)) > 0)
		json_object_object_add(o, "token", json_tokener_parse(token));
	return o;
}

static void print_json(const struct res_keys *keys)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (uint32_t i = 0; i < keys->n; i++)
		json_object_array_add(list, key_json(&keys->keys[i]));
	json_object_object_add(o, "verified", json_object_new_boolean(keys->verified));
	json_object_object_add(o, "keys", list);
	json_print(o);
}

static void print(const struct res_keys *keys)
{
	printf("slot  kind        made        key derivation        label\n");
	for (uint32_t i = 0; i < keys->n; i++) {
		const struct proto_key_info *k = &keys->keys[i];
		char day[24], cost[40];

		format_day(k->token.made_sec, day);
		snprintf(cost, sizeof(cost), "%u MiB, %u passes", k->memory_kib / 1024, k->passes);
		printf("%4d  %-10s  %-10s  %-20s  %s\n", k->slot, keytoken_kind_name(k->token.kind),
		       day, cost, *k->token.label ? k->token.label : "-");
	}
	if (!keys->verified)
		puts("(the vault is locked: this is what the sealed file says, not verified)");
}

static int list(const struct keyargs *a)
{
	struct res_keys keys;
	struct res_done no;
	int r = client_keys(&keys, &no);

	if (r < 0) {
		opening_say(r, no.why, "key list");
		return CMD_FAILED;
	}
	for (uint32_t i = 0; i < keys.n; i++)
		keys.keys[i].token.label[KEYTOKEN_LABEL - 1] = '\0';
	if (a->json)
		print_json(&keys);
	else
		print(&keys);
	return CMD_DONE;
}

static int run(int argc, char *argv[])
{
	struct keyargs a;

	if (keychange_parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_key);
	return a.what == KEYARGS_LIST ? list(&a) : keychange_main(&a);
}

const struct cmd cmd_key = {
	.name = "key",
	.args = KEYARGS_KEY_ARGS,
	.help = "the vault's keys: more passphrases, key files, a recovery key",
	.details = KEYARGS_KEY_HELP KEYARGS_FD_HELP
	"\n"
	"Every change asks for a valid key first, whatever is open. Seven keys are the most.\n"
	"Labels can be read by whoever can read the sealed file. Copies and older generations\n"
	"of the sealed file still open with a key that was removed.\n"
	"\n"
	"Example:  enclave key add --key-file /media/stick/vault.key --label stick\n"
	"          enclave key recovery\n"
	"\n"
	"Exit codes: 0 done and saved; 1 not, and why is said; 2 usage.\n",
	.run = run,
};
