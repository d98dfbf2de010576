#include <stdio.h>

#include "launcher/cmd.h"
#include "launcher/launch.h"

static int run(int argc, char *argv[])
{
	static struct launch l;
	int r = launch_begin(&l, &cmd_build, OPT_COMMON, false, argc, argv);

	if (r)
		return r;
	l.build_only = true;
	if (launch_build(&l) < 0)
		return CMD_FAILED;
	puts(l.rec.image);
	return CMD_DONE;
}

const struct cmd cmd_build = {
	.name = "build",
	.args = "[OPTION...]",
	.help = "build the images whose contents have changed, and print the tag",
	.details = OPTS_HELP_COMMON "\n"
				    "Example:  sudo tazlaunch build --engine docker\n"
				    "\n"
				    "Exit codes: 0 the image is there; 1 it is not; 2 usage.\n",
	.run = run,
};
