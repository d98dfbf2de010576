#include <string.h>

#include "launcher/cmd.h"
#include "launcher/through.h"

static int run(int argc, char *argv[])
{
	if (argc < 3 || strcmp(argv[1], "--"))
		return cmd_usage(&cmd_through);
	return through_serve(argv + 2) < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_through = {
	.name = "through",
	.args = "-- COMMAND [ARGUMENT...]",
	.help = "between tazlaunch --through and COMMAND: carry the stream that is standard input",
	.details = "Example:  tazlaunch through -- podman exec -i taz-work " THROUGH_INSIDE_PROGRAM
		   " " THROUGH_INSIDE_COMMAND "\n"
		   "\n"
		   "Detaches. Exit codes: 0 it was begun; 1 not; 2 usage.\n",
	.internal = true,
	.run = run,
};
