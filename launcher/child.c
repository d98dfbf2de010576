#include "launcher/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/privs.h"
#include "enclave/base/run.h"

/* Both ends of the three streams, before one side is closed. */
struct ends {
	int ours[3];
	int theirs[3];
};

static void ends_done(struct ends *e)
{
	for (int i = 0; i < 3; i++) {
		fd_close(&e->ours[i]);
		fd_close(&e->theirs[i]);
	}
}

#define autoends __attribute__((cleanup(ends_done)))

static int set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static int open_pipes(struct ends *e)
{
	for (int i = 0; i < 3; i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC) < 0)
			return -errno;
		e->ours[i] = p[i == 0];
		e->theirs[i] = p[i != 0];
	}
	return 0;
}

/* tmux, gpg and others open their terminal by name, so it must belong to them. */
static int give_terminal(int slave, const char *user)
{
	struct passwd *pw = getpwnam(user);
	struct group *tty = getgrnam("tty");

	if (!pw)
		return -ENOENT;
	if (fchown(slave, pw->pw_uid, tty ? tty->gr_gid : (gid_t)-1) < 0)
		return -errno;
	return fchmod(slave, 0620) < 0 ? -errno : 0;
}

static int open_terminal(const struct child_spec *spec, struct ends *e)
{
	struct winsize ws = { .ws_row = spec->rows, .ws_col = spec->cols };
	int slave;

	e->ours[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (e->ours[0] < 0 || unlockpt(e->ours[0]) < 0)
		return -errno;
	slave = ioctl(e->ours[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	e->theirs[0] = slave;
	e->ours[1] = fcntl(e->ours[0], F_DUPFD_CLOEXEC, 0);
	e->theirs[1] = fcntl(slave, F_DUPFD_CLOEXEC, 0);
	e->theirs[2] = fcntl(slave, F_DUPFD_CLOEXEC, 0);
	if (e->ours[1] < 0 || e->theirs[1] < 0 || e->theirs[2] < 0)
		return -errno;
	if (ws.ws_row && ws.ws_col && ioctl(slave, TIOCSWINSZ, &ws) < 0)
		return -errno;
	return give_terminal(slave, spec->tty_user);
}

/* --- in the child ---------------------------------------------------------------------------- */

static void default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Sources are first moved up, so that no target overwrites one. */
static int place_fds(const struct child_spec *spec, const struct ends *e, int *report)
{
	int from[4] = { e->theirs[0], e->theirs[1], e->theirs[2], spec->extra_fd };
	int n = spec->extra_fd >= 0 ? 4 : 3;

	for (int i = 0; i < n; i++) {
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 100);
		if (from[i] < 0)
			return -errno;
	}
	for (int i = 0; i < n; i++)
		if (dup2(from[i], i) < 0)
			return -errno;
	*report = dup3(*report, CHILD_EXTRA_FD + 1, O_CLOEXEC);
	if (*report < 0)
		return -errno;
	if (spec->extra_fd < 0)
		close(CHILD_EXTRA_FD);
	return close_range(CHILD_EXTRA_FD + 2, ~0U, 0) < 0 ? -errno : 0;
}

static int become(const char *user)
{
	struct passwd *pw = getpwnam(user);

	return pw ? privs_become(user, pw->pw_uid, pw->pw_gid, 0) : -ENOENT;
}

static int prepare(const struct child_spec *spec, const struct ends *e, pid_t parent, int *report)
{
	int r;

	default_signals();
	if (setsid() < 0)
		return -errno;
	r = place_fds(spec, e, report);
	if (r < 0)
		return r;
	if (spec->tty && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		return -errno;
	if (spec->user) {
		r = become(spec->user);
		if (r < 0)
			return r;
	}
	/* After the change of user, which clears it. */
	if (spec->dies_with_us && (r = privs_die_with_parent(parent)) < 0)
		return r;
	if (!spec->cwd)
		return 0;
	umask(022);
	/* As that user: a directory it may not enter is not entered for it. */
	return chdir(spec->cwd) < 0 && chdir("/") < 0 ? -errno : 0;
}

_Noreturn static void child_main(const struct child_spec *spec, const struct ends *e, pid_t parent,
				 int report)
{
	int r = prepare(spec, e, parent, &report);

	if (r == 0) {
		environ = (char **)spec->envp; /* PATH for the search is the new one */
		execvp(spec->argv[0], (char *const *)spec->argv);
		r = -errno;
	}
	if (write(report, &r, sizeof(r)) != sizeof(r))
		_exit(126);
	_exit(127);
}

/* --- in the parent --------------------------------------------------------------------------- */

/* The report pipe closes by itself when exec works; otherwise it holds why not. */
static int wait_exec(int report)
{
	int err;

	for (;;) {
		ssize_t n = read(report, &err, sizeof(err));

		if (n < 0 && errno == EINTR)
			continue;
		return n == sizeof(err) ? err : n < 0 ? -errno : 0;
	}
}

static int spawn(const struct child_spec *spec, struct ends *e, pid_t *ret_pid)
{
	autoclose int rd = -EBADF, wr = -EBADF;
	int report[2], r;
	pid_t pid, self = getpid();

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	rd = report[0];
	wr = report[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_main(spec, e, self, wr);
	fd_close(&wr);
	r = wait_exec(rd);
	if (r < 0) {
		run_wait(pid);
		return r;
	}
	*ret_pid = pid;
	return 0;
}

int child_start(const struct child_spec *spec, struct child *ret)
{
	autoends struct ends e = { { -EBADF, -EBADF, -EBADF }, { -EBADF, -EBADF, -EBADF } };
	struct child c = { 0 };
	int r = spec->tty ? open_terminal(spec, &e) : open_pipes(&e);

	for (int i = 0; r == 0 && i < 3; i++)
		if (e.ours[i] >= 0)
			r = set_nonblock(e.ours[i]);
	if (r == 0)
		r = spawn(spec, &e, &c.pid);
	if (r < 0)
		return r;
	c.pidfd = syscall(SYS_pidfd_open, c.pid, 0);
	if (c.pidfd < 0) {
		r = -errno;
		kill(-c.pid, SIGKILL);
		run_wait(c.pid);
		return r;
	}
	c.in = take_fd(&e.ours[0]);
	c.out = take_fd(&e.ours[1]);
	c.err = take_fd(&e.ours[2]);
	c.tty = spec->tty;
	c.status = -1;
	*ret = c;
	return 0;
}

void child_resize(const struct child *c, uint16_t rows, uint16_t cols)
{
	struct winsize ws = { .ws_row = rows, .ws_col = cols };

	/* On a pipe there is nothing to resize, and the ioctl says so. */
	if (c->in >= 0)
		ioctl(c->in, TIOCSWINSZ, &ws);
}

int child_signal(const struct child *c, int sig)
{
	if (c->status >= 0)
		return -ESRCH;
	return kill(-c->pid, sig) < 0 ? -errno : 0;
}

int child_wait(struct child *c)
{
	int r;

	if (c->status < 0) {
		r = run_wait(c->pid);
		c->status = r < 0 ? 1 : r;
	}
	return c->status;
}

int child_hang_up(struct child *c, int grace_ms)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	/* The terminal's last master: the kernel itself hangs up whoever is in the foreground. */
	fd_close(&c->in);
	if (c->tty)
		fd_close(&c->out);
	if (child_signal(c, SIGHUP) == 0) {
		child_signal(c, SIGCONT); /* a stopped program must get it, too */
		if (poll(&p, 1, grace_ms) != 1)
			child_signal(c, SIGKILL);
	}
	return child_wait(c);
}

void child_done(struct child *c)
{
	fd_close(&c->in);
	fd_close(&c->out);
	fd_close(&c->err);
	fd_close(&c->pidfd);
}
