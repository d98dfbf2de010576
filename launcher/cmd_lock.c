#include <stdio.h>

#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"

static int lock(struct launch *l)
{
	static const char *const argv[] = { "/usr/bin/enclave", "lock", NULL };
	char text[4096];
	int r = launch_running(l);

	if (r < 0)
		return CMD_FAILED;
	if (!r) {
		printf("%s is down: nothing is open\n", l->o.name);
		return CMD_DONE;
	}
	r = launch_capture(l, argv, text, sizeof(text));
	fputs(text, stdout);
	launch_note_seen(l, NULL);
	return r == 0 ? CMD_DONE : CMD_FAILED;
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	int r = launch_begin(&l, &cmd_lock, OPT_INSIDE, false, argc, argv);

	return r ? r : lock(&l);
}

const struct cmd cmd_lock = {
	.name = "lock",
	.args = "[OPTION...]",
	.help = "close the vault now, whatever is open, and say what was verified",
	.details = OPTS_HELP_INSIDE "\n"
				    "Example:  sudo tazlaunch lock --name work\n"
				    "\n"
				    "Exit codes: 0 locked and saved, or down; 1 not; 2 usage.\n",
	.run = run,
};
