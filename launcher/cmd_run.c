#include "enclave/base/log.h"
#include "enclave/base/terminal.h"
#include "launcher/cmd.h"
#include "launcher/frame.h"
#include "launcher/launch.h"

static int run_with(struct launch *l, struct prompt *prompt)
{
	bool fd_is_stdin = l->o.given & OPT_PASSPHRASE_FD && l->o.passphrase_fd == 0;

	/* What to ask a FIDO2 token is known inside only. */
	if ((l->o.fido2 && launch_up(l) < 0) || launch_passphrase(l, prompt) < 0 ||
	    launch_up(l) < 0)
		return CMD_FAILED;
	return launch_run(l, prompt,
			  (l->o.create ? REQUEST_CREATE : 0) |
				  (l->o.accept_rollback ? REQUEST_ACCEPT_ROLLBACK : 0),
			  fd_is_stdin);
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	struct prompt prompt = { 0 };
	int r = launch_begin(&l, &cmd_run,
			     OPT_UP | OPT_THROUGH | OPT_CREATE | OPT_PASSPHRASE_FD |
				     OPT_ACCEPT_ROLLBACK | OPT_KEY_FILE | OPT_FIDO2,
			     true, argc, argv);

	if (r)
		return r;
	if (!l.n_args)
		return cmd_usage(&cmd_run);
	if (!(l.o.given & (OPT_PASSPHRASE_FD | OPT_KEY_FILE | OPT_FIDO2)) && !terminal_can_ask()) {
		log_error("there is no terminal, so nothing is asked; type: "
			  "printf %%s \"$PASS\" | tazlaunch run --passphrase-fd 0 -- %s ...",
			  l.args[0]);
		return CMD_USAGE;
	}
	r = run_with(&l, &prompt);
	prompt_done(&prompt);
	return r;
}

const struct cmd cmd_run = {
	.name = "run",
	.args = "[OPTION...] [--] COMMAND [ARGUMENT...]",
	.help = "run one command in a session of its own",
	.details =
		"  --create             make the vault when there is none\n"
		"  --passphrase-fd N    read the passphrase from descriptor N to its end, instead of\n"
		"                       asking on the terminal; with 0 the command's input is\n"
		"                       /dev/null\n"
		"  --key-file F         open the vault with a key file of this machine\n"
		"  --fido2              open it with a FIDO2 token that is plugged in here\n" OPTS_HELP_ACCEPT_ROLLBACK
			OPTS_HELP_UP OPTS_HELP_THROUGH "\n"
		"Builds and starts the workshop when it is down. The command has a terminal when\n"
		"standard input and output are one.\n"
		"\n"
		"Example:  printf %s \"$PASS\" |\n"
		"          sudo tazlaunch run --passphrase-fd 0 -- sh -c 'cat ~/secrets/kubeconfig'\n"
		"\n"
		"Exit codes: the command's own, 128 + N when signal N ended it, 127 when there is\n"
		"no such command; 1 also when the session was not opened, and 2 for usage: nothing\n"
		"ran then, and the reason is on standard error, beginning with 'tazlaunch:'.\n",
	.run = run,
};
