#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/bridge.h"
#include "enclave/cmd.h"
#include "enclave/visit.h"

static int parse(int argc, char *argv[], struct visit *v)
{
	static const struct option options[] = { VISIT_OPEN_OPTIONS, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (visit_option(v, c, optarg) < 0)
			return -EINVAL;
	return optind == argc ? 0 : -EINVAL;
}

static int run(int argc, char *argv[])
{
	struct visit v = VISIT_NONE;
	struct session_user user;
	char dir[300];
	int r;

	v.opening.flags = OPEN_TERMINAL;
	if (parse(argc, argv, &v) < 0)
		return cmd_usage(&cmd_unlock);
	if (!visit_can_ask(&v))
		return CMD_FAILED;
	r = session_find_user(NULL, &user);
	if (r < 0) {
		log_err(r, "find out who uid %d is", getuid());
		return CMD_FAILED;
	}
	r = opening_run(&v.opening);
	if (r < 0)
		return opening_exit_code(r);
	snprintf(dir, sizeof(dir), "%s/secrets", user.home);
	if (opening_show(dir) < 0)
		return CMD_FAILED;
	bridge_repair(user.home);
	return CMD_DONE;
}

const struct cmd cmd_unlock = {
	.name = "unlock",
	.args = "[--create] [--accept-rollback] [--passphrase-fd N | --key-file F | --fido2]",
	.help = "open the vault for this terminal's shell and all it starts",
	.details = VISIT_OPEN_HELP
	"\n"
	"At the prompt any passphrase will do, and the recovery key, typed in any way. After\n"
	"a wrong one the next is looked at after 1, 2, 4 ... 60 seconds.\n"
	"\n"
	"The shell that leads this terminal becomes a session: it and its children may\n"
	"use ~/secrets until it ends or the vault locks. A passphrase that is typed here\n"
	"has passed through the container engine; 'tazlaunch enter' seals it on the host.\n"
	"\n"
	"Example:  enclave unlock && cat ~/secrets/token\n"
	"\n"
	"Exit codes: 0 the session is open; 2 usage; otherwise it is not open, and nothing is\n"
	"left behind: 3 the sealed file is damaged, 4 tampered with, 5 rolled back, 1 else.\n"
	"1 also when it is open and cannot be shown at ~/secrets, which is then what it says:\n"
	"'enclave lock' ends it.\n",
	.run = run,
};
