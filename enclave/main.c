#include <stddef.h>

#include "enclave/cmd.h"

static const struct cmd *const cmds[] = { &cmd_unlock,	   &cmd_lock,	 &cmd_status,  &cmd_save,
					  &cmd_passwd,	   &cmd_key,	 &cmd_history, &cmd_restore,
					  &cmd_serve,	   &cmd_session, &cmd_worker,  &cmd_pull,
					  &cmd_policy,	   &cmd_env,	 &cmd_run,     &cmd_outside,
					  &cmd_completion, NULL };

static const struct cmd_program program = {
	.name = "enclave",
	.summary = "the vault: a LUKS2 volume that exists in RAM only while it is unlocked",
	.trailer = "Example, in a shell of the workshop:\n"
		   "  enclave unlock && ls ~/secrets && enclave lock\n",
	.cmds = cmds,
};

int main(int argc, char *argv[])
{
	return cmd_main(&program, argc, argv);
}
