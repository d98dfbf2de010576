#include "launcher/cmd.h"
#include "launcher/launch.h"

static int run(int argc, char *argv[])
{
	static struct launch l;
	int r = launch_begin(&l, &cmd_up, OPT_UP, false, argc, argv);

	if (r)
		return r;
	return launch_up(&l) < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_up = {
	.name = "up",
	.args = "[OPTION...]",
	.help = "build what is missing and start the workshop; the vault stays locked",
	.details = OPTS_HELP_UP
	"\n"
	"The current directory is shown as /workspace. Nothing happens when it\n"
	"is up already.\n"
	"\n"
	"Example:  sudo tazlaunch up --name work --vault-size 1G --idle 30m\n"
	"\n"
	"Exit codes: 0 it is up; 1 it is not; 2 usage.\n",
	.run = run,
};
