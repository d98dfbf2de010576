#include <stddef.h>

#include "tazfs/cmd.h"

static const struct cmd *const cmds[] = { &cmd_audit,  &cmd_grants, &cmd_mount,
					  &cmd_policy, &cmd_status, &cmd_completion,
					  &cmd_watch,  &cmd_view,   NULL };

static const struct cmd_program tazfs = {
	.name = "tazfs",
	.summary =
		"shows the vault at a directory, and decides for each process whether it may look",
	.trailer = "Example:\n  tazfs mount ~/secrets\n  tazfs status\n",
	.cmds = cmds,
};

int main(int argc, char *argv[])
{
	return cmd_main(&tazfs, argc, argv);
}
