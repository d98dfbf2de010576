#include "launcher/watch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/run.h"
#include "launcher/host_bus.h"
#include "launcher/lock_all.h"
#include "launcher/watch_file.h"

#define LOOK_MS		60000 /* is a workshop up still? One that was killed tells nobody */
#define LOOK_TIMEOUT_MS 30000 /* an engine that does not answer by then: it is */
#define RETRY_MS	500   /* the bus went away: it is tried again, later and later */
#define RETRY_MAX_MS	30000
#define MARGIN_MS	500  /* of logind's delay that is left when the host is let go */
#define SCREEN_MS	5000 /* a locked screen waits for nobody; this long without a word */

enum { NEVER = -1 };

struct watch {
	/* Its times are of a clock that stands still while the host sleeps: what is left of one is
	 * left afterwards. */
	const char *root;
	int file, moved, signals; /* moved: inotify(7) of @file */
	struct host_bus *bus;	  /* or NULL: it is gone */
	int64_t retry_at_ms;	  /* when it is tried again */
	int64_t retry_after_ms;
	bool was_deaf; /* something may have been missed */
	struct lock_all *locks;
	bool locking;	     /* until it was said how it ended */
	bool holds;	     /* the host is waiting for us */
	int64_t deadline;    /* of what is being locked; NEVER once it was said */
	char why[96];	     /* it is locked */
	pid_t look;	     /* the process that looks whether one is up, or 0 */
	int64_t look_at;     /* when it begins, or is ended */
	bool poked;	     /* since it has begun: what it finds may be old */
	bool leaving, leave; /* none was up, and the file is gone; it is so still */
};

/* --- locking --------------------------------------------------------------------------------- */

static void let_go(struct watch *w)
{
	if (w->holds && w->bus)
		host_bus_let_go(w->bus);
	w->holds = false;
}

static void lock_now(struct watch *w, const char *why, int64_t deadline)
{
	int r;

	snprintf(w->why, sizeof(w->why), "%s", why);
	log_info("%s: locking every workshop", w->why);
	r = lock_all_begin(w->locks, io_monotonic_ms());
	if (r < 0)
		log_err(r, "look for workshops in %s", w->root);
	w->deadline = deadline;
	w->locking = true;
}

/* All are locked, or the time is over. */
static void see_locks(struct watch *w)
{
	int64_t now = io_monotonic_ms();

	lock_all_tick(w->locks, now);
	if (!w->locking)
		return;
	if (!lock_all_busy(w->locks)) {
		if (!lock_all_failed(w->locks))
			log_info("every workshop is locked or down (%s)", w->why);
		w->locking = false;
		let_go(w);
	} else if (w->deadline != NEVER && now >= w->deadline) {
		lock_all_tell(w->locks, w->why);
		w->deadline = NEVER;
		let_go(w);
	}
}

static void on_sleep(struct watch *w, const char *why)
{
	int64_t delay = host_bus_delay_ms(w->bus);

	w->holds = true;
	lock_now(w, why,
		 io_monotonic_ms() + (delay > 2 * MARGIN_MS ? delay - MARGIN_MS : delay / 2));
}

/* One that comes while the host waits for us does not hold it up longer. */
static void on_screen(struct watch *w, const char *why)
{
	lock_now(w, why, w->holds ? w->deadline : io_monotonic_ms() + SCREEN_MS);
}

static void tell_state(struct watch *w, enum watch_state state)
{
	int r = watch_file_write(w->file, state);

	if (r < 0)
		log_err(r, "write down for doctor what is heard");
}

static void on_event(void *arg, enum host_event what, const char *why)
{
	struct watch *w = arg;

	switch (what) {
	case HOST_HEARD:
		log_info("%s", why);
		tell_state(w, WATCH_LISTENS);
		w->retry_after_ms = RETRY_MS;
		/* Nobody tells what was missed. */
		if (w->was_deaf)
			on_screen(w, "events of this host may have been missed");
		w->was_deaf = false;
		break;
	case HOST_DEAF:
		log_warn("%s: sleep and screen lock are not heard", why);
		w->was_deaf = true;
		tell_state(w, WATCH_DEAF);
		break;
	case HOST_SLEEPS:
		on_sleep(w, why);
		break;
	case HOST_WAKES:
		/* What still runs goes on; there is nothing to hold up any more. */
		w->holds = false;
		break;
	case HOST_SCREEN:
		on_screen(w, why);
		break;
	}
}

/* --- the bus --------------------------------------------------------------------------------- */

static void bus_later(struct watch *w)
{
	w->retry_at_ms = io_monotonic_ms() + w->retry_after_ms;
	w->retry_after_ms =
		w->retry_after_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : w->retry_after_ms * 2;
}

static void bus_is_gone(struct watch *w, int err)
{
	log_err(err,
		"the system bus is gone: sleep and screen lock are not heard until it is back");
	host_bus_free(w->bus);
	w->bus = NULL;
	w->holds = false;
	w->was_deaf = true;
	tell_state(w, WATCH_DEAF);
	bus_later(w);
}

static void see_bus(struct watch *w)
{
	int r;

	if (!w->bus && io_monotonic_ms() >= w->retry_at_ms &&
	    host_bus_open(on_event, w, &w->bus) < 0)
		bus_later(w);
	r = w->bus ? host_bus_process(w->bus) : 0;
	if (r < 0)
		bus_is_gone(w, r);
}

/* --- is it needed still? --------------------------------------------------------------------- */

static void begin_look(struct watch *w)
{
	char *argv[] = { "tazlaunch", "watch-host", "--look", NULL };

	w->poked = false;
	w->look_at = io_monotonic_ms() + LOOK_TIMEOUT_MS;
	if (run_start("/proc/self/exe", argv, environ, NULL, 0, &w->look) < 0) {
		w->look = 0;
		w->look_at = io_monotonic_ms() + LOOK_MS;
	}
}

/* The name of the file is ours again, unless somebody else has it already. */
static int take_again(struct watch *w)
{
	char path[PATH_MAX];
	int fd = watch_file_take(w->root), r;

	if (fd < 0)
		return fd;
	fd_close(&w->file);
	w->file = fd;
	r = watch_file_path(w->root, path, sizeof(path));
	/* A touch, and that it was removed: inotify(7). */
	if (r == 0 && inotify_add_watch(w->moved, path, IN_ATTRIB) < 0)
		r = -errno;
	tell_state(w, w->bus && !w->was_deaf ? WATCH_LISTENS : WATCH_DEAF);
	return r;
}

/*
 * Whoever brings a workshop up looks at the file afterwards. When none is up its name goes first,
 * and then it is looked once more: one who found the file is seen, and one who comes later finds
 * none, and starts another watcher.
 */
static void looked(struct watch *w, bool any)
{
	w->look = 0;
	w->look_at = io_monotonic_ms() + (w->poked ? 0 : LOOK_MS);
	if (w->poked)
		return;
	if (any) {
		if (w->leaving && take_again(w) < 0)
			w->leave = true;
		w->leaving = false;
	} else if (w->leaving) {
		w->leave = true;
	} else {
		w->leaving = true;
		watch_file_leave(w->root);
		begin_look(w);
	}
}

static void see_look(struct watch *w)
{
	if (io_monotonic_ms() < w->look_at)
		return;
	if (!w->look) {
		begin_look(w);
		return;
	}
	kill(w->look, SIGKILL); /* which counts as: there is one */
	w->look_at = io_monotonic_ms() + LOOK_TIMEOUT_MS;
}

static void on_moved(struct watch *w)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(w->moved, buf, sizeof(buf)) > 0)
		;
	if (w->leaving)
		return;
	/* Somebody has removed it. */
	if (!watch_file_is(w->root, w->file) && take_again(w) < 0)
		w->leave = true;
	w->poked = w->look != 0;
	if (!w->look)
		w->look_at = io_monotonic_ms();
}

/* --- the loop -------------------------------------------------------------------------------- */

static void reap(struct watch *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		int code = run_status(status);

		if (pid == w->look)
			looked(w, code != 1);
		else
			lock_all_ended(w->locks, pid, code, io_monotonic_ms());
	}
}

static void on_signal(struct watch *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			w->leave = true;
	reap(w);
}

static int until(int64_t at, int timeout)
{
	int64_t now = io_monotonic_ms(), ms = at <= now ? 0 : at - now;

	if (at == INT64_MAX || at == NEVER)
		return timeout;
	if (ms > INT_MAX)
		ms = INT_MAX;
	return timeout < 0 || ms < timeout ? (int)ms : timeout;
}

static int wait_something(struct watch *w)
{
	struct pollfd p[3] = { { .fd = w->signals, .events = POLLIN },
			       { .fd = w->moved, .events = POLLIN },
			       { .fd = -1 } };
	int timeout = w->bus ? host_bus_timeout_ms(w->bus) : until(w->retry_at_ms, -1);

	if (w->bus)
		p[2] = host_bus_poll(w->bus);
	timeout = until(w->look_at, timeout);
	timeout = until(lock_all_next_ms(w->locks), timeout);
	if (w->locking)
		timeout = until(w->deadline, timeout);
	if (poll(p, 3, timeout) < 0 && errno != EINTR)
		return -errno;
	if (p[0].revents)
		on_signal(w);
	if (p[1].revents)
		on_moved(w);
	return 0;
}

static int open_all(struct watch *w)
{
	char path[PATH_MAX];
	sigset_t set;
	int r = watch_file_path(w->root, path, sizeof(path));

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (r < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return r < 0 ? r : -errno;
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signals < 0)
		return -errno;
	w->moved = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->moved < 0 || inotify_add_watch(w->moved, path, IN_ATTRIB) < 0)
		return -errno;
	w->locks = lock_all_new(w->root);
	if (!w->locks)
		return -ENOMEM;
	tell_state(w, WATCH_BEGINS);
	return 0;
}

static void close_all(struct watch *w)
{
	if (!w->leaving && watch_file_is(w->root, w->file))
		watch_file_leave(w->root);
	host_bus_free(w->bus);
	lock_all_free(w->locks);
	fd_close(&w->signals);
	fd_close(&w->moved);
	fd_close(&w->file);
}

static int serve(struct watch *w)
{
	int r = host_bus_open(on_event, w, &w->bus);

	/* No bus on this machine: nothing will ever be heard, and nobody is told each time. */
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		bus_later(w);
	for (r = 0; r == 0 && !w->leave;) {
		see_bus(w);
		see_locks(w);
		see_look(w);
		r = wait_something(w);
	}
	return r;
}

int watch_run(const char *root, int file)
{
	struct watch w = { .root = root,
			   .file = file,
			   .moved = -EBADF,
			   .signals = -EBADF,
			   .deadline = NEVER,
			   .retry_after_ms = RETRY_MS,
			   .look_at = io_monotonic_ms() + LOOK_MS };
	int r = open_all(&w);

	if (r == 0)
		r = serve(&w);
	if (r < 0)
		log_err(r, "watch for sleep and screen lock of this host");
	close_all(&w);
	return r;
}
