#include "tazfs/link.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/proto.h"
#include "tazfs/fs.h"
#include "tazfs/hollow.h"
#include "tazfs/scrub.h"

#define QUIESCE_MS 2000
#define PRESYNCS   3
#define PRESYNC_NS 10000000ULL

union request {
	uint32_t op;
	struct view_plain plain;
	struct view_session session;
	struct view_synced synced;
	struct view_answer answer;
};

static int answer(const struct view *v, uint32_t op, int err)
{
	struct view_plain msg = { .op = op, .err = err };

	return msg_send(v->keeper, &msg, sizeof(msg), NULL, 0);
}

/* Ends the process when the scrub does not: better locked with pages left than not locked. */
static void *watchdog(void *arg)
{
	const struct view *v = arg;
	struct timespec limit = { .tv_sec = SCRUB_LIMIT_MS / 1000 };

	while (nanosleep(&limit, &limit) < 0 && errno == EINTR)
		;
	if (v->keeper >= 0)
		answer(v, VIEW_LOCKED, -ETIMEDOUT);
	_exit(1);
}

static int scrub_within_limit(struct view *v, bool bring_home)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, watchdog, v) == 0)
		pthread_detach(thread);
	/* Who waits for a person may hold what the files that are brought home need. */
	asks_close(v, fs_run_asked);
	return scrub(v, bring_home);
}

static int on_session_add(struct view *v, const union request *req, int *fd)
{
	struct view_session msg = req->session;
	unsigned kind = (msg.kind & VIEW_SESSION_MARKED ? SESSION_MARKED : 0) |
			(msg.kind & VIEW_SESSION_COMMAND ? SESSION_COMMAND : 0);

	/* A leader that is dead already is no error: its session is over before it began. */
	sessions_add(v->sessions, msg.pid, msg.start, take_fd(fd), kind);
	msg.op = VIEW_SESSION_ADDED;
	return msg_send(v->keeper, &msg, sizeof(msg), NULL, 0);
}

static int on_session_del(struct view *v, const union request *req, int *fd)
{
	const struct view_session *msg = &req->session;
	uint32_t session;

	if (sessions_del(v->sessions, msg->pid, msg->start, &session) == 0)
		asks_end_session(v->asks, session);
	return 0;
}

/* Nearly all that ext4 has to write goes out while writers go on: a sync that took long has left
 * time for much, and is done again. Returns the gate's mark before the last one. */
static uint64_t sync_first(struct view *v)
{
	uint64_t mark = 0;

	for (int i = 0; i < PRESYNCS; i++) {
		uint64_t start = io_boottime_ns();

		mark = gate_mark(&v->gate);
		if (syncfs(v->rootfd) < 0)
			return 0; /* the one that counts says why */
		if (io_boottime_ns() - start < PRESYNC_NS || gate_quiet_since(&v->gate, mark))
			break;
	}
	return mark;
}

static int on_quiesce(struct view *v, const union request *req, int *fd)
{
	struct view_quiesced msg = { .op = VIEW_QUIESCED };
	uint64_t mark;

	view_audit_flush(v);
	mark = sync_first(v);
	v->paused_ns = io_boottime_ns();
	msg.err = gate_close(&v->gate, QUIESCE_MS);
	if (msg.err == 0) {
		/* Nobody is inside: whoever comes later announces his change again. In this order,
		 * so that no fsync in between sees neither a change nor a save. */
		msg.covers = durable_quiesced(&v->durable);
		atomic_store(&v->dirty, false);
		/* Who waits for his own fsync changes nothing meanwhile: then all is out. */
		if (!gate_quiet_since(&v->gate, mark) && syncfs(v->rootfd) < 0)
			msg.err = -errno;
	}
	return msg_send(v->keeper, &msg, sizeof(msg), NULL, 0);
}

static int on_resume(struct view *v, const union request *req, int *fd)
{
	struct view_resumed msg = { .op = VIEW_RESUMED };

	if (!v->paused_ns)
		return 0;
	msg.pause_us = (io_boottime_ns() - v->paused_ns) / 1000;
	v->paused_ns = 0;
	fs_resume(v->fs);
	if (v->policy_fd >= 0) {
		int r = answer(v, VIEW_POLICY_SET, view_policy_set(v, v->policy_fd));

		fd_close(&v->policy_fd);
		if (r < 0)
			return r;
	}
	return msg_send(v->keeper, &msg, sizeof(msg), NULL, 0);
}

static int on_synced(struct view *v, const union request *req, int *fd)
{
	fs_answer(durable_synced(&v->durable, req->synced.seq, req->synced.err, fs_ask, v));
	return 0;
}

static int on_sync_hangs(struct view *v, const union request *req, int *fd)
{
	fs_answer(durable_hangs(&v->durable));
	return 0;
}

static int on_policy(struct view *v, const union request *req, int *fd)
{
	int r;

	if (v->paused_ns) {
		v->policy_fd = take_fd(fd); /* on_resume() goes on */
		return 0;
	}
	r = view_policy_set(v, *fd);
	return answer(v, VIEW_POLICY_SET, r);
}

static int on_answer(struct view *v, const union request *req, int *fd)
{
	asks_answer(v, req->answer.reply.id, req->answer.reply.answer, fs_run_asked);
	return 0;
}

static int on_ask_idle(struct view *v, const union request *req, int *fd)
{
	struct view_idle msg = { .op = VIEW_IDLE, .last_ns = atomic_load(&v->last_ns) };

	return msg_send(v->keeper, &msg, sizeof(msg), NULL, 0);
}

static int on_pulse(struct view *v, const union request *req, int *fd)
{
	return answer(v, VIEW_ALIVE, 0);
}

/* Whatever else the keeper had on its way to us is too late now. */
static int wait_hollow(const struct view *v)
{
	struct pollfd p = { .fd = v->keeper, .events = POLLIN };
	union request req = { 0 };

	while (poll(&p, 1, HOLLOW_MS) > 0) {
		autoclose int fd = -EBADF;
		ssize_t n = msg_recv(v->keeper, &req, sizeof(req), &fd, 1);

		if (n <= 0)
			return -ECONNRESET;
		if (n == sizeof(req.plain) && req.op == VIEW_HOLLOWED)
			return req.plain.err;
	}
	return -ETIMEDOUT;
}

static int ask_hollow(struct view *v)
{
	int r = answer(v, VIEW_HOLLOW, 0);

	return r < 0 ? r : wait_hollow(v);
}

/* What stays behind when this fails is as after any unmount: pages that the kernel frees, some
 * time. */
static void clear_store_cache(struct view *v)
{
	int r = hollow(v, ask_hollow);

	if (r < 0)
		log_err(r, "clear the ends of files in the page cache");
}

static int on_lock(struct view *v, const union request *req, int *fd)
{
	int r = scrub_within_limit(v, true);

	if (r == 0)
		clear_store_cache(v);

	answer(v, VIEW_LOCKED, r);
	/* Not exit(3): the workers are in the kernel, and there is nothing left to put in order. */
	_exit(r < 0 ? 1 : 0);
}

static const struct {
	uint32_t op;
	size_t size;
	int (*run)(struct view *v, const union request *req, int *fd);
} requests[] = {
	{ VIEW_SESSION_ADD, sizeof(struct view_session), on_session_add },
	{ VIEW_SESSION_DEL, sizeof(struct view_session), on_session_del },
	{ VIEW_QUIESCE, sizeof(struct view_plain), on_quiesce },
	{ VIEW_RESUME, sizeof(struct view_plain), on_resume },
	{ VIEW_ASK_IDLE, sizeof(struct view_plain), on_ask_idle },
	{ VIEW_LOCK, sizeof(struct view_plain), on_lock },
	{ VIEW_PULSE, sizeof(struct view_plain), on_pulse },
	{ VIEW_POLICY, sizeof(struct view_plain), on_policy },
	{ VIEW_ANSWER, sizeof(struct view_answer), on_answer },
	{ VIEW_SYNCED, sizeof(struct view_synced), on_synced },
	{ VIEW_SYNC_HANGS, sizeof(struct view_plain), on_sync_hangs },
};

static int dispatch(struct view *v, const union request *req, size_t size, int *fd)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		if (requests[i].op == req->op)
			return requests[i].size == size ? requests[i].run(v, req, fd) : -EBADMSG;
	return -EBADMSG;
}

/* Nobody is left who could unmount a dead view in time, so its pages are wiped first. */
static void end_without_keeper(struct view *v)
{
	scrub_within_limit(v, false);
	_exit(1);
}

static int serve_one(struct view *v)
{
	union request req = { 0 };
	autoclose int fd = -EBADF;
	ssize_t n = msg_recv(v->keeper, &req, sizeof(req), &fd, 1);

	if (n == 0)
		end_without_keeper(v);
	if (n < (ssize_t)sizeof(req.op))
		return n < 0 ? (int)n : -EBADMSG;
	return dispatch(v, &req, n, &fd);
}

/*
 * A keeper that is stopped locks nothing: not when it is idle, not when somebody asks. Its silence
 * is counted in turns of ours, one in VIEW_PULSE_SEC at most, whatever a clock says: after a
 * suspend, or when both of us were stopped together, it has its whole time to speak.
 */
struct silence {
	uint64_t next_ns; /* CLOCK_BOOTTIME of the next turn */
	unsigned turns;
};

#define PULSE_NS (VIEW_PULSE_SEC * 1000000000ULL)

static void heard(struct silence *s)
{
	*s = (struct silence){ .next_ns = io_boottime_ns() + PULSE_NS };
}

static int wait_ms(const struct silence *s)
{
	uint64_t now = io_boottime_ns();

	return now < s->next_ns ? (int)((s->next_ns - now) / 1000000) + 1 : 0;
}

/* True when it has been silent for too long. */
static bool count_silence(struct silence *s)
{
	if (io_boottime_ns() < s->next_ns)
		return false;
	s->next_ns = io_boottime_ns() + PULSE_NS;
	return ++s->turns == VIEW_PULSES;
}

/* The mount is there still, so what was written through maps can be brought home. Said last: a log
 * that nobody reads (a terminal after Ctrl+S, a full pipe) must not hold up the lock. */
static void end_without_sign(struct view *v)
{
	scrub_within_limit(v, true);
	log_error("the keeper has been silent for %d s: locked", VIEW_PULSES * VIEW_PULSE_SEC);
	_exit(1);
}

int link_keeper(struct view *v, int ended)
{
	struct silence silence;
	struct pollfd p[3] = { { .fd = v->keeper, .events = POLLIN },
			       { .fd = ended, .events = POLLIN },
			       { .events = POLLIN } };
	int r = answer(v, VIEW_READY, 0);

	heard(&silence);
	while (r == 0) {
		/* While a save copies the store, the audit stays in memory. */
		p[2].fd = v->audit && !v->paused_ns ? audit_fd(v->audit) : -1;
		if (poll(p, 3, asks_wait_ms(v, wait_ms(&silence))) < 0 && errno != EINTR)
			return -errno;
		asks_tick(v, fs_run_asked);
		if (p[0].revents) {
			r = serve_one(v);
			heard(&silence);
		} else if (p[1].revents) {
			r = -ENOTCONN;
		} else if (count_silence(&silence)) {
			/* Before the audit, which anybody can keep busy with what is refused. */
			end_without_sign(v);
		} else if (p[2].revents) {
			view_audit_flush(v);
		}
	}
	if (r == -EPIPE)
		end_without_keeper(v);
	return r;
}

int link_signals(struct view *v, int ended)
{
	autoclose int fd = -EBADF;
	struct pollfd p[2] = { { .events = POLLIN }, { .fd = ended, .events = POLLIN } };
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	p[0].fd = fd;
	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return p[0].revents ? scrub_within_limit(v, true) : 0;
}
