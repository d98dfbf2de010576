#include "enclave/keeper_priv.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/privs.h"
#include "enclave/base/proc.h"

/* The longest that a slow machine takes to verify a passphrase. */
#define LINGER_NS (15 * 1000000000ULL)

/* Is somebody about to become a session? A passphrase that is being verified counts: it was given
 * while the vault was open. */
static bool under_way(const struct keeper *k)
{
	for (const struct conn *c = k->conns; c < k->conns + KEEPER_CONNS; c++)
		if (conn_is_entering(c) || (c->used && c->state == CONN_WORKING))
			return true;
	return false;
}

bool open_or_lock(struct keeper *k)
{
	if (k->state != LS_UNLOCKED || sessions_count(k))
		return true;
	if (under_way(k)) {
		/* Nothing new is begun meanwhile (open_pump), so nobody can hold it open by asking.
		 */
		if (!keeper_left(&k->step_timer))
			keeper_arm(&k->step_timer, LINGER_NS);
		return true;
	}
	log_info("the last session has ended: locking");
	keeper_event(k, LE_LOCK);
	return false;
}

int leader_of(pid_t pid, struct leader *ret)
{
	autoclose int pidfd = syscall(SYS_pidfd_open, pid, 0);
	autoclose int proc = proc_open(pid);
	struct proc_stat st;
	int r;

	if (pidfd < 0 || proc < 0)
		return -ESRCH;
	r = proc_stat_read(proc, &st);
	if (r < 0)
		return r;
	*ret = (struct leader){
		.pid = pid, .start = st.start, .pidfd = take_fd(&pidfd), .asks = -EBADF
	};
	return 0;
}

void leader_done(struct leader *leader)
{
	fd_close(&leader->pidfd);
	fd_close(&leader->asks);
	leader->pid = 0;
}

/* --- opening a session, step by step --------------------------------------------------------- */

static void admit(struct keeper *k, struct conn *c)
{
	int r = view_add_session(k, &c->leader);

	c->state = CONN_ADMITTING;
	if (r < 0)
		conn_answer(k, c, r, WHY_BUSY);
	else
		conn_expect(k, c);
}

/* What the worker that opened the vault hands over. */
static void take_vault(struct keeper *k, const struct worker_result *res, int fds[2])
{
	bool from_ram = k->image >= 0;

	fd_close(&k->image);
	k->image = take_fd(&fds[0]);
	k->root = take_fd(&fds[1]);
	k->loop = res->loop_dev;
	k->origin = res->origin;
	atrest_opened(k, from_ram);
	k->vault_bytes = res->vault_bytes;
	k->dirty = k->dirty || res->created;
}

static void on_result(struct keeper *k, struct conn *c, const struct worker_result *res, int fds[2])
{
	bool opener = k->state == LS_OPENING;

	wait_verdict(k, c, res->err, res->why);
	if (!opener) { /* it verified the passphrase of one more session */
		if (res->err < 0) {
			conn_answer(k, c, res->err, res->why);
			open_or_lock(k);
		} else if (k->state == LS_UNLOCKED) {
			admit(k, c);
		} else {
			conn_answer(k, c, -EBUSY, WHY_BUSY);
		}
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
		conn_prompt(k, c, &m.ask, !vault_is_there(k) && k->image < 0, CONN_PROMPT);
		return;
	}
	if (n != sizeof(m.res) || m.op != WORKER_RESULT || c->state != CONN_WORKING)
		m.res = (struct worker_result){ .err = -EIO, .why = WHY_KERNEL };
	conn_drop_worker(k, c);
	if (c->state == CONN_WORKING)
		on_result(k, c, &m.res, fds);
	else
		conn_answer(k, c, -EIO, WHY_KERNEL); /* it died before it had anything to do */
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static int send_job(struct keeper *k, struct conn *c, uint32_t op, const int *fds, size_t n_fds)
{
	struct worker_job job = {
		.op = op,
		.flags = (c->flags & OPEN_CREATE ? WORKER_MAY_CREATE : 0) |
			 (c->flags & OPEN_ACCEPT_ROLLBACK ? WORKER_ACCEPT_ROLLBACK : 0),
		.seen = k->rest.seen,
		.vault_bytes = k->cfg->vault_bytes,
		.origin = k->origin,
		.uid = k->cfg->uid,
		.gid = k->cfg->gid,
		.box_len = c->sealed.len,
	};

	strcpy(job.name, k->vault_name);
	strcpy(job.dm_name, k->dm_name);
	memcpy(job.box, c->sealed.box, c->sealed.len);
	c->state = CONN_WORKING;
	conn_expect(k, c);
	return msg_send(c->worker.fd, &job, sizeof(job), fds, n_fds);
}

/* Exactly one connection is WORKING while the lock is OPENING. */
static struct conn *opener(struct keeper *k)
{
	FOR_CONNS (k, c)
		if (c->state == CONN_WORKING || c->state == CONN_STARTING)
			return c;
	return NULL;
}

/* Root first: whoever else queues must not be able to crowd it out. */
static struct conn *next_queued(struct keeper *k)
{
	struct conn *first = NULL;

	FOR_CONNS (k, c)
		if (c->state == CONN_QUEUED && (!first || (first->uid && !c->uid)))
			first = c;
	return first;
}

void open_start_worker(struct keeper *k)
{
	int fds[] = { k->vault_dir, k->keybox_fd, k->image };
	struct conn *c = next_queued(k);

	if (c && send_job(k, c, WORKER_OPEN, fds, k->image >= 0 ? 3 : 2) < 0) {
		c->verdict = (struct res_done){ .err = -EIO, .why = WHY_KERNEL };
		keeper_event(k, LE_FAILED);
	}
}

void open_kill_worker(struct keeper *k)
{
	struct conn *c = opener(k);

	if (c) {
		if (c->state == CONN_WORKING)
			wait_cut_off(k, c);
		c->verdict = (struct res_done){ .err = -ECANCELED, .why = WHY_BUSY };
		conn_drop_worker(k, c);
	}
}

void open_refuse(struct keeper *k)
{
	FOR_CONNS (k, c)
		if (c->state == CONN_WORKING || conn_is_entering(c)) {
			if (!c->verdict.err)
				c->verdict = c->state == CONN_STARTING
						     ? (struct res_done){ .err = -EIO,
									  .why = WHY_KERNEL }
						     : (struct res_done){ .err = -EBUSY,
									  .why = WHY_BUSY };
			conn_drop_worker(k, c);
			c->state = CONN_REFUSED;
		}
}

void open_admit(struct keeper *k)
{
	FOR_CONNS (k, c)
		if (c->state == CONN_STARTING)
			admit(k, c);
}

void open_admitted(struct keeper *k, pid_t pid)
{
	FOR_CONNS (k, c)
		if (c->state == CONN_ADMITTING && c->leader.pid == pid) {
			int r = k->state == LS_UNLOCKED ? sessions_add(k, &c->leader) : -EBUSY;

			keeper_arm(&k->step_timer, 0);
			if (r < 0)
				view_del_session(k, &c->leader);

			c->proved = r == 0;
			conn_answer(k, c, r, r < 0 ? WHY_BUSY : WHY_NONE);
		}
}

/* One passphrase at a time: each costs the memory that Argon2id is there to cost. */
bool open_is_working(const struct keeper *k)
{
	for (const struct conn *c = k->conns; c < k->conns + KEEPER_CONNS; c++)
		if (c->used && (c->state == CONN_WORKING || c->state == CONN_KEY_WORKING))
			return true;
	return false;
}

void open_pump(struct keeper *k)
{
	struct conn *c;

	/* Who has to wait is told so; the first who has not is looked at. */
	while ((k->state == LS_LOCKED || (k->state == LS_UNLOCKED && sessions_count(k))) &&
	       !open_is_working(k) && !atrest_is_restoring(k) && (c = next_queued(k))) {
		if (wait_refuses(k, c))
			continue;
		if (k->state == LS_LOCKED)
			keeper_event(k, LE_OPEN);
		else if (send_job(k, c, WORKER_VERIFY, &k->image, 1) < 0)
			conn_answer(k, c, -EIO, WHY_KERNEL);
	}
}

/* --- the passphrase -------------------------------------------------------------------------- */

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

/*
 * A shell of a session that is over, and that is adopted now: what it starts holds the mark as
 * before, and who has given it away stays outside; nor does a session within one let it in. What
 * can't be found out is no advantage.
 */
static bool holds_mark(const struct leader *l)
{
	autoclose int proc = proc_open(l->pid);
	struct proc_status st;

	return proc < 0 || proc_status_read(proc, &st) < 0 || st.cap_prm & PRIVS_MARK;
}

static uint64_t kind_of(const struct conn *c)
{
	/* Root's "enclave session" gives the mark to all that it starts; one within a marked
	 * session hands on its own: what gives it away is outside of both. */
	return (c->flags & OPEN_TERMINAL ? 0 : VIEW_SESSION_COMMAND) |
	       (holds_mark(&c->leader) ? VIEW_SESSION_MARKED : 0);
}

static int find_leader(struct conn *c)
{
	struct pollfd peer = { .fd = c->pidfd, .events = POLLIN };
	int r = c->flags & OPEN_TERMINAL ? terminal_leader(c->pid, &c->leader)
					 : leader_of(c->pid, &c->leader);

	if (r == 0)
		c->leader.kind = kind_of(c);
	/* The peer lives still, so its pid was its own all the while. */
	if (r == 0 && poll(&peer, 1, 0) != 0) {
		leader_done(&c->leader);
		r = -ESRCH;
	}
	return r;
}

/* A vault that this host has seen and that is gone is not made anew in passing. */
static enum proto_why no_vault(const struct keeper *k, uint32_t flags)
{
	if (k->image >= 0 || vault_is_there(k))
		return WHY_NONE;
	if (k->rest.seen.generation && !(flags & OPEN_ACCEPT_ROLLBACK))
		return WHY_MISSING;
	return flags & OPEN_CREATE ? WHY_NONE : WHY_NO_VAULT;
}

void open_begin(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	const struct req_open *req = msg;
	int r;

	/* Asked before anything exists: where it cannot be answered, nothing could be verified
	 * gone. */
	r = dm_exists("taz-probe");
	if (r < 0) {
		conn_answer(k, c, r, WHY_KERNEL);
		return;
	}
	c->flags = req->flags;
	c->verdict = (struct res_done){ 0 };
	if (wait_refuses(k, c))
		return;
	r = no_vault(k, req->flags);
	if (r != WHY_NONE) {
		conn_answer(k, c, -ENOENT, r);
		return;
	}
	r = find_leader(c);
	if (r < 0) {
		conn_answer(k, c, r, r == -ENOTTY ? WHY_NO_TERMINAL : WHY_NONE);
		return;
	}
	c->state = CONN_ASKING;
	r = conn_start_worker(k, c, "unlock", on_worker);
	if (r < 0)
		conn_answer(k, c, r, WHY_KERNEL);
}

void open_go_on(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	const struct req_sealed *req = msg;
	int r;

	if (!req->len || req->len > sizeof(req->box)) {
		conn_answer(k, c, -ECANCELED, WHY_NONE);
		return;
	}
	r = ask_take(k, c, fd);
	if (r < 0) {
		conn_answer(k, c, r, WHY_NOT_YOURS);
		return;
	}
	c->sealed = *req;
	c->state = CONN_QUEUED;
	open_pump(k);
}
