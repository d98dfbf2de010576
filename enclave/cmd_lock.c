#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>

#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/opening.h"

static void add(struct json_object *o, const char *name, struct json_object *value)
{
	json_object_object_add(o, name, value);
}

static struct json_object *checks(const struct res_lock *res)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < PROTO_CHECKS; i++) {
		struct json_object *o = json_object_new_object();

		add(o, "name", json_object_new_string(client_check_name(i)));
		add(o, "gone", json_object_new_boolean(res->checks[i].gone));
		add(o, "us", json_object_new_uint64(res->checks[i].us));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *holder(const struct proto_holder *h)
{
	struct json_object *o = json_object_new_object();
	char how[192];

	client_hold_text(h, how, sizeof(how));
	add(o, "pid", h->pid > 0 ? json_object_new_int(h->pid) : NULL);
	add(o, "program", h->program[0] ? json_object_new_string(h->program) : NULL);
	add(o, "what", json_object_new_string(how));
	/* NULL: the keeper's own */
	add(o, "mount_ns", h->mnt_ns ? json_object_new_uint64(h->mnt_ns) : NULL);
	return o;
}

static struct json_object *holders(const struct res_lock *res)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < res->n_held && i < PROTO_HOLDERS; i++)
		json_object_array_add(list, holder(&res->held[i]));
	return list;
}

static void print_json(const struct res_lock *res)
{
	struct json_object *o = json_object_new_object();

	add(o, "locked", json_object_new_boolean(1));
	add(o, "saved", json_object_new_boolean(res->err == 0));
	add(o, "conflict", json_object_new_boolean(res->err == 0 && res->why == WHY_CONFLICT));
	for (int i = CHECK_MAPPING; i < PROTO_CHECKS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s_gone", client_check_name(i));
		add(o, name, json_object_new_boolean(res->checks[i].gone));
	}
	add(o, "lock_ms", json_object_new_double(res->took_us / 1000.0));
	add(o, "save_ms", json_object_new_double(res->save_us / 1000.0));
	add(o, "generation", json_object_new_uint64(res->generation));
	add(o, "checks", checks(res));
	add(o, "killed_view", json_object_new_boolean(res->killed_view));
	add(o, "cut", json_object_new_boolean(res->cut));
	add(o, "held_by", holders(res));
	add(o, "held_by_more", json_object_new_boolean(res->more_held));
	json_print(o);
}

static void list_checks(const struct res_lock *res, int gone, FILE *to)
{
	const char *comma = "";

	for (int i = 0; i < PROTO_CHECKS; i++)
		if (!!res->checks[i].gone == gone) {
			fprintf(to, "%s%s", comma, client_check_name(i));
			comma = ", ";
		}
}

static void print(const struct res_lock *res)
{
	printf("locked: ");
	list_checks(res, 1, stdout);
	printf(" are gone%s\n", res->err < 0 ? "" : "; the vault is saved");
	if (res->killed_view)
		puts("the view did not close in time and was killed");
	if (!res->n_held)
		return;
	printf("left, without a key, as long as others hold it: ");
	list_checks(res, 0, stdout);
	puts("");
	for (uint32_t i = 0; i < res->n_held && i < PROTO_HOLDERS; i++) {
		const struct proto_holder *h = &res->held[i];
		char how[192];

		client_hold_text(h, how, sizeof(how));
		if (h->pid > 0)
			printf("  held by %d %s: %s", h->pid, h->program, how);
		else
			printf("  held by %s", how);
		if (h->mnt_ns)
			printf(" (mount namespace %llu)", (unsigned long long)h->mnt_ns);
		puts("");
	}
	if (res->more_held)
		puts("  and by others");
}

static void trying(const struct res_lock *so_far)
{
	fprintf(stderr, "enclave: lock: not done yet, still there: ");
	list_checks(so_far, 0, stderr);
	fprintf(stderr, "; trying again\n");
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	struct res_lock res;
	int c, json = 0, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return cmd_usage(&cmd_lock);
		json = 1;
	}
	if (optind != argc)
		return cmd_usage(&cmd_lock);
	r = client_lock(&res, trying);
	if (r < 0 && res.op != RES_LOCK) {
		opening_say(r, res.why, "lock");
		return CMD_FAILED;
	}
	if (json)
		print_json(&res);
	else
		print(&res);
	if (res.err < 0)
		opening_say(res.err, res.why, "lock");
	else if (res.why == WHY_CONFLICT)
		opening_say_conflict("lock");
	return res.err < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_lock = {
	.name = "lock",
	.args = "[--json]",
	.help = "close the vault now, whatever is open, save it, and forget its key",
	.details =
		"  --json  one object: what was verified to be gone, how long each took, and who\n"
		"          holds what could not go; enclave(1), JSON\n"
		"\n"
		"View and key are gone when it ends with 0. What a process of root holds (an open\n"
		"file, a mount, the device) stays until it lets go, without a key: every access\n"
		"fails. It is named; see enclave(1), WHAT CAN BE HELD.\n"
		"\n"
		"Example:  enclave lock --json | jq .held_by\n"
		"\n"
		"Exit codes: 0 locked and saved (also when it was locked before); 1 locked but not\n"
		"saved, or no keeper; 2 usage. It does not end before it is locked.\n",
	.run = run,
};
