#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "enclave/base/fd.h"
#include "tazfs/cmd_policy.h"
#include "tazfs/control_client.h"
#include "tazfs/policy_preset.h"

static int show_preset(const char *name)
{
	const struct policy_preset *p = policy_preset(name);

	if (!p)
		return policy_no_preset(name);
	fputs(p->text, stdout);
	return CMD_DONE;
}

static int show_in_force(const char *dir)
{
	autoclose int root = control_open(dir);
	autofree char *text = NULL;
	size_t size;

	if (root < 0 || control_policy(root, &text, &size) < 0)
		return CMD_FAILED;
	fwrite(text, 1, size, stdout);
	if (size && text[size - 1] != '\n')
		putchar('\n');
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
	if (argc - optind > (preset ? 0 : 1))
		return cmd_usage(&cmd_policy_show);
	return preset ? show_preset(preset) : show_in_force(argv[optind]);
}

const struct cmd cmd_policy_show = {
	.name = "policy show",
	.args = "[DIR | --preset NAME]",
	.help = "print the policy in force, or one that comes with tazfs",
	.details =
		"DIR is where the view is mounted, when not at ~/secrets. Who may not read the\n"
		"policy by the policy (the path .tazfs/policy) does not see it.\n"
		"\n"
		"Example:\n"
		"  tazfs policy show --preset tools >my.policy\n"
		"\n"
		"Exit codes: 0 printed, 1 there is none of that name or it may not be seen, 2 usage.\n",
	.run = run,
};
