/*
 * child - start a program for a request: on a terminal of its own, or on three pipes
 *
 * What it gets is built here: standard streams, one more descriptor at most, an environment of
 * ours, a session (setsid) of its own, default signals. Nothing else is inherited.
 * Source: posix_openpt(3), ioctl_tty(2) TIOCSCTTY, close_range(2), pidfd_open(2).
 */
#ifndef TAZ_LAUNCHER_CHILD_H
#define TAZ_LAUNCHER_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_EXTRA_FD 3 /* the number at which the program finds @extra_fd */

struct child_spec {
	const char *const *argv;
	const char *const *envp;
	const char *cwd;      /* falls back to / when it cannot be entered as that user; NULL: ours,
				 and our umask, too */
	const char *tty_user; /* who owns the terminal */
	const char *user;     /* become this user for good; NULL: stay root */
	int extra_fd;	      /* borrowed; < 0 for none */
	bool dies_with_us;    /* SIGKILL when we end (prctl(2) PR_SET_PDEATHSIG) */
	bool tty;
	uint16_t rows, cols;
};

struct child {
	pid_t pid; /* its own process group and session; reaped by child_wait() */
	int pidfd; /* readable when it has ended */
	int in;	   /* what is written here it reads; non-blocking; the terminal's master, or */
	int out;   /* a pipe; on a terminal in and out are two descriptors of the master */
	int err;   /* a pipe, or -EBADF on a terminal */
	bool tty;
	int status; /* run_status(), once it was waited for */
};

/*
 * child_start - start it; @ret is filled on success only, and ended by child_done()
 * Returns 0 or -errno, also of execve(2) in the child: -ENOENT, -EACCES.
 */
int child_start(const struct child_spec *spec, struct child *ret);

/* child_resize - tell the terminal its new size */
void child_resize(const struct child *c, uint16_t rows, uint16_t cols);

/* child_signal - to its whole process group. Returns 0 or -errno of kill(2). */
int child_signal(const struct child *c, int sig);

/* child_wait - reap it; waits. Returns its status, 0 to 255. */
int child_wait(struct child *c);

/*
 * child_hang_up - its terminal is gone: SIGHUP the group; SIGKILL after @grace_ms
 * Our end of a terminal is closed first, ends of pipes last: SIGPIPE would kill a program that is
 * about to tidy up. Returns its status.
 */
int child_hang_up(struct child *c, int grace_ms);

/* child_done - close what is open */
void child_done(struct child *c);

#endif
