#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/cmd.h"
#include "enclave/outside.h"
#include "enclave/outside_tty.h"
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

struct job {
	const char *home;
	char **argv;
};

/* For good; ends this process when it can't be left. */
static void leave(const struct job *job, const char *own_tty, int peers)
{
	int r = outside_enter(job->home, own_tty, peers);

	if (r < 0)
		_exit(say(r));
	if (r > 0)
		log_warn("this kernel has no Landlock: the command can open the terminals of its "
			 "user, and trace its user's processes that are in no session");
}

static void execute(void *arg)
{
	const struct job *job = arg;
	int err;

	execvp(job->argv[0], job->argv);
	err = errno;
	log_err(-err, "run %s", job->argv[0]);
	_exit(err == ENOENT ? 127 : 126);
}

static void on_own_tty(const char *own_tty, int peers, void *arg)
{
	int r;

	leave(arg, own_tty, peers);
	r = outside_tty_lead(execute, arg);
	if (r < 0)
		log_err(r, "start the command");
	_exit(r < 0 ? CMD_FAILED : r);
}

/* The terminal that we could read from: the one that leads our session, or a stream of ours. */
static int open_tty(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	for (int i = 0; fd < 0 && i <= STDERR_FILENO; i++)
		if (isatty(i))
			fd = fcntl(i, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return fd;
}

static int run(int argc, char *argv[])
{
	autoclose int tty = -EBADF;
	struct session_user user;
	struct job job;
	int r, at = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1;

	if (at >= argc || (at == 1 && argv[1][0] == '-'))
		return cmd_usage(&cmd_outside);
	r = session_find_user(NULL, &user);
	if (r < 0) {
		log_err(r, "find out who uid %d is", getuid());
		return CMD_FAILED;
	}
	r = outside_may_leave();
	if (r < 0)
		return say(r);
	job = (struct job){ .home = user.home, .argv = argv + at };
	forget_servers();
	tty = open_tty();
	if (tty < 0) {
		leave(&job, NULL, -EBADF);
		execute(&job);
	}
	r = outside_tty_run(tty, on_own_tty, &job);
	if (r < 0)
		log_err(r, "give the command a terminal");
	return r < 0 ? CMD_FAILED : r;
}

const struct cmd cmd_outside = {
	.name = "outside",
	.args = "[--] COMMAND [ARGUMENT...]",
	.help = "run a command that is in no session: an AI agent, a build, a package's scripts",
	.details =
		"In a session. For the command, and all that it ever starts, ~/secrets is as locked\n"
		"as for everybody outside; nothing brings it back. It can trace no program but its\n"
		"own, use no setuid program, and connect to no server by a UNIX socket (tmux,\n"
		"ssh-agent). It has a terminal of its own, and can neither read nor type on another;\n"
		"keys reach it while its output is a terminal. It still is you for all else: the\n"
		"workspace and the home directory, the network, what you give it as input and in the\n"
		"environment. It can make no mounts, and terminals (script) only when it has one. It\n"
		"runs no 32-bit programs.\n"
		"\n"
		"Example:  enclave outside -- gemini\n"
		"\n"
		"Exit codes: the command's; 126 it cannot be run, 127 it is not found; 1 this session\n"
		"cannot be left, and nothing ran; 2 usage.\n",
	.run = run,
};
