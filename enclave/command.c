#include "enclave/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/base/run.h"

#define SEC_NS	    1000000000ULL
#define PROGRAM_FD  3 /* the program's, in the child */
#define EXEC_FAILED 126

int command_watch(void)
{
	sigset_t set;
	int fd;

	signal(SIGCHLD, SIG_DFL); /* ignored, it would hide how a command ended */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* From the background, where the kernel would stop us for it: tcsetpgrp(3). */
static void take_foreground(pid_t group)
{
	signal(SIGTTOU, SIG_IGN);
	tcsetpgrp(STDERR_FILENO, group);
	signal(SIGTTOU, SIG_DFL);
}

/* --- the child ------------------------------------------------------------------------------- */

static int set_streams(const struct command *c)
{
	autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	/* Above all targets first, so that none overwrites a source. */
	int program = fcntl(c->program->fd, F_DUPFD_CLOEXEC, 100);
	int out = fcntl(c->out, F_DUPFD_CLOEXEC, 100);

	if (null < 0 || program < 0 || out < 0 || fchdir(c->cwd) < 0)
		return -errno;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(program, PROGRAM_FD) < 0)
		return -errno;
	return syscall(SYS_close_range, PROGRAM_FD + 1, ~0U, 0) < 0 ? -errno : 0;
}

static int set_limits(uint64_t out_max)
{
	/* One byte more than is allowed: a file that has it is too long. */
	const struct rlimit size = { out_max + 1, out_max + 1 };

	umask(077);
	return setrlimit(RLIMIT_FSIZE, &size) < 0 ? -errno : privs_no_core();
}

static void set_signals(bool terminal)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	/* Ctrl+Z would leave us waiting for what does not go on. */
	if (terminal)
		signal(SIGTSTP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_script(int fd)
{
	char two[2];

	return io_pread_full(fd, two, sizeof(two), 0) == 2 && two[0] == '#' && two[1] == '!';
}

static void exec_program(const struct command *c)
{
	char self[] = "/proc/self/fd/3";

	if (!c->program->copied) {
		fd_set_cloexec(PROGRAM_FD, 1);
		execve(c->program->path, c->argv, c->envp);
	} else {
		/* A script's interpreter opens the path that we give; nothing else needs the fd. */
		fd_set_cloexec(PROGRAM_FD, !is_script(PROGRAM_FD));
		execve(self, c->argv, c->envp);
	}
}

static void run_child(const struct command *c, pid_t parent)
{
	int r = c->terminal ? setpgid(0, 0) : setsid();

	if (r < 0)
		r = -errno;
	else
		r = privs_die_with_parent(parent);
	if (r == 0 && c->terminal)
		take_foreground(getpid());
	if (r == 0)
		r = set_streams(c);
	if (r == 0)
		r = set_limits(c->out_max);
	if (r == 0) {
		set_signals(c->terminal);
		exec_program(c);
		r = -errno;
	}
	log_err(r, "start it");
	_exit(EXEC_FAILED);
}

/* --- the parent ------------------------------------------------------------------------------ */

/* Returns 0 when it has ended, -EAGAIN when something else happened: a signal, a second, its time.
 */
static int wait_some(int pidfd, int watch, uint64_t max_ns, int *ret_signal)
{
	struct pollfd p[] = { { .fd = pidfd, .events = POLLIN },
			      { .fd = watch, .events = POLLIN } };
	struct signalfd_siginfo info;

	if (poll(p, 2, (int)((max_ns + 999999) / 1000000)) < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (p[1].revents & POLLIN && read(watch, &info, sizeof(info)) == sizeof(info))
		*ret_signal = (int)info.ssi_signo;
	return p[0].revents ? 0 : -EAGAIN;
}

/* Until it has ended: asked after its time or by a signal of ours, killed a second later. */
static int wait_end(const struct command *c, pid_t pid, int pidfd, int watch,
		    struct command_end *ret)
{
	uint64_t now = io_boottime_ns(), until = now + c->timeout_sec * SEC_NS;
	bool asked = false;
	int r;

	for (;;) {
		uint64_t left = until > now ? until - now : 0;

		r = wait_some(pidfd, watch, c->tick && left > SEC_NS ? SEC_NS : left, &ret->signal);
		if (r != -EAGAIN)
			return r;
		now = io_boottime_ns();
		if (now < until && (!ret->signal || asked)) {
			if (c->tick)
				c->tick(c->arg);
			continue;
		}
		ret->timed_out |= !ret->signal;
		kill(-pid, asked ? SIGKILL : SIGTERM);
		asked = true;
		until = now + SEC_NS;
	}
}

int command_run(const struct command *c, int watch, struct command_end *ret)
{
	autoclose int pidfd = -EBADF;
	pid_t parent = getpid(), pid = fork();
	int status, r;

	*ret = (struct command_end){ 0 };
	if (pid < 0)
		return -errno;
	if (!pid)
		run_child(c, parent);
	if (c->terminal)
		setpgid(pid, pid); /* in both, so that neither has to wait for the other */
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	r = pidfd < 0 ? -errno : wait_end(c, pid, pidfd, watch, ret);
	/* What it started and left, too; its own pid stays taken until it is reaped. */
	kill(-pid, SIGKILL);
	if (r < 0)
		kill(pid, SIGKILL);
	status = run_wait(pid);
	if (c->terminal)
		take_foreground(getpgrp());
	ret->status = status;
	return r < 0 || status >= 0 ? r : status;
}
