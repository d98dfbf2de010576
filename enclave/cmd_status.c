#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "enclave/atrest.h"
#include "enclave/base/json.h"
#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/opening.h"

static const char *const states[] = { [PROTO_LOCKED] = "locked",
				      [PROTO_OPENING] = "opening",
				      [PROTO_UNLOCKED] = "unlocked",
				      [PROTO_LOCKING] = "locking" };

static const char *const durabilities[] = { "fsync", "settle", "lock" };

static void print_json(const struct res_status *s)
{
	struct json_object *o = json_object_new_object();
	char id[2 * SEAL_ID_BYTES + 1];

	json_object_object_add(o, "instance", json_object_new_string(s->instance));
	json_object_object_add(o, "state", json_object_new_string(states[s->lock]));
	json_object_object_add(o, "vault", json_object_new_boolean(s->has_vault));
	json_object_object_add(o, "saved", json_object_new_boolean(!s->unsaved));
	json_object_object_add(o, "sessions", json_object_new_int(s->sessions));
	json_object_object_add(o, "idle_limit_sec", json_object_new_int(s->idle_limit_sec));
	json_object_object_add(o, "idle_left_sec", json_object_new_int(s->idle_left_sec));
	json_object_object_add(o, "vault_bytes", json_object_new_uint64(s->vault_bytes));
	json_object_object_add(o, "generation", json_object_new_uint64(s->generation));
	json_object_object_add(o, "seen", json_object_new_uint64(s->seen));
	atrest_id_text(s->vault_id, id);
	json_object_object_add(o, "vault_id", s->seen ? json_object_new_string(id) : NULL);
	json_object_object_add(o, "conflict",
			       *s->conflict ? json_object_new_string(s->conflict) : NULL);
	json_object_object_add(
		o, "durability",
		json_object_new_string(s->durability < 3 ? durabilities[s->durability] : "?"));
	json_object_object_add(o, "save_hangs", json_object_new_boolean(s->save_hangs));
	json_object_object_add(o, "save_bytes", json_object_new_uint64(s->save_bytes));
	json_object_object_add(o, "save_ms", json_object_new_double(s->save_us / 1000.0));
	json_object_object_add(o, "save_pause_ms",
			       json_object_new_double(s->save_pause_us / 1000.0));
	json_object_object_add(o, "view_pid", json_object_new_int(s->view_pid));
	json_print(o);
}

static void print(const struct res_status *s)
{
	printf("%s%s, %u session%s\n", states[s->lock], s->has_vault ? "" : " (no vault yet)",
	       s->sessions, s->sessions == 1 ? "" : "s");
	if (s->lock == PROTO_UNLOCKED)
		printf("size %llu MiB\n", (unsigned long long)s->vault_bytes >> 20);
	if (s->lock == PROTO_UNLOCKED && s->idle_limit_sec)
		printf("locks in %u s unless it is used\n", s->idle_left_sec);
	if (s->unsaved)
		printf("changes in RAM are not saved yet%s\n",
		       s->save_hangs ? ": the disk of the sealed file does not answer" : "");
	if (s->save_err < 0 && !s->save_hangs)
		printf("the last save failed: %s\n", strerror(-s->save_err));
	if (*s->conflict)
		printf("somebody else has written the sealed file: the last save went beside it, as %s\n",
		       s->conflict);
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	struct res_status status;
	int c, json = 0, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return cmd_usage(&cmd_status);
		json = 1;
	}
	if (optind != argc)
		return cmd_usage(&cmd_status);
	r = client_status(&status);
	if (r < 0 || status.lock > PROTO_LOCKING) {
		opening_say(r < 0 ? r : -EBADMSG, WHY_NONE, "status");
		return CMD_FAILED;
	}
	if (json)
		print_json(&status);
	else
		print(&status);
	return CMD_DONE;
}

const struct cmd cmd_status = {
	.name = "status",
	.args = "[--json]",
	.help = "locked or unlocked, sessions, time to lock",
	.details = "  --json  one object on one line; enclave(1), JSON, says what is in it\n"
		   "\n"
		   "Example:  enclave status --json | jq -r .state\n"
		   "\n"
		   "Exit codes: 0 the keeper answered; 1 it did not; 2 usage.\n",
	.run = run,
};
