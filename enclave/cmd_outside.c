#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/cmd.h"
#include "enclave/outside.h"
#include "enclave/session.h"

/* Variables that lead to the servers of a session: what they name can't be reached any more. */
static void forget_servers(void)
{
	static const char *const names[] = { "SSH_AUTH_SOCK",  "SSH_AGENT_PID",
					     "GPG_AGENT_INFO", "TMUX",
					     "TMUX_PANE",      "STY",
					     "NVIM",	       "DBUS_SESSION_BUS_ADDRESS" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unsetenv(names[i]);
}

static int say(int r)
{
	if (r == -ENOTUNIQ)
		log_error(
			"this shell can't be told from its session's processes: it is in none, or "
			"one that 'enclave unlock' has made of it; use a shell of 'tazlaunch "
			"enter'");
	else if (r == -EISDIR)
		log_error("the vault would still be open to the command; nothing was run");
	else
		log_err(r, "leave the session");
	return CMD_FAILED;
}

static int run(int argc, char *argv[])
{
	struct session_user user;
	int r, at = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1;

	if (at >= argc || (at == 1 && argv[1][0] == '-'))
		return cmd_usage(&cmd_outside);
	r = session_find_user(NULL, &user);
	if (r < 0) {
		log_err(r, "find out who uid %d is", getuid());
		return CMD_FAILED;
	}
	forget_servers();
	r = outside_enter(user.home);
	if (r < 0)
		return say(r);
	execvp(argv[at], argv + at);
	r = errno;
	log_err(-r, "run %s", argv[at]);
	return r == ENOENT ? 127 : 126;
}

const struct cmd cmd_outside = {
	.name = "outside",
	.args = "[--] COMMAND [ARGUMENT...]",
	.help = "run a command that is in no session: an AI agent, a build, a package's scripts",
	.details =
		"In a session. For the command, and all that it ever starts, ~/secrets is as locked\n"
		"as for everybody outside; nothing brings it back. It can trace no program of the\n"
		"session, type nothing into its terminal, use no setuid program, and reach no server\n"
		"by a UNIX socket (tmux, ssh-agent). It still is you for all else: the workspace and\n"
		"the home directory, what you give it as input and in the environment.\n"
		"\n"
		"Example:  enclave outside -- gemini\n"
		"\n"
		"Exit codes: the command's; 126 it cannot be run, 127 it is not found; 1 this session\n"
		"cannot be left, and nothing ran; 2 usage.\n",
	.run = run,
};
