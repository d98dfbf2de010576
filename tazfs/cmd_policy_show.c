#include <getopt.h>
#include <stdio.h>

#include "tazfs/cmd_policy.h"
#include "tazfs/policy_preset.h"

static int show_preset(const char *name)
{
	const struct policy_preset *p = policy_preset(name);

	if (!p)
		return policy_no_preset(name);
	fputs(p->text, stdout);
	return CMD_DONE;
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "preset", required_argument, NULL, 'p' },
						 { NULL, 0, NULL, 0 } };
	const char *preset = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c != 'p')
			return cmd_usage(&cmd_policy_show);
		preset = optarg;
	}
	if (optind != argc || !preset)
		return cmd_usage(&cmd_policy_show);
	return show_preset(preset);
}

const struct cmd cmd_policy_show = {
	.name = "policy show",
	.args = "--preset NAME",
	.help = "print a policy that comes with tazfs",
	.details = "Example:\n"
		   "  tazfs policy show --preset tools >my.policy\n"
		   "\n"
		   "Exit codes: 0 printed, 1 there is none of that name, 2 usage.\n",
	.run = run,
};
