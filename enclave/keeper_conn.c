#include "enclave/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/proc.h"

/* The owner's processes, outsiders among them, must not be able to crowd out root's lock. */
#define CONNS_FOR_ROOT 8
#define EXPECT_NS      (60 * 1000000000ULL) /* a passphrase takes a slow machine a quarter of it */

bool vault_is_there(const struct keeper *k)
{
	return faccessat(k->vault_dir, k->vault_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void conn_drop_worker(struct keeper *k, struct conn *c)
{
	if (c->worker_pid > 0)
		kill(c->worker_pid, SIGKILL);
	/* It may be in the kernel, making the mapping: the lock waits for its death. */
	if (c->worker_pid > 0 && c->state == CONN_WORKING)
		k->opener_pid = c->worker_pid;
	c->worker_pid = 0;
	keeper_unwatch(k, &c->worker);
	conn_expect_end(k, c);
}

static void on_bound(struct keeper *k, struct source *s)
{
	struct conn *c = (struct conn *)((char *)s - offsetof(struct conn, bound));

	conn_expect_end(k, c);
	if (c->worker.fd >= 0) {
		log_warn("a worker does not answer: killing it");
		if (c->worker_pid > 0)
			kill(c->worker_pid, SIGKILL);
		/* One that hangs in the kernel does not die of it; its end is seen here anyway. */
		shutdown(c->worker.fd, SHUT_RDWR);
	} else if (c->state == CONN_ADMITTING || c->state == CONN_POLICY) {
		log_warn("the view does not answer: killing it");
		view_kill(k);
	}
}

void conn_expect(struct keeper *k, struct conn *c)
{
	autoclose int fd = -EBADF;

	if (c->bound.fd < 0) {
		fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (fd < 0 || keeper_watch(k, &c->bound, fd, on_bound) < 0) {
			log_warn("no timer for a worker: it has no bound");
			return;
		}
		take_fd(&fd);
	}
	keeper_arm(&c->bound, EXPECT_NS);
}

void conn_expect_end(struct keeper *k, struct conn *c)
{
	keeper_unwatch(k, &c->bound);
}

int conn_start_worker(struct keeper *k, struct conn *c, const char *kind,
		      void (*on)(struct keeper *, struct source *))
{
	autoclose int sock = -EBADF;
	int r = worker_start(kind, &c->worker_pid, &sock);

	if (r == 0)
		r = keeper_watch(k, &c->worker, sock, on);
	if (r < 0)
		return r;
	take_fd(&sock);
	conn_expect(k, c);
	return 0;
}

void conn_prompt(struct keeper *k, struct conn *c, const struct worker_ask *ask, bool is_new,
		 enum conn_state next)
{
	struct res_seal_to to = { .op = RES_SEAL_TO, .is_new = is_new };

	memcpy(to.public_key, ask->public_key, sizeof(to.public_key));
	c->state = next;
	conn_expect_end(k, c);
	conn_send(c, &to, sizeof(to));
}

void conn_send(struct conn *c, const void *msg, size_t size)
{
	/* A client that does not read must not hold up the keeper: it is hung up on. Not dropped
	 * here, where the caller may be walking the table; its hang-up is the next event. */
	if (msg_send(c->src.fd, msg, size, NULL, 0) < 0)
		shutdown(c->src.fd, SHUT_RDWR);
}

void conn_answer(struct keeper *k, struct conn *c, int err, enum proto_why why)
{
	struct res_done res = {
		.op = RES_DONE,
		.err = err,
		.why = why,
		.generation = k->origin.generation,
		.slot = c->verdict.slot,
	};

	if (why == WHY_WRONG_PASSPHRASE || why == WHY_WAIT)
		res.wait_sec = wait_sec(k, c);
	key_forget(c);
	conn_drop_worker(k, c);
	leader_done(&c->leader);
	c->state = CONN_IDLE;
	conn_send(c, &res, sizeof(res));
}

bool conn_is_entering(const struct conn *c)
{
	return c->used && (c->state == CONN_STARTING || c->state == CONN_ADMITTING);
}

/* The client is gone. If it was opening the vault, nobody waits for it to open any more. */
static void drop(struct keeper *k, struct conn *c)
{
	bool opening =
		c->state == CONN_STARTING || (c->state == CONN_WORKING && k->state == LS_OPENING);

	atrest_forget(k, c);
	if (c->state == CONN_WORKING || c->state == CONN_KEY_WORKING || c->state == CONN_RESTORING)
		wait_cut_off(k, c);
	if (c->state == CONN_ADMITTING)
		view_del_session(k, &c->leader);
	key_forget(c);
	conn_drop_worker(k, c);
	leader_done(&c->leader);
	fd_close(&c->pidfd);
	keeper_unwatch(k, &c->src);
	c->used = false;
	if (opening)
		keeper_event(k, LE_LOCK);
	else
		open_or_lock(k);
}

/* --- requests -------------------------------------------------------------------------------- */

static void on_mount(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	int r = -EBADF;

	/* The same uid is not enough: an outsider could put the view over the owner's home. */
	if (fd >= 0 && k->state != LS_UNLOCKED)
		r = -ENOLCK;
	else if (fd >= 0)
		r = c->uid == 0 || sessions_of(k, c->pid) ? view_mount_at(k, fd) : -EPERM;

	conn_answer(k, c, r, r == -ENOLCK ? WHY_LOCKED : r == -EPERM ? WHY_NOT_YOURS : WHY_NONE);
}

/* One at a time, so that an answer is for the one who waits. */
static bool another_sets_policy(const struct keeper *k)
{
	for (const struct conn *c = k->conns; c < k->conns + KEEPER_CONNS; c++)
		if (c->used && c->state == CONN_POLICY)
			return true;
	return false;
}

/* Who changes the rules has typed the passphrase for it: one that was typed an hour ago, by whoever
 * sat there then, is not enough. */
static void on_policy(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	bool proved = c->proved;

	c->proved = false;
	if (!proved) {
		conn_answer(k, c, -EPERM, WHY_UNPROVED);
	} else if (k->state != LS_UNLOCKED) {
		conn_answer(k, c, -ENOLCK, WHY_LOCKED);
	} else if (another_sets_policy(k)) {
		conn_answer(k, c, -EBUSY, WHY_BUSY);
	} else {
		c->state = CONN_POLICY;
		conn_expect(k, c);
		view_send_policy(k, fd);
	}
}

void conns_policy_set(struct keeper *k, int err)
{
	FOR_CONNS (k, c)
		if (c->state == CONN_POLICY)
			conn_answer(k, c, err, err == -EINVAL ? WHY_POLICY : WHY_NONE);
}

static void on_lock(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	c->state = CONN_LOCK;
	if (k->state == LS_LOCKED) {
		k->report.took_us = 0;
		lock_check_again(k);
	}
	notice_lock(k, NOTICE_ASKED, c->pid);
}

static void on_leave(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	struct pollfd peer = { .fd = c->pidfd, .events = POLLIN };

	/* The peer lives, so its pid is its own. */
	if (poll(&peer, 1, 0) != 0 || !sessions_end(k, c->pid)) {
		conn_answer(k, c, -ESRCH, WHY_NONE);
	} else {
		c->state = CONN_LOCK;
		if (open_or_lock(k))
			conn_answer(k, c, 0, WHY_NONE);
	}
}

static void on_save(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	int r;

	/* A change was announced before it was acknowledged to its writer, so it is announced by
	 * now; but the loop may come to us before it comes to the view. */
	view_listen(k);
	/* A save whose copy is already taken says nothing of what was written since. */
	c->state = k->save.phase > SAVE_QUIESCING ? CONN_SAVE_NEXT : CONN_SAVE;
	if (k->state == LS_LOCKED && k->image >= 0) {
		keeper_event(k, LE_LOCK); /* a second try to write what could not be written */
		return;
	}
	r = k->dirty || k->save.phase != SAVE_NONE ? save_request(k) : 1;
	if (r)
		conn_answer(k, c, r < 0 ? r : 0, r < 0 ? WHY_LOCKED : atrest_why(k, 0));
}

static void on_status(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	static const uint32_t shown[LS_STATES] = {
		[LS_LOCKED] = PROTO_LOCKED,    [LS_OPENING] = PROTO_OPENING,
		[LS_STARTING] = PROTO_OPENING, [LS_UNLOCKED] = PROTO_UNLOCKED,
		[LS_CLOSING] = PROTO_LOCKING,  [LS_DRAINING] = PROTO_LOCKING,
		[LS_CUTTING] = PROTO_LOCKING,  [LS_SAVING] = PROTO_LOCKING,
	};
	struct res_status res = {
		.op = RES_STATUS,
		.lock = shown[k->state],
		/* While it is open the disk is not asked: it may hang. */
		.has_vault = k->image >= 0 || vault_is_there(k),
		.unsaved = save_is_behind(k),
		.sessions = sessions_count(k),
		.idle_limit_sec = k->cfg->idle_sec,
		.vault_bytes = k->vault_bytes,
		.generation = k->origin.generation,
		.view_pid = k->view_pid,
		.save_err = k->save_err,
		.durability = k->cfg->durability,
		.save_hangs = k->save.hangs,
		.save_bytes = k->save.last.written_bytes,
		.save_us = k->report.save_us,
		.save_pause_us = k->save.pause_us,
	};

	if (k->state == LS_UNLOCKED)
		res.idle_left_sec = keeper_left(&k->idle_timer) / 1000000000ULL;
	snprintf(res.instance, sizeof(res.instance), "%s", k->cfg->instance);
	res.seen = k->rest.seen.generation;
	memcpy(res.vault_id, k->rest.seen.vault_id, sizeof(res.vault_id));
	strcpy(res.conflict, k->rest.conflict);
	conn_send(c, &res, sizeof(res));
}

/* Wrong size, state or descriptors are refused before the handler runs. */
static const struct request {
	uint32_t op;
	size_t size;
	enum conn_state state;
	enum { NO_FD, MAYBE_FD, ONE_FD } fds;
	void (*on)(struct keeper *k, struct conn *c, const void *msg, int fd);
} requests[] = {
	{ REQ_STATUS, sizeof(struct req_plain), CONN_IDLE, NO_FD, on_status },
	{ REQ_OPEN, sizeof(struct req_open), CONN_IDLE, NO_FD, open_begin },
	{ REQ_SEALED, sizeof(struct req_sealed), CONN_PROMPT, MAYBE_FD, open_go_on },
	{ REQ_MOUNT, sizeof(struct req_plain), CONN_IDLE, ONE_FD, on_mount },
	{ REQ_LOCK, sizeof(struct req_plain), CONN_IDLE, NO_FD, on_lock },
	{ REQ_SAVE, sizeof(struct req_plain), CONN_IDLE, NO_FD, on_save },
	{ REQ_LEAVE, sizeof(struct req_plain), CONN_IDLE, NO_FD, on_leave },
	{ REQ_HISTORY, sizeof(struct req_plain), CONN_IDLE, NO_FD, atrest_on_history },
	{ REQ_RESTORE, sizeof(struct req_restore), CONN_IDLE, NO_FD, atrest_on_restore },
	{ REQ_RESTORE_SEALED, sizeof(struct req_sealed), CONN_RESTORE_PROMPT, NO_FD,
	  atrest_on_sealed },
	{ REQ_KEY, sizeof(struct req_key), CONN_IDLE, NO_FD, key_begin },
	{ REQ_POLICY, sizeof(struct req_plain), CONN_IDLE, ONE_FD, on_policy },
	{ REQ_KEY_SEALED, sizeof(struct req_key_sealed), CONN_KEY_PROMPT, NO_FD, key_go_on },
};

static const struct request *find_request(uint32_t op, size_t size)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		if (requests[i].op == op && requests[i].size == size)
			return &requests[i];
	return NULL;
}

static void on_conn(struct keeper *k, struct source *s)
{
	struct conn *c = (struct conn *)((char *)s - offsetof(struct conn, src));
	union {
		uint32_t op;
		struct req_open open;
		struct req_sealed sealed;
		struct req_restore restore;
		struct req_key key;
		struct req_key_sealed key_sealed;
	} m = { 0 };
	autoclose int fd = -EBADF;
	ssize_t n = msg_recv(s->fd, &m, sizeof(m), &fd, 1);
	const struct request *req = n > 0 ? find_request(m.op, n) : NULL;

	if (!req || req->state != c->state || (req->fds == NO_FD && fd >= 0) ||
	    (req->fds == ONE_FD && fd < 0)) {
		drop(k, c);
		return;
	}
	req->on(k, c, &m, fd);
}

static void turn_away(int fd, int err, enum proto_why why)
{
	struct res_done res = { .op = RES_DONE, .err = err, .why = why };

	msg_send(fd, &res, sizeof(res), NULL, 0);
}

static void on_connect(struct keeper *k, struct source *s)
{
	autoclose int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	autoclose int pidfd = -EBADF;
	struct conn *c = k->conns, *end;
	struct ucred cred;

	if (fd < 0 || msg_peer(fd, &cred, &pidfd) < 0)
		return;
	end = k->conns + KEEPER_CONNS - (cred.uid ? CONNS_FOR_ROOT : 0);
	while (c < end && c->used)
		c++;
	if (cred.uid != k->cfg->uid && cred.uid != 0) {
		turn_away(fd, -EPERM, WHY_NOT_YOURS);
		return;
	}
	if (c == end) {
		turn_away(fd, -EBUSY, WHY_BUSY);
		return;
	}
	*c = (struct conn){ .used = true,
			    .uid = cred.uid,
			    .pid = cred.pid,
			    .pidfd = take_fd(&pidfd),
			    .src.fd = -EBADF,
			    .worker.fd = -EBADF,
			    .bound.fd = -EBADF,
			    .leader = { .pidfd = -EBADF, .asks = -EBADF } };
	if (keeper_watch(k, &c->src, fd, on_conn) < 0)
		c->used = false;
	else
		take_fd(&fd);
}

int conns_listen(struct keeper *k)
{
	int r, fd;

	/* The owner must reach the socket, whatever our umask says. */
	if ((mkdir(PROTO_DIR, 0755) < 0 && errno != EEXIST) || chmod(PROTO_DIR, 0755) < 0)
		return log_err(-errno, "make " PROTO_DIR);
	fd = msg_listen(PROTO_SOCKET, 0666, SOCK_SEQPACKET);
	if (fd < 0)
		return log_err(fd, "listen at " PROTO_SOCKET);
	r = keeper_watch(k, &k->listen, fd, on_connect);
	if (r < 0)
		fd_close(&fd);
	return r;
}

/* --- answers that wait for the lock ---------------------------------------------------------- */

static enum proto_why why_not_saved(int err)
{
	switch (err) {
	case 0:
		return WHY_NONE;
	case -ETIMEDOUT:
		return WHY_SAVE_HANGS;
	case -ESTALE:
		return WHY_CONFLICT;
	default:
		return WHY_NOT_SAVED;
	}
}

void conns_saved(struct keeper *k, int err)
{
	FOR_CONNS (k, c)
		if (c->state == CONN_SAVE)
			conn_answer(k, c, err, err < 0 ? why_not_saved(err) : atrest_why(k, err));
}

bool conns_save_next(struct keeper *k)
{
	bool any = false;

	FOR_CONNS (k, c)
		if (c->state == CONN_SAVE_NEXT) {
			c->state = CONN_SAVE;
			any = true;
		}
	return any;
}

void conns_trying(struct keeper *k)
{
	struct res_lock res = k->report;

	res.op = RES_LOCK_TRYING;
	FOR_CONNS (k, c)
		if (c->state == CONN_LOCK)
			conn_send(c, &res, sizeof(res));
}

void conns_report(struct keeper *k)
{
	struct res_lock res = k->report;

	res.op = RES_LOCK;
	res.generation = k->origin.generation;
	res.err = k->save_err < 0 && k->image >= 0 ? k->save_err : 0;
	res.why = res.err < 0 ? why_not_saved(res.err) : atrest_why(k, 0);
	FOR_CONNS (k, c) {
		if (c->state == CONN_LOCK) {
			c->state = CONN_IDLE;
			conn_send(c, &res, sizeof(res));
		} else if (c->state == CONN_POLICY) {
			conn_answer(k, c, -ENOLCK, WHY_LOCKED);
		} else if (c->state == CONN_REFUSED) {
			conn_answer(k, c, c->verdict.err, c->verdict.why);
		} else if (c->state == CONN_SAVE || c->state == CONN_SAVE_NEXT) {
			conn_answer(k, c, res.err, res.why);
		}
	}
}
