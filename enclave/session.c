#include "enclave/session.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/notice.h"

#define GRACE_SEC 1

int session_find_user(const char *name, struct session_user *ret)
{
	const struct passwd *pw;

	errno = 0;
	pw = name ? getpwnam(name) : getpwuid(getuid());
	if (!pw)
		return errno ? -errno : -ENOENT;
	if (strlen(pw->pw_name) >= sizeof(ret->name) || strlen(pw->pw_dir) >= sizeof(ret->home) ||
	    strlen(pw->pw_shell) >= sizeof(ret->shell))
		return -ENAMETOOLONG;
	strcpy(ret->name, pw->pw_name);
	strcpy(ret->home, pw->pw_dir);
	strcpy(ret->shell, *pw->pw_shell ? pw->pw_shell : "/bin/sh"); /* passwd(5) */
	if (ret->shell[0] != '/')
		return -ENOEXEC;
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	return 0;
}

static void set_signals(void (*handler)(int))
{
	static const int to_command[] = { SIGINT, SIGQUIT, SIGTSTP, SIGTTOU, SIGTTIN };

	for (size_t i = 0; i < sizeof(to_command) / sizeof(*to_command); i++)
		signal(to_command[i], handler);
}

static void exec_command(const struct session_user *user, char *const argv[])
{
	char login[140];
	int err;

	if (argv[0]) {
		execvp(argv[0], argv);
		err = errno;
		log_err(-err, "run %s", argv[0]);
	} else {
		snprintf(login, sizeof(login), "-%s", strrchr(user->shell, '/') + 1);
		execl(user->shell, login, (char *)NULL);
		err = errno;
		log_err(-err, "run %s", user->shell);
	}
	_exit(err == ENOENT ? 127 : 126);
}

/* What su(1) sets: an engine's exec leaves root's HOME, where its user may not write. */
static int set_identity(const struct session_user *user)
{
	const char *const env[][2] = {
		{ "HOME", user->home },
		{ "USER", user->name },
		{ "LOGNAME", user->name },
		{ "SHELL", user->shell },
	};

	for (size_t i = 0; i < sizeof(env) / sizeof(*env); i++)
		if (setenv(env[i][0], env[i][1], 1) < 0)
			return log_err(-errno, "set %s", env[i][0]);
	return 0;
}

/* The child: a process group of its own, in the foreground where there is a terminal. */
static void run_child(const struct session_user *user, char *const argv[], pid_t leader,
		      session_prepare_t *prepare, void *arg)
{
	sigset_t none;

	setpgid(0, 0);
	if (isatty(STDIN_FILENO))
		tcsetpgrp(STDIN_FILENO, getpid());
	if (getuid() == 0 &&
	    (privs_become(user->name, user->uid, user->gid, 1) < 0 || set_identity(user) < 0))
		_exit(1);
	/* After the change of user, which clears it: a leader that is killed takes its command
	 * along. */
	if (privs_die_with_parent(leader) < 0)
		_exit(1);
	set_signals(SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prepare && prepare(user, arg) < 0)
		_exit(1);
	exec_command(user, argv);
}

static void block(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGCHLD);
	sigaddset(ret, SIGHUP);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, NOTICE_SIGNAL);
	sigprocmask(SIG_BLOCK, ret, NULL);
}

/*
 * As a subreaper we also reap what others left; only the command's end is ours. The command itself
 * stays our first child until we end, too: so whoever looks at our children (the view does) can
 * always tell it from a process that was handed to us, and none of those ever takes its place.
 * Returns true when it has ended, with its exit code.
 */
static bool reap(pid_t command, int *ret_code)
{
	siginfo_t si = { 0 };

	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid) {
		if (si.si_pid == command) {
			*ret_code = si.si_status + (si.si_code == CLD_EXITED ? 0 : 128);
			return true;
		}
		waitpid(si.si_pid, NULL, 0);
		si.si_pid = 0;
	}
	return false;
}

/* @shell: a login shell, which writes its prompt again for the signal of a terminal's new size. To
 * a full-screen program nothing is said: it would write over the line before it was read. */
static void notice(const siginfo_t *si, pid_t shell)
{
	struct notice n;

	if (si->si_code != SI_QUEUE || notice_unpack(si->si_value.sival_int, &n) < 0)
		return;
	notice_show(&n);
	if (shell > 0 && tcgetpgrp(STDERR_FILENO) == shell)
		kill(shell, SIGWINCH);
}

static int wait_command(pid_t command, bool is_shell, const sigset_t *set)
{
	const struct timespec grace = { .tv_sec = GRACE_SEC };
	int code, hung_up = 0;

	for (;;) {
		siginfo_t si;
		int sig = sigtimedwait(set, &si, hung_up ? &grace : NULL);

		if (sig < 0 && errno == EAGAIN)
			kill(-command, SIGKILL);
		if (sig == NOTICE_SIGNAL)
			notice(&si, is_shell ? command : 0);
		if (reap(command, &code))
			return code;
		if (sig == SIGHUP || sig == SIGTERM) {
			kill(-command, sig);
			kill(-command, SIGCONT);
			hung_up = 1;
		}
	}
}

int session_run(const struct session_user *user, char *const argv[], session_prepare_t *prepare,
		void *arg)
{
	sigset_t set;
	pid_t pid, leader = getpid();
	/* Where root started it the leader stays root: a process of the owner's uid outside could
	 * otherwise stop it, and a stopped leader never ends. */
	int r = getuid() == 0 || getuid() == user->uid ? privs_hide() : -EPERM;

	if (r < 0)
		return log_err(r, "become %s", user->name);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return log_err(-errno, "become a subreaper");
	block(&set);
	set_signals(SIG_IGN);
	pid = fork();
	if (pid < 0)
		return log_err(-errno, "fork");
	if (!pid)
		run_child(user, argv, leader, prepare, arg);
	setpgid(pid, pid); /* in both, so that neither has to wait for the other */
	r = wait_command(pid, !argv[0], &set);
	if (isatty(STDIN_FILENO))
		tcsetpgrp(STDIN_FILENO, getpgrp());
	return r;
}
