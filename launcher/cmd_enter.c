#include <unistd.h>

#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/frame.h"
#include "launcher/launch.h"

#define TYPE_INSTEAD                                                     \
	"there is no terminal, so nothing is asked; for a script type: " \
	"printf %%s \"$PASS\" | tazlaunch run --passphrase-fd 0 -- COMMAND"

static int enter(const struct cmd *cmd, int argc, char *argv[])
{
	static struct launch l;
	struct prompt prompt = { 0 };
	int r = launch_begin(&l, cmd,
			     OPT_UP | OPT_THROUGH | OPT_ACCEPT_ROLLBACK | OPT_KEY_FILE | OPT_FIDO2,
			     false, argc, argv);

	if (r)
		return r;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		log_error(TYPE_INSTEAD);
		return CMD_USAGE;
	}
	if (launch_up(&l) < 0 || launch_passphrase(&l, &prompt) < 0)
		return CMD_FAILED;
	/* A person is asked twice before a vault is made, so nothing more is needed for it. */
	r = launch_run(&l, &prompt,
		       (prompt.given ? 0 : REQUEST_CREATE) |
			       (l.o.accept_rollback ? REQUEST_ACCEPT_ROLLBACK : 0),
		       false);
	prompt_done(&prompt);
	return r;
}

static int run(int argc, char *argv[])
{
	return enter(&cmd_enter, argc, argv);
}

static int run_default(int argc, char *argv[])
{
	return enter(&cmd_default, argc, argv);
}

#define ENTER_DETAILS                                                                                           \
	"  --key-file F         open the vault with a key file of this machine\n"                               \
	"  --fido2              open it with a FIDO2 token that is plugged in here\n" OPTS_HELP_ACCEPT_ROLLBACK \
		OPTS_HELP_UP OPTS_HELP_THROUGH "\n"                                                             \
	"Starts the workshop when it is down. Asks for the passphrase on this\n"                                \
	"terminal, twice when the vault is new. The session ends with the shell\n"                              \
	"and with the terminal; the last one locks.\n"                                                          \
	"\n"                                                                                                    \
	"Example:  sudo tazlaunch enter --name work\n"                                                          \
	"\n"                                                                                                    \
	"Exit codes: the shell's own; 1 also when the session was not opened, and\n"                            \
	"no shell ran; 2 usage, or no terminal.\n"

const struct cmd cmd_enter = {
	.name = "enter",
	.args = "[OPTION...]",
	.help = "open a session: a shell in which ~/secrets works",
	.details = ENTER_DETAILS,
	.run = run,
};

/* What "tazlaunch" alone does. */
const struct cmd cmd_default = {
	.name = "enter",
	.args = "[OPTION...]",
	.help = "up, then enter",
	.details = ENTER_DETAILS,
	.internal = true,
	.run = run_default,
};
