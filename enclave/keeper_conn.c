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
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/proc.h"

#define FOR_CONNS(k, c)                                                       \
	for (struct conn *c = (k)->conns; c < (k)->conns + KEEPER_CONNS; c++) \
		if (c->used)

static bool has_file(const struct keeper *k)
{
	return faccessat(k->vault_dir, k->vault_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void drop_worker(struct keeper *k, struct conn *c)
{
	if (c->worker_pid > 0)
		kill(c->worker_pid, SIGKILL);
	c->worker_pid = 0;
	keeper_unwatch(k, &c->worker);
}

static void answer(struct keeper *k, struct conn *c, int err, enum proto_why why)
{
	struct res_done res = {
		.op = RES_DONE, .err = err, .why = why, .generation = k->generation
	};

	drop_worker(k, c);
	if (c->state != CONN_LOCK && c->state != CONN_SAVE)
		leader_done(&c->leader);
	c->state = CONN_IDLE;
	msg_send(c->src.fd, &res, sizeof(res), NULL, 0);
}

static bool is_entering(const struct conn *c)
{
	return c->used && (c->state == CONN_STARTING || c->state == CONN_ADMITTING);
}

bool conns_are_entering(const struct keeper *k)
{
	for (int i = 0; i < KEEPER_CONNS; i++)
		if (is_entering(&k->conns[i]))
			return true;
	return false;
}

/* The client is gone. If it was opening the vault, nobody waits for it to open any more. */
static void drop(struct keeper *k, struct conn *c)
{
	bool opening = (c->state == CONN_WORKING && k->state == LS_OPENING) || is_entering(c);

	drop_worker(k, c);
	leader_done(&c->leader);
	fd_close(&c->pidfd);
	keeper_unwatch(k, &c->src);
	c->used = false;
	if (opening && !sessions_count(k) && !conns_are_entering(k))
		keeper_event(k, LE_LOCK);
}

/* --- opening a session, step by step -----------------------------------------------------------
 */

static void admit(struct keeper *k, struct conn *c)
{
	int r = view_add_session(k, &c->leader);

	c->state = CONN_ADMITTING;
	if (r < 0)
		answer(k, c, r, WHY_BUSY);
}

/* What the worker that opened the vault hands over. */
static void take_vault(struct keeper *k, const struct worker_result *res, int fds[2])
{
	fd_close(&k->image);
	k->image = take_fd(&fds[0]);
	k->root = take_fd(&fds[1]);
	k->loop = res->loop_dev;
	k->generation = res->generation;
	k->vault_bytes = res->vault_bytes;
	k->dirty = k->dirty || res->created;
}

static void on_result(struct keeper *k, struct conn *c, const struct worker_result *res, int fds[2])
{
	bool opener = k->state == LS_OPENING;

	if (!opener) { /* it verified the passphrase of one more session */
		if (res->err < 0)
			answer(k, c, res->err, res->why);
		else if (k->state == LS_UNLOCKED)
			admit(k, c);
		else
			answer(k, c, -EBUSY, WHY_BUSY);
		return;
	}
	if (res->err < 0) {
		c->verdict = (struct res_done){ .err = res->err, .why = res->why };
		k->loop = res->loop_dev ? res->loop_dev : k->loop;
		keeper_event(k, LE_FAILED);
		return;
	}
	take_vault(k, res, fds);
	c->state = CONN_STARTING;
	keeper_event(k, LE_OPENED);
}

static void on_worker(struct keeper *k, struct source *s)
{
	struct conn *c = (struct conn *)((char *)s - offsetof(struct conn, worker));
	union {
		uint32_t op;
		struct worker_ask ask;
		struct worker_result res;
	} m;
	int fds[2] = { -EBADF, -EBADF };
	ssize_t n = msg_recv(s->fd, &m, sizeof(m), fds, 2);

	if (n == sizeof(m.ask) && m.op == WORKER_ASK && c->state == CONN_ASKING) {
		struct res_seal_to to = { .op = RES_SEAL_TO,
					  .is_new = !has_file(k) && k->image < 0 };

		memcpy(to.public_key, m.ask.public_key, sizeof(to.public_key));
		c->state = CONN_PROMPT;
		msg_send(c->src.fd, &to, sizeof(to), NULL, 0);
		return;
	}
	if (n != sizeof(m.res) || m.op != WORKER_RESULT || c->state != CONN_WORKING)
		m.res = (struct worker_result){ .err = -EIO, .why = WHY_KERNEL };
	drop_worker(k, c);
	if (c->state == CONN_WORKING)
		on_result(k, c, &m.res, fds);
	else
		answer(k, c, -EIO, WHY_KERNEL); /* it died before it had anything to do */
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static int send_job(struct keeper *k, struct conn *c, uint32_t op, const int *fds, size_t n_fds)
{
	struct worker_job job = {
		.op = op,
		.flags = c->flags & OPEN_CREATE ? WORKER_MAY_CREATE : 0,
		.vault_bytes = k->cfg->vault_bytes,
		.generation = k->generation,
		.uid = k->cfg->uid,
		.gid = k->cfg->gid,
		.box_len = c->sealed.len,
	};

	strcpy(job.name, k->vault_name);
	strcpy(job.dm_name, k->dm_name);
	memcpy(job.box, c->sealed.box, c->sealed.len);
	c->state = CONN_WORKING;
	return msg_send(c->worker.fd, &job, sizeof(job), fds, n_fds);
}

/* Exactly one connection is WORKING while the lock is OPENING. */
static struct conn *opener(struct keeper *k)
{
	FOR_CONNS(k, c)
	if (c->state == CONN_WORKING || c->state == CONN_STARTING)
		return c;
	return NULL;
}

void conns_start_worker(struct keeper *k)
{
	int fds[] = { k->vault_dir, k->keybox_fd, k->image };

	FOR_CONNS(k, c)
	if (c->state == CONN_QUEUED) {
		if (send_job(k, c, WORKER_OPEN, fds, k->image >= 0 ? 3 : 2) < 0) {
			c->verdict = (struct res_done){ .err = -EIO, .why = WHY_KERNEL };
			keeper_event(k, LE_FAILED);
		}
		return;
	}
}

void conns_kill_worker(struct keeper *k)
{
	struct conn *c = opener(k);

	if (c) {
		c->verdict = (struct res_done){ .err = -ECANCELED, .why = WHY_BUSY };
		drop_worker(k, c);
	}
}

void conns_refuse(struct keeper *k)
{
	FOR_CONNS(k, c)
	if (c->state == CONN_WORKING || is_entering(c)) {
		if (!c->verdict.err)
			c->verdict = (struct res_done){ .err = -EBUSY, .why = WHY_KERNEL };
		c->state = CONN_REFUSED;
	}
}

void conns_admit(struct keeper *k)
{
	FOR_CONNS(k, c)
	if (c->state == CONN_STARTING)
		admit(k, c);
}

void conns_admitted(struct keeper *k, pid_t pid)
{
	FOR_CONNS(k, c)
	if (c->state == CONN_ADMITTING && c->leader.pid == pid) {
		int r = k->state == LS_UNLOCKED ? sessions_add(k, &c->leader) : -EBUSY;

		answer(k, c, r, r < 0 ? WHY_BUSY : WHY_NONE);
	}
}

void conns_pump(struct keeper *k)
{
	FOR_CONNS(k, c)
	{
		if (c->state != CONN_QUEUED)
			continue;
		if (k->state == LS_LOCKED)
			keeper_event(k, LE_OPEN);
		else if (k->state == LS_UNLOCKED && send_job(k, c, WORKER_VERIFY, &k->image, 1) < 0)
			answer(k, c, -EIO, WHY_KERNEL);
	}
}

/* --- requests ------------------------------------------------------------------------------------
 */

/* The kernel says which terminal it is, and whose shell leads it; the peer says nothing. */
static int terminal_leader(pid_t pid, struct leader *ret)
{
	autoclose int proc = proc_open(pid);
	struct proc_stat st;
	int r = proc < 0 ? proc : proc_stat_read(proc, &st);

	if (r < 0)
		return r;
	if (!st.tty_nr || st.sid <= 0)
		return -ENOTTY;
	return leader_of(st.sid, ret);
}

static int find_leader(struct conn *c)
{
	struct pollfd peer = { .fd = c->pidfd, .events = POLLIN };
	int r = c->flags & OPEN_TERMINAL ? terminal_leader(c->pid, &c->leader)
					 : leader_of(c->pid, &c->leader);

	/* The peer lives still, so its pid was its own all the while. */
	if (r == 0 && poll(&peer, 1, 0) != 0) {
		leader_done(&c->leader);
		r = -ESRCH;
	}
	return r;
}

static void on_open(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	const struct req_open *req = msg;
	int sock = -EBADF, r;

	c->flags = req->flags;
	c->verdict = (struct res_done){ 0 };
	if (k->image < 0 && !has_file(k) && !(req->flags & OPEN_CREATE)) {
		answer(k, c, -ENOENT, WHY_NO_VAULT);
		return;
	}
	r = find_leader(c);
	if (r < 0) {
		answer(k, c, r, r == -ENOTTY ? WHY_NO_TERMINAL : WHY_NONE);
		return;
	}
	r = worker_start("unlock", &c->worker_pid, &sock);
	if (r == 0)
		r = keeper_watch(k, &c->worker, sock, on_worker);
	if (r < 0) {
		fd_close(&sock);
		answer(k, c, r, WHY_KERNEL);
		return;
	}
	c->state = CONN_ASKING;
}

static void on_sealed(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	const struct req_sealed *req = msg;

	if (!req->len || req->len > sizeof(req->box)) {
		answer(k, c, -ECANCELED, WHY_NONE);
		return;
	}
	c->sealed = *req;
	c->state = CONN_QUEUED;
	conns_pump(k);
}

static void on_mount(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	int r = fd < 0 ? -EBADF : k->state == LS_UNLOCKED ? view_mount_at(k, fd) : -ENOLCK;

	answer(k, c, r, r == -ENOLCK ? WHY_LOCKED : r == -EPERM ? WHY_NOT_YOURS : WHY_NONE);
}

static void on_lock(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	c->state = CONN_LOCK;
	if (k->state == LS_LOCKED)
		k->report.took_us = 0;
	keeper_event(k, LE_LOCK);
}

static void on_save(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	int r;

	c->state = CONN_SAVE;
	if (k->state == LS_LOCKED && k->image >= 0) {
		keeper_event(k, LE_LOCK); /* a second try to write what could not be written */
		return;
	}
	r = k->dirty || k->save_phase != SAVE_NONE ? save_request(k) : 1;
	if (r)
		answer(k, c, r < 0 ? r : 0, r < 0 ? WHY_LOCKED : WHY_NONE);
}

static void on_status(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	static const uint32_t shown[LS_STATES] = {
		[LS_LOCKED] = PROTO_LOCKED,    [LS_OPENING] = PROTO_OPENING,
		[LS_STARTING] = PROTO_OPENING, [LS_UNLOCKED] = PROTO_UNLOCKED,
		[LS_CLOSING] = PROTO_LOCKING,  [LS_DRAINING] = PROTO_LOCKING,
		[LS_SAVING] = PROTO_LOCKING,
	};
	struct res_status res = {
		.op = RES_STATUS,
		.lock = shown[k->state],
		.has_vault = has_file(k) || k->image >= 0,
		.unsaved = k->image >= 0 && k->dirty,
		.sessions = sessions_count(k),
		.idle_limit_sec = k->cfg->idle_sec,
		.vault_bytes = k->vault_bytes,
		.generation = k->generation,
		.view_pid = k->view_pid,
		.save_err = k->save_err,
	};

	if (k->state == LS_UNLOCKED)
		res.idle_left_sec = keeper_left(&k->idle_timer) / 1000000000ULL;
	snprintf(res.instance, sizeof(res.instance), "%s", k->cfg->instance);
	msg_send(c->src.fd, &res, sizeof(res), NULL, 0);
}

/* Wrong size, state or descriptors are refused before the handler runs. */
static const struct request {
	uint32_t op;
	size_t size;
	enum conn_state state;
	bool takes_fd;
	void (*on)(struct keeper *k, struct conn *c, const void *msg, int fd);
} requests[] = {
	{ REQ_STATUS, sizeof(struct req_plain), CONN_IDLE, false, on_status },
	{ REQ_OPEN, sizeof(struct req_open), CONN_IDLE, false, on_open },
	{ REQ_SEALED, sizeof(struct req_sealed), CONN_PROMPT, false, on_sealed },
	{ REQ_MOUNT, sizeof(struct req_plain), CONN_IDLE, true, on_mount },
	{ REQ_LOCK, sizeof(struct req_plain), CONN_IDLE, false, on_lock },
	{ REQ_SAVE, sizeof(struct req_plain), CONN_IDLE, false, on_save },
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
	} m = { 0 };
	autoclose int fd = -EBADF;
	ssize_t n = msg_recv(s->fd, &m, sizeof(m), &fd, 1);
	const struct request *req = n > 0 ? find_request(m.op, n) : NULL;

	if (!req || req->state != c->state || req->takes_fd != (fd >= 0)) {
		drop(k, c);
		return;
	}
	req->on(k, c, &m, fd);
}

static void on_connect(struct keeper *k, struct source *s)
{
	autoclose int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	autoclose int pidfd = -EBADF;
	struct conn *c = k->conns;
	struct ucred cred;

	if (fd < 0 || msg_peer(fd, &cred, &pidfd) < 0)
		return;
	while (c < k->conns + KEEPER_CONNS && c->used)
		c++;
	if ((cred.uid != k->cfg->uid && cred.uid != 0) || c == k->conns + KEEPER_CONNS) {
		struct res_done res = { .op = RES_DONE,
					.err = cred.uid ? -EPERM : -EBUSY,
					.why = WHY_NOT_YOURS };

		if (c == k->conns + KEEPER_CONNS)
			res.why = WHY_BUSY;
		msg_send(fd, &res, sizeof(res), NULL, 0);
		return;
	}
	*c = (struct conn){ .used = true,
			    .uid = cred.uid,
			    .pid = cred.pid,
			    .pidfd = take_fd(&pidfd),
			    .src.fd = -EBADF,
			    .worker.fd = -EBADF,
			    .leader.pidfd = -EBADF };
	if (keeper_watch(k, &c->src, fd, on_conn) < 0)
		c->used = false;
	else
		take_fd(&fd);
}

int conns_listen(struct keeper *k)
{
	int r, fd;

	if (mkdir("/run/taz", 0755) < 0 && errno != EEXIST)
		return log_err(-errno, "make /run/taz");
	fd = msg_listen(PROTO_SOCKET, 0666, SOCK_SEQPACKET);
	if (fd < 0)
		return log_err(fd, "listen at " PROTO_SOCKET);
	r = keeper_watch(k, &k->listen, fd, on_connect);
	if (r < 0)
		fd_close(&fd);
	return r;
}

/* --- answers that wait for the lock --------------------------------------------------------------
 */

void conns_saved(struct keeper *k, int err)
{
	FOR_CONNS(k, c)
	if (c->state == CONN_SAVE)
		answer(k, c, err, err < 0 ? WHY_NOT_SAVED : WHY_NONE);
}

void conns_report(struct keeper *k)
{
	struct res_lock res = k->report;

	res.op = RES_LOCK;
	res.generation = k->generation;
	res.err = k->save_err < 0 && k->image >= 0 ? k->save_err : 0;
	res.why = res.err < 0 ? WHY_NOT_SAVED : WHY_NONE;
	FOR_CONNS(k, c)
	{
		if (c->state == CONN_LOCK) {
			c->state = CONN_IDLE;
			msg_send(c->src.fd, &res, sizeof(res), NULL, 0);
		} else if (c->state == CONN_REFUSED) {
			answer(k, c, c->verdict.err, c->verdict.why);
		} else if (c->state == CONN_SAVE) {
			answer(k, c, res.err, res.why);
		}
	}
}
