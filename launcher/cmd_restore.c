#include <stdio.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/base/prompt.h"
#include "enclave/base/terminal.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"

static bool confirmed(const struct launch *l)
{
	return l->o.yes || prompt_confirm("Make %s of %s the current vault? What is current now "
					  "is kept. [y/N] ",
					  l->args[0], l->o.name);
}

static int restore(struct launch *l, struct prompt *prompt)
{
	char *inside[] = { "restore", "--yes", "--", l->args[0], NULL };

	if (launch_passphrase(l, prompt) < 0)
		return CMD_FAILED;
	l->args = inside;
	l->n_args = 4;
	return launch_vault(l, prompt);
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	struct prompt prompt = { 0 };
	int r = launch_begin(&l, &cmd_restore, OPT_INSIDE | OPT_PASSPHRASE_FD | OPT_YES, true, argc,
			     argv);

	if (r)
		return r;
	if (l.n_args != 1)
		return cmd_usage(&cmd_restore);
	if (!terminal_can_ask() && (!(l.o.given & OPT_PASSPHRASE_FD) || !l.o.yes)) {
		log_error("there is no terminal, so nothing is asked; type: printf %%s \"$PASS\" | "
			  "tazlaunch restore --yes --passphrase-fd 0 %s",
			  l.args[0]);
		return CMD_USAGE;
	}
	if (!confirmed(&l)) {
		log_error("nothing was changed");
		return CMD_FAILED;
	}
	r = restore(&l, &prompt);
	secret_free(prompt.given);
	return r;
}

const struct cmd cmd_restore = {
	.name = "restore",
	.args = "[--yes] [--passphrase-fd N] [OPTION...] GENERATION|NAME",
	.help = "make a kept state of the vault the current one; what was current is kept",
	.details =
		"  --yes                do not ask whether it is meant\n"
		"  --passphrase-fd N    read the passphrase from descriptor N to its end\n" OPTS_HELP_INSIDE
		"\n"
		"GENERATION or NAME is one that 'tazlaunch history' shows: 7, or\n"
		"conflict-7-0123abcd. The vault must be locked, the workshop up. The restored state\n"
		"gets a new generation, above all others, so it is no rollback. Its passphrase and\n"
		"keys are those it had: a recovery key made later does not open it.\n"
		"\n"
		"Example:  sudo tazlaunch restore 7\n"
		"\n"
		"Exit codes: 0 it is the current one; 2 usage, or no terminal; otherwise nothing was\n"
		"changed: 3 that state is damaged, 4 tampered with, 1 else.\n",
	.run = run,
};
