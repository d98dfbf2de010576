#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>

#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "enclave/client.h"
#include "tazfs/cmd.h"

static const char *const lock_text[] = {
	[PROTO_LOCKED] = "locked",
	[PROTO_OPENING] = "opening",
	[PROTO_UNLOCKED] = "unlocked",
	[PROTO_LOCKING] = "locking",
};

static const char *state(const struct res_status *st)
{
	return st->lock < sizeof(lock_text) / sizeof(*lock_text) ? lock_text[st->lock] : "unknown";
}

static void print_json(const struct res_status *st)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "state", json_object_new_string(state(st)));
	json_object_object_add(o, "sessions", json_object_new_int64(st->sessions));
	json_object_object_add(o, "idle_limit_sec", json_object_new_int64(st->idle_limit_sec));
	json_object_object_add(o, "idle_left_sec",
			       st->lock == PROTO_UNLOCKED ? json_object_new_int64(st->idle_left_sec)
							  : NULL);
	json_object_object_add(o, "view_pid",
			       st->view_pid > 0 ? json_object_new_int(st->view_pid) : NULL);
	json_print(o);
}

static void print_text(const struct res_status *st)
{
	printf("vault:     %s\n", state(st));
	printf("sessions:  %u\n", st->sessions);
	if (st->lock != PROTO_UNLOCKED)
		return;
	if (st->idle_limit_sec)
		printf("idle lock: in %u min %u s, unless it is used\n", st->idle_left_sec / 60,
		       st->idle_left_sec % 60);
	printf("view:      %s\n", st->view_pid > 0 ? "mounted" : "not mounted");
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { NULL, 0, NULL, 0 } };
	struct res_status st;
	int json = 0, c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c != 'j')
			return cmd_usage(&cmd_status);
		json = 1;
	}
	if (optind != argc)
		return cmd_usage(&cmd_status);
	r = client_status(&st);
	if (r < 0) {
		client_say(r, WHY_NONE, "ask the keeper");
		return CMD_FAILED;
	}
	(json ? print_json : print_text)(&st);
	return CMD_DONE;
}

const struct cmd cmd_status = {
	.name = "status",
	.args = "[--json]",
	.help = "say whether the vault is open, for how many sessions, and when it locks",
	.details = "Options:\n"
		   "  --json   one JSON object: state, sessions, idle_limit_sec, idle_left_sec,\n"
		   "           view_pid; what does not apply is null\n"
		   "\n"
		   "Example:\n"
		   "  tazfs status --json | jq -r .state\n"
		   "\n"
		   "Exit codes: 0 answered (locked or not), 1 no answer, 2 usage.\n",
	.run = run,
};
