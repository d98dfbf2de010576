#include <stdio.h>

#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"

static const struct cmd *const cmds[] = {
	&cmd_up,      &cmd_enter,	 &cmd_run,     &cmd_exec,     &cmd_lock,  &cmd_status,
	&cmd_history, &cmd_restore,	 &cmd_passwd,  &cmd_key,      &cmd_down,  &cmd_remove,
	&cmd_init,    &cmd_build,	 &cmd_doctor,  &cmd_pin,      &cmd_gc,	  &cmd_push,
	&cmd_pull,    &cmd_completion,	 &cmd_tour,    &cmd_manifest, &cmd_first, &cmd_agent,
	&cmd_watch,   &cmd_agent_stream, &cmd_through, NULL,
};

static const struct cmd_program program = {
	.name = "tazlaunch",
	.summary = "a workshop whose ~/secrets only its own sessions can read",
	.trailer = "Without a command: up, then enter (on a terminal).\n"
		   "\n"
		   "Options that may also stand before the command:\n" OPTS_HELP_INSIDE "\n"
		   "Examples:\n"
		   "  sudo tazlaunch                     build, start, ask, and give a shell\n"
		   "  sudo tazlaunch --name work enter   the same in a workshop of another name\n"
		   "  sudo tazlaunch lock                close the vault now\n",
	.cmds = cmds,
	.fallback = &cmd_default,
};

int main(int argc, char *argv[])
{
	struct opts *globals = launch_globals();
	char why[160];
	int n;

	std_fds_open();
	log_init(program.name);
	opts_init(globals);
	n = opts_take(globals, argc - 1, argv + 1, why, sizeof(why));
	if (n < 0) {
		log_error("%s", why);
		return CMD_USAGE;
	}
	argv[n] = argv[0];
	return cmd_main(&program, argc - n, argv + n);
}
