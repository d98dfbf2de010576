#include "enclave/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/base/secret.h"
#include "enclave/keeper_priv.h"
#include "enclave/mounts.h"
#include "enclave/sealer.h"
#include "enclave/volume.h"

#define MS  1000000ULL
#define SEC (1000 * MS)

/* --- sources --------------------------------------------------------------------------------- */

int keeper_watch(struct keeper *k, struct source *s, int fd,
		 void (*on)(struct keeper *, struct source *))
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };

	if (epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	s->fd = fd;
	s->on = on;
	return 0;
}

void keeper_unwatch(struct keeper *k, struct source *s)
{
	if (s->fd >= 0)
		epoll_ctl(k->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	fd_close(&s->fd);
}

void keeper_arm(struct source *timer, uint64_t ns)
{
	struct itimerspec its = { .it_value = { .tv_sec = ns / SEC, .tv_nsec = ns % SEC } };

	timerfd_settime(timer->fd, 0, &its, NULL);
}

uint64_t keeper_left(const struct source *timer)
{
	struct itimerspec its = { 0 };

	timerfd_gettime(timer->fd, &its);
	return (uint64_t)its.it_value.tv_sec * SEC + its.it_value.tv_nsec;
}

/* --- the lock's actions ---------------------------------------------------------------------- */

static void forget(struct keeper *k)
{
	save_end(k);
	fd_close(&k->image);
	keybox_wipe(k->keybox);
	k->dirty = false;
	k->n_mounts = 0;
}

static void start_view(struct keeper *k)
{
	if (view_start(k) < 0)
		keeper_event(k, LE_FAILED);
}

static void admit(struct keeper *k)
{
	keeper_arm(&k->step_timer, 0);
	keeper_arm(&k->idle_timer, k->cfg->idle_sec * SEC);
	pulse_start(k);
	if (k->dirty)
		save_mark_dirty(k); /* a new vault is on disk soon, even if nothing is written */
	open_admit(k);
}

static void report(struct keeper *k)
{
	conns_report(k);
	notice_end(k, k->save_err < 0 && k->image >= 0);
	/* Also when it was not saved: those mounts are gone, and their ids can be others' by now.
	 */
	k->n_mounts = 0;
	if (k->stopping)
		k->finished = true;
}

static void new_name(struct keeper *k)
{
	uint32_t id;

	secret_random(&id, sizeof(id));
	stale_name(k->cfg->instance, k->home, id, k->dm_name);
	k->loop = k->keybox->loop = 0;
	k->fuse_dev = 0;
}

static void start_worker(struct keeper *k)
{
	save_abort(k); /* of what could not be saved before */
	new_name(k);
	open_start_worker(k);
}

static void keep(struct keeper *k)
{
	log_error("locked, but not saved: the ciphertext stays in RAM; make room at %s, then "
		  "'enclave save'",
		  k->cfg->vault);
}

/* In this order; those that can lead to the next event come last. */
static const struct {
	enum lock_action action;
	void (*run)(struct keeper *k);
} actions[] = {
	{ ACT_KILL_WORKER, open_kill_worker },
	{ ACT_KILL_VIEW, lock_kill_view },
	{ ACT_REFUSE, open_refuse },
	{ ACT_SHUT_DOOR, lock_shut_door },
	{ ACT_COMPLAIN, lock_complain },
	{ ACT_FORGET, forget },
	{ ACT_KEEP, keep },
	{ ACT_REPORT, report },
	{ ACT_ASK_VIEW, view_ask_lock },
	{ ACT_ADMIT, admit },
	{ ACT_START_WORKER, start_worker },
	{ ACT_START_VIEW, start_view },
	{ ACT_CUT, lock_cut },
	{ ACT_CHECK, lock_start_check },
	{ ACT_SAVE, save_at_lock },
};

void keeper_event(struct keeper *k, enum lock_event event)
{
	struct lock_step step = lockstate_step(k->state, event);

	if (step.refused) {
		log_warn("%s while %s: ignored", lockstate_event_name(event),
			 lockstate_name(k->state));
		return;
	}
	k->state = step.next;
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (step.actions & actions[i].action)
			actions[i].run(k);
}

/* --- timers and signals ---------------------------------------------------------------------- */

static void drain_timer(struct source *s)
{
	uint64_t times;

	if (read(s->fd, &times, sizeof(times)) < 0)
		return; /* disarmed meanwhile */
}

static void on_step(struct keeper *k, struct source *s)
{
	drain_timer(s);
	if (k->state == LS_DRAINING || k->state == LS_CUTTING)
		lock_check(k);
	else if (k->state == LS_UNLOCKED)
		keeper_event(k, LE_LOCK); /* nobody entered in time after the last session */
	else
		keeper_event(k, LE_TIMEOUT);
}

static void on_idle(struct keeper *k, struct source *s)
{
	drain_timer(s);
	if (k->state != LS_UNLOCKED)
		return;
	/* It may have been used this moment, and be slow to say so: whether it answers at all is
	 * for its pulse to tell (keeper_pulse.c). */
	k->idle_asked = true;
	view_send(k, VIEW_ASK_IDLE);
}

static void on_settle(struct keeper *k, struct source *s)
{
	drain_timer(s);
	save_on_settle(k);
}

static void on_save_watch(struct keeper *k, struct source *s)
{
	drain_timer(s);
	save_on_watch(k);
}

static void on_pulse(struct keeper *k, struct source *s)
{
	drain_timer(s);
	pulse_on_timer(k);
}

/* As the container's first process we also reap what others left. */
static void reap(struct keeper *k)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == k->view_pid) {
			k->view_pid = 0;
			view_died(k);
		}
		if (pid == k->save.pid)
			k->save.pid = 0;
		for (int i = 0; i < KEEPER_CONNS; i++)
			if (k->conns[i].worker_pid == pid)
				k->conns[i].worker_pid = 0;
		lock_reaped(k, pid);
		atrest_reaped(k, pid, status);
	}
}

static void on_signal(struct keeper *k, struct source *s)
{
	struct signalfd_siginfo si;

	if (read(s->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD) {
		reap(k);
		return;
	}
	log_info("told to stop: locking");
	k->stopping = true;
	notice_lock(k, NOTICE_STOP, 0);
}

/* --- start and end --------------------------------------------------------------------------- */

static int add_timer(struct keeper *k, struct source *s, int clock,
		     void (*on)(struct keeper *, struct source *))
{
	int fd = timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = keeper_watch(k, s, fd, on);
	if (r < 0)
		fd_close(&fd);
	return r;
}

static int add_signals(struct keeper *k)
{
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = keeper_watch(k, &k->signals, fd, on_signal);
	if (r < 0)
		fd_close(&fd);
	return r;
}

static int open_vault_dir(struct keeper *k)
{
	char dir[PATH_MAX], base[PATH_MAX];
	char *name;

	snprintf(dir, sizeof(dir), "%s", k->cfg->vault);
	snprintf(base, sizeof(base), "%s", k->cfg->vault);
	name = basename(base);
	if (strlen(name) >= sizeof(k->vault_name))
		return log_err(-ENAMETOOLONG, "vault %s", k->cfg->vault);
	strcpy(k->vault_name, name);
	k->vault_dir = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return k->vault_dir < 0 ? log_err(-errno, "open the vault's directory %s", dir) : 0;
}

static int shut_first(const struct keeper_config *cfg)
{
	autoclose int dir = -EBADF;
	int r;

	mounts_detach_stale(cfg->door);
	dir = open(cfg->door, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return log_err(-errno, "open %s", cfg->door);
	r = volume_door(dir, cfg->uid, cfg->gid);
	return r < 0 ? log_err(r, "shut the door at %s", cfg->door) : 0;
}

static int set_up(struct keeper *k)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int r = privs_hide();

	if (r < 0)
		return r;
	/* The view and the workers lock all of their memory, as another uid. Where this may not be
	 * raised (a container without CAP_SYS_RESOURCE) they refuse to start, and say so. */
	setrlimit(RLIMIT_MEMLOCK, &all);
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	k->keybox_fd = keybox_new();
	if (k->epoll < 0 || k->keybox_fd < 0)
		return log_err(k->epoll < 0 ? -errno : k->keybox_fd, "start the keeper");
	k->keybox = keybox_map(k->keybox_fd);
	if (!k->keybox)
		return log_err(-errno, "lock memory for the seal key");
	r = open_vault_dir(k);
	if (r == 0)
		sealer_clean(k->vault_dir, k->vault_name);
	if (r == 0)
		r = shut_first(k->cfg);
	if (r < 0)
		return r;
	/* Idle counts a suspended machine's time too. */
	if ((r = add_signals(k)) < 0 ||
	    (r = add_timer(k, &k->step_timer, CLOCK_MONOTONIC, on_step)) < 0 ||
	    (r = add_timer(k, &k->settle_timer, CLOCK_MONOTONIC, on_settle)) < 0 ||
	    (r = add_timer(k, &k->save.watch, CLOCK_MONOTONIC, on_save_watch)) < 0 ||
	    (r = add_timer(k, &k->pulse_timer, CLOCK_MONOTONIC, on_pulse)) < 0 ||
	    (r = add_timer(k, &k->idle_timer, CLOCK_BOOTTIME, on_idle)) < 0)
		return log_err(r, "start the keeper");
	r = conns_listen(k);
	return r < 0 ? r : lock_find_home(k); /* whoever listens is the only one here */
}

static void loop(struct keeper *k)
{
	while (!k->finished) {
		struct epoll_event ev;

		/* One at a time: a handler may free the source of the next event. */
		if (epoll_wait(k->epoll, &ev, 1, -1) != 1)
			continue;
		((struct source *)ev.data.ptr)->on(k, ev.data.ptr);
		key_pump(k);
		if (k->state == LS_LOCKED || k->state == LS_UNLOCKED)
			open_pump(k);
	}
}

int keeper_run(const struct keeper_config *cfg)
{
	autofree struct keeper *k = calloc(1, sizeof(*k));
	struct source *sources[] = { &k->listen,     &k->signals,      &k->step_timer,
				     &k->idle_timer, &k->settle_timer, &k->view_pidfd,
				     &k->view,	     &k->save.saver,   &k->save.watch,
				     &k->hollow,     &k->pulse_timer };
	int r;

	if (!k)
		return -ENOMEM;
	k->cfg = cfg;
	lock_init(k);
	k->rest.seen = cfg->seen;
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
		sources[i]->fd = -EBADF;
	k->vault_dir = k->image = k->root = k->fuse_mount = k->keybox_fd = -EBADF;
	r = set_up(k);
	if (r < 0)
		return r;
	log_info("keeping the vault %s for %s", cfg->vault, cfg->owner_name);
	loop(k);
	save_stop(k);
	unlink(PROTO_SOCKET);
	return k->image < 0 ? 0 : -EIO;
}
