#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>

#include "enclave/base/log.h"
#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/opening.h"

static void print_json(const struct res_lock *res)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "locked", json_object_new_boolean(1));
	json_object_object_add(o, "saved", json_object_new_boolean(res->err == 0));
	json_object_object_add(o, "mapping_gone", json_object_new_boolean(res->mapping_gone));
	json_object_object_add(o, "loop_gone", json_object_new_boolean(res->loop_gone));
	json_object_object_add(o, "mount_gone", json_object_new_boolean(res->mount_gone));
	json_object_object_add(o, "key_gone", json_object_new_boolean(res->key_gone));
	json_object_object_add(o, "lock_ms", json_object_new_double(res->took_us / 1000.0));
	json_object_object_add(o, "save_ms", json_object_new_double(res->save_us / 1000.0));
	json_object_object_add(o, "generation", json_object_new_uint64(res->generation));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
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
	r = client_lock(&res);
	if (r < 0 && res.op != RES_LOCK) {
		opening_say(r, res.why, "lock");
		return CMD_FAILED;
	}
	if (json)
		print_json(&res);
	else
		printf("locked: mapping, loop, mount and key are gone%s\n",
		       res.err < 0 ? "" : "; the vault is saved");
	if (res.err < 0)
		opening_say(res.err, res.why, "lock");
	return res.err < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_lock = {
	.name = "lock",
	.args = "[--json]",
	.help = "close the vault now, whatever is open, save it, and forget its key",
	.details =
		"  --json  one object: what was verified to be gone, and how long it took\n"
		"\n"
		"Example:  enclave lock --json\n"
		"\n"
		"Exit codes: 0 locked and saved (also when it was locked before); 1 locked but not\n"
		"saved, or no keeper; 2 usage.\n",
	.run = run,
};
