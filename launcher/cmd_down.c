#include <errno.h>

#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"

static int run(int argc, char *argv[])
{
	static struct launch l;
	int r = launch_begin(&l, &cmd_down, OPT_COMMON, false, argc, argv);

	if (r)
		return r;
	return launch_down(&l) < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_down = {
	.name = "down",
	.args = "[OPTION...]",
	.help = "lock, save, and stop the workshop; the vault stays on disk",
	.details = OPTS_HELP_COMMON "\n"
				    "A workshop whose vault cannot be saved is not stopped.\n"
				    "\n"
				    "Example:  sudo tazlaunch down --name work\n"
				    "\n"
				    "Exit codes: 0 it is down; 1 it is not; 2 usage.\n",
	.run = run,
};
