#include "enclave/outside_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "enclave/base/terminal.h"
#include "enclave/outside_peers.h"

#define BEHIND_MS 300 /* in the background nothing tells us that we come to the front */
#define NAME_MAX_ 64

/* --- between the terminals ------------------------------------------------------------------- */

struct relay {
	int tty, master, signals;
	int sock, listener; /* < 0: none, not yet, or no more */
	pid_t monitor;
	bool keys; /* they go to the command, when we are in the foreground */
	bool raw;
	int status; /* < 0: it runs */
};

static bool in_front(const struct relay *r)
{
	return tcgetpgrp(r->tty) == getpgrp();
}

static void copy_size(const struct relay *r)
{
	struct winsize ws;

	if (ioctl(r->tty, TIOCGWINSZ, &ws) == 0)
		ioctl(r->master, TIOCSWINSZ, &ws);
}

/* What the command shows. Returns false when nobody has its terminal open any more. */
static bool show(struct relay *r)
{
	char buf[4096];
	ssize_t n = read(r->master, buf, sizeof(buf));

	if (n > 0)
		return io_write_full(r->tty, buf, (size_t)n) == 0;
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* A command that reads nothing loses keys when its terminal is full, as on every terminal. */
static void type(struct relay *r)
{
	char buf[256];
	ssize_t n = read(r->tty, buf, sizeof(buf));

	if (n > 0 && write(r->master, buf, (size_t)n) < 0)
		return;
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		r->keys = false;
}

static void cooked(struct relay *r)
{
	if (r->raw)
		terminal_restore();
	r->raw = false;
}

/* The whole job stops, as if the command were one of it, and goes on when the shell says so. Where
 * there is no shell to say it, in an orphaned process group, the kernel drops SIGTSTP, and all go
 * on. */
static void stop(struct relay *r)
{
	sigset_t set;

	cooked(r);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	kill(0, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	copy_size(r);
	kill(r->monitor, SIGCONT);
}

static void look_after(struct relay *r)
{
	int status;

	if (waitpid(r->monitor, &status, WNOHANG | WUNTRACED) != r->monitor)
		return;
	if (WIFSTOPPED(status))
		stop(r);
	else
		r->status = run_status(status);
}

/* Ctrl+C when the keys are not ours, or somebody's kill: it is meant for the command. */
static void pass_on(const struct relay *r, int sig)
{
	pid_t front = tcgetpgrp(r->master);

	if (front > 1)
		kill(-front, sig);
}

static void on_signal(struct relay *r)
{
	struct signalfd_siginfo si;

	if (read(r->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD)
		look_after(r);
	else if (si.ssi_signo == SIGWINCH)
		copy_size(r);
	else
		pass_on(r, (int)si.ssi_signo);
}

/* The command makes terminals of its own: outside_peers.h. */
static void serve_peers(struct relay *r, const struct pollfd *sock, const struct pollfd *listener)
{
	char byte;

	if (listener->revents & POLLIN)
		outside_peers_answer(r->listener);
	else if (listener->revents)
		fd_close(&r->listener); /* nobody has that filter any more */
	if (!sock->revents)
		return;
	if (msg_recv(r->sock, &byte, sizeof(byte), &r->listener, 1) < 0)
		r->listener = -EBADF;
	fd_close(&r->sock);
}

static int pass_bytes(struct relay *r)
{
	struct pollfd p[5] = { { r->master, POLLIN, 0 },
			       { r->signals, POLLIN, 0 },
			       { .fd = -1, .events = POLLIN },
			       { .fd = -1, .events = POLLIN },
			       { .fd = -1, .events = POLLIN } };

	while (r->status < 0) {
		bool front = r->keys && in_front(r);

		if (front && !r->raw)
			r->raw = terminal_raw(r->tty) == 0;
		else if (!front)
			cooked(r);
		p[2].fd = front ? r->tty : -1;
		p[3].fd = r->sock;
		p[4].fd = r->listener;
		if (poll(p, 5, r->keys && !front ? BEHIND_MS : -1) < 0 && errno != EINTR)
			return -errno;
		serve_peers(r, &p[3], &p[4]);
		if (p[2].revents)
			type(r);
		/* When ours is gone, the command's is hung up. */
		if (p[0].revents && !show(r)) {
			p[0].fd = -1;
			fd_close(&r->master);
		}
		if (p[1].revents)
			on_signal(r);
	}
	/* What it has shown last. */
	while (p[0].fd >= 0 && poll(p, 1, 0) > 0 && show(r))
		;
	return r->status;
}

static const int caught[] = { SIGCHLD, SIGWINCH, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP };

static int catch_signals(sigset_t *ret_before)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++)
		sigaddset(&set, caught[i]);
	if (sigprocmask(SIG_BLOCK, &set, ret_before) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* The new terminal is as ours is, and leads a session of its own. */
__attribute__((noreturn)) static void be_monitor(int slave, int peers, const sigset_t *mask,
						 const char *name,
						 void (*start)(const char *, int, void *),
						 void *arg)
{
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		_exit(1);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (isatty(fd) && dup2(slave, fd) < 0)
			_exit(1);
	start(name, peers, arg);
	_exit(1);
}

/* A terminal that is as ours is; both descriptors are the caller's, also after an error. */
static int open_own(int tty, int *ret_master, int *ret_slave, char name[NAME_MAX_])
{
	struct termios how;
	struct winsize ws = { 0 };

	if (tcgetattr(tty, &how) < 0)
		return -errno;
	ioctl(tty, TIOCGWINSZ, &ws);
	if (openpty(ret_master, ret_slave, name, &how, &ws) < 0)
		return -errno;
	if (fcntl(*ret_master, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(*ret_slave, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(*ret_master, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int outside_tty_run(int tty, void (*start)(const char *own_tty, int peers, void *arg), void *arg)
{
	autoclose int master = -EBADF, slave = -EBADF, signals = -EBADF;
	autoclose int ours = -EBADF, theirs = -EBADF;
	int pair[2], res;
	struct relay r = { .tty = tty,
			   .status = -1,
			   .keys = isatty(STDOUT_FILENO),
			   .sock = -EBADF,
			   .listener = -EBADF };
	char name[NAME_MAX_];
	sigset_t before;

	res = open_own(tty, &master, &slave, name);
	if (res < 0)
		return res;
	signals = catch_signals(&before);
	if (signals < 0)
		return signals;
	res = msg_pair(pair);
	if (res < 0)
		return res;
	ours = pair[0];
	theirs = pair[1];
	r.monitor = fork();
	if (r.monitor < 0)
		return -errno;
	if (r.monitor == 0)
		be_monitor(slave, theirs, &before, name, start, arg);
	fd_close(&slave);
	fd_close(&theirs);
	r.master = take_fd(&master);
	r.signals = signals;
	r.sock = take_fd(&ours);
	res = pass_bytes(&r);
	cooked(&r);
	fd_close(&r.master);
	fd_close(&r.sock);
	fd_close(&r.listener);
	return res;
}

/* --- the monitor ----------------------------------------------------------------------------- */

/* Of both, parent and child, whichever comes first; SIGTTOU would stop who is not in front. */
static void to_front(int tty, pid_t pid)
{
	void (*before)(int) = signal(SIGTTOU, SIG_IGN);

	setpgid(pid, pid);
	tcsetpgrp(tty, pid ? pid : getpid());
	signal(SIGTTOU, before);
}

int outside_tty_lead(void (*run)(void *arg), void *arg)
{
	autoclose int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	int status;
	pid_t pid;

	if (tty < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		to_front(tty, 0);
		run(arg);
		_exit(126);
	}
	to_front(tty, pid);
	for (;;) {
		if (waitpid(pid, &status, WUNTRACED) != pid) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!WIFSTOPPED(status))
			return run_status(status);
		/* Our parent sees it, and stops with its job; what comes next is that it goes on.
		 */
		kill(getpid(), SIGSTOP);
		to_front(tty, pid);
		kill(-pid, SIGCONT);
	}
}
