#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/base/prompt.h"
#include "enclave/cmd.h"
#include "enclave/opening.h"

struct args {
	struct opening opening;
	bool yes;
};

static int parse(int argc, char *argv[], struct args *a)
{
	static const struct option options[] = { { "yes", no_argument, NULL, 'y' },
						 { "passphrase-fd", required_argument, NULL, 'p' },
						 { "seal-fd", required_argument, NULL, 's' },
						 { 0 } };
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'y')
			a->yes = true;
		else if (c == 'p')
			r = opening_parse_fd("passphrase-fd", optarg, &a->opening.passphrase_fd);
		else if (c == 's')
			r = opening_parse_fd("seal-fd", optarg, &a->opening.seal_fd);
		else
			r = -EINVAL;
	}
	if (r < 0 || optind + 1 != argc)
		return -EINVAL;
	a->opening.restore = argv[optind];
	return 0;
}

static bool is_meant(const struct args *a)
{
	bool from_elsewhere = a->opening.seal_fd >= 0 || a->opening.passphrase_fd >= 0;

	if (!isatty(STDIN_FILENO) && !(a->yes && from_elsewhere)) {
		log_error("there is no terminal to ask on; use --yes and --passphrase-fd N");
		return false;
	}
	if (a->yes ||
	    prompt_confirm("Make %s the current vault? What is current now is kept. [y/N] ",
			   a->opening.restore))
		return true;
	log_error("nothing was changed");
	return false;
}

static int run(int argc, char *argv[])
{
	struct res_done done = { 0 };
	struct args a = { .opening = { .seal_fd = -1, .passphrase_fd = -1, .ret = &done } };
	int r;

	if (parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_restore);
	if (!is_meant(&a))
		return CMD_FAILED;
	r = opening_run(&a.opening);
	if (r < 0)
		return opening_exit_code(r);
	/* Who made a recovery key meanwhile would believe that it still opens the vault. */
	printf("restored: %s is current, as generation %llu, and opens with the keys it had then\n",
	       a.opening.restore, (unsigned long long)done.generation);
	return CMD_DONE;
}

const struct cmd cmd_restore = {
	.name = "restore",
	.args = "[--yes] [--passphrase-fd N] GENERATION|NAME",
	.help = "make a kept state the current one; what was current is kept",
	.details =
		"  --yes              do not ask whether it is meant\n"
		"  --passphrase-fd N  read the passphrase from descriptor N to its end\n"
		"  --seal-fd N        a relay that asks elsewhere and sends a sealed box\n"
		"\n"
		"GENERATION or NAME is one that 'enclave history' shows: 7, or conflict-7-0123abcd.\n"
		"The vault must be locked. Passphrase and keys are those that state had: a recovery\n"
		"key made later does not open it, and is to be made anew. The state is proved to\n"
		"be whole and ours, and sealed anew under a generation above all others, so it is no\n"
		"rollback. When anything fails, the current vault is as it was.\n"
		"\n"
		"Example:  enclave restore 7\n"
		"\n"
		"Exit codes: 0 it is the current one; 2 usage; otherwise nothing was changed: 3 that\n"
		"state is damaged, 4 tampered with, 1 else.\n",
	.run = run,
};
