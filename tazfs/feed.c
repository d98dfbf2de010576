#include "tazfs/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"

_Noreturn static void child(pid_t parent, int out, int err, int (*run)(void *arg), void *arg)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), code;
	sigset_t none;

	/* The parent may have died before it was asked for. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		_exit(1);
	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_DFL); /* but for those that nobody can change */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	code = run(arg);
	fflush(NULL);
	_exit(code);
}

int feed_start(struct feed *f, int (*run)(void *arg), void *arg)
{
	int out[2] = { -EBADF, -EBADF }, err[2] = { -EBADF, -EBADF };
	pid_t parent = getpid(), pid = -1;
	int r = pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 ? -errno : 0;

	fflush(NULL); /* or the child would write it once more */
	if (r == 0) {
		pid = fork();
		r = pid < 0 ? -errno : 0;
	}
	if (pid == 0)
		child(parent, out[1], err[1], run, arg);
	fd_close(&out[1]);
	fd_close(&err[1]);
	if (r < 0) {
		fd_close(&out[0]);
		fd_close(&err[0]);
		return r;
	}
	*f = (struct feed){ .pid = pid, .out = out[0], .err = err[0] };
	return 0;
}

/* The last whole line, or what there is of the first; what is too long is cut. */
static void said(struct feed *f, const char *data, size_t size)
{
	size_t n = strlen(f->said);

	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n') {
			f->ended_line = true;
			continue;
		}
		if (f->ended_line)
			n = 0;
		f->ended_line = false;
		if (n < FEED_SAID - 1 && data[i])
			f->said[n++] = data[i];
		f->said[n] = '\0';
	}
}

bool feed_hear(struct feed *f)
{
	char buf[1024];
	ssize_t n = read(f->err, buf, sizeof(buf));

	if (n > 0)
		said(f, buf, (size_t)n);
	if (n > 0 || (n < 0 && errno == EINTR))
		return true;
	fd_close(&f->err);
	return false;
}

void feed_end(struct feed *f)
{
	if (!f->pid)
		return;
	kill(f->pid, SIGKILL);
	while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
		;
	f->pid = 0;
	while (f->err >= 0 && feed_hear(f))
		;
	fd_close(&f->out);
}
