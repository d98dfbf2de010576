#include "launcher/cmd.h"
#include "launcher/launch.h"

static int run(int argc, char *argv[])
{
	static struct launch l;
	int r = launch_begin(&l, &cmd_exec, OPT_INSIDE, true, argc, argv);

	if (r)
		return r;
	if (!l.n_args)
		return cmd_usage(&cmd_exec);
	return launch_run(&l, NULL, 0, false);
}

const struct cmd cmd_exec = {
	.name = "exec",
	.args = "[OPTION...] [--] COMMAND [ARGUMENT...]",
	.help = "run a command outside every session: it does not see the secrets",
	.details = OPTS_HELP_INSIDE
	"\n"
	"As the user taz. Asks for nothing and starts nothing: the workshop must be up.\n"
	"The command has a terminal when standard input and output are one.\n"
	"\n"
	"Example:  sudo tazlaunch exec -- ls /home/taz/secrets     (is refused)\n"
	"\n"
	"Exit codes: the command's own, 128 + N when signal N ended it, 127 when there is\n"
	"no such command; 1 also when the workshop is down, and 2 for usage: nothing ran\n"
	"then, and the reason is on standard error, beginning with 'tazlaunch:'.\n",
	.run = run,
};
