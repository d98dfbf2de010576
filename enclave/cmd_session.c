#include <getopt.h>

#include "enclave/cmd.h"
#include "enclave/visit.h"

static int run(int argc, char *argv[])
{
	static const struct option options[] = { VISIT_OPTIONS, { 0 } };
	struct visit v = VISIT_NONE;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (visit_option(&v, c, optarg) < 0)
			return cmd_usage(&cmd_session);
	return visit_run(&v, argv + optind);
}

const struct cmd cmd_session = {
	.name = "session",
	.args = "[OPTION...] [--] [COMMAND...]",
	.help = "open a session, run a command or a login shell in it, and end with it",
	.details = VISIT_HELP
	"\n"
	"Example:  enclave session -- ssh-keygen -y -f ~/secrets/id_ed25519\n"
	"\n"
	"Exit codes: the command's, 128 + N when signal N ended it; 1 the session was not\n"
	"opened and nothing ran, or the last one could not be saved; 2 usage.\n",
	.run = run,
};
