#include <stdio.h>

#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"

static int run(int argc, char *argv[])
{
	static struct launch l;
	static char text[64 * 1024];
	const char *inside[] = { "/usr/bin/enclave", "history", NULL, NULL };
	int r = launch_begin(&l, &cmd_history, OPT_INSIDE | OPT_JSON, false, argc, argv);

	if (r)
		return r;
	if (l.o.json)
		inside[2] = "--json";
	r = launch_capture(&l, inside, text, sizeof(text));
	if (r == 0)
		fputs(text, stdout);
	return r == 0 ? CMD_DONE : CMD_FAILED;
}

const struct cmd cmd_history = {
	.name = "history",
	.args = "[--json] [OPTION...]",
	.help = "the states of the vault that are kept: generation, when saved, size",
	.details =
		"  --json               one object: vault, seen (the newest generation this host\n"
		"                       knows of), entries (name, kind, current, generation,\n"
		"                       saved_at, disk_bytes, whole)\n" OPTS_HELP_INSIDE "\n"
		"The workshop must be up. 'tazlaunch restore N' brings one of them back.\n"
		"\n"
		"Example:  sudo tazlaunch history --json | jq -r '.entries[].name'\n"
		"\n"
		"Exit codes: 0 listed; 1 not, or the workshop is down; 2 usage.\n",
	.run = run,
};
