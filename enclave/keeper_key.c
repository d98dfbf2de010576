#include "enclave/keeper_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/keyworker.h"

struct key_change {
	struct key_job job;
	int header; /* the changed one, or -EBADF */
};

/* --- the wait after a wrong passphrase ------------------------------------------------------- */

unsigned wait_sec(const struct keeper *k, const struct conn *c)
{
	return backoff_wait_sec(&k->backoff[c->uid != 0], io_boottime_ns());
}

bool wait_refuses(struct keeper *k, struct conn *c)
{
	if (!wait_sec(k, c))
		return false;
	conn_answer(k, c, -EAGAIN, WHY_WAIT);
	return true;
}

void wait_verdict(struct keeper *k, const struct conn *c, int err, enum proto_why why)
{
	struct backoff *b = &k->backoff[c->uid != 0];

	if (err == 0)
		backoff_right(b);
	else if (why == WHY_WRONG_PASSPHRASE)
		backoff_wrong(b, io_boottime_ns());
}

void wait_cut_off(struct keeper *k, const struct conn *c)
{
	if (c->uid)
		wait_verdict(k, c, -EPERM, WHY_WRONG_PASSPHRASE);
}

/* --- a change of the keys, step by step ------------------------------------------------------ */

void key_forget(struct conn *c)
{
	if (c->key)
		fd_close(&c->key->header);
	free(c->key);
	c->key = NULL;
}

/* A change of another one that is not in the image yet would be lost under ours. */
static bool another_changes(const struct keeper *k)
{
	for (const struct conn *c = k->conns; c < k->conns + KEEPER_CONNS; c++)
		if (c->used && (c->state == CONN_KEY_WORKING || c->state == CONN_KEY_READY))
			return true;
	return false;
}

static bool is_list(const struct conn *c)
{
	return c->key->job.req.what == KEY_LIST;
}

static int send_job(struct keeper *k, struct conn *c)
{
	struct key_job *job = &c->key->job;

	job->op = WORKER_KEY;
	job->in_dir = k->image < 0;
	strcpy(job->name, k->vault_name);
	conn_expect(k, c);
	return msg_send(c->worker.fd, job, sizeof(*job), job->in_dir ? &k->vault_dir : &k->image,
			1);
}

static void on_asked(struct keeper *k, struct conn *c, const struct worker_ask *ask)
{
	/* Nothing secret is in a list, so it waits for nobody. */
	if (!is_list(c))
		conn_prompt(k, c, ask, false, CONN_KEY_PROMPT);
	else if (send_job(k, c) < 0)
		conn_answer(k, c, -EIO, WHY_KERNEL);
}

static void on_result(struct keeper *k, struct conn *c, const struct key_result *res, int *header)
{
	if (is_list(c) && res->err == 0) {
		conn_drop_worker(k, c);
		key_forget(c);
		c->state = CONN_IDLE;
		conn_send(c, &res->keys, sizeof(res->keys));
		return;
	}
	if (!is_list(c))
		wait_verdict(k, c, res->err, res->why);
	if (res->err < 0 || *header < 0) {
		conn_answer(k, c, res->err < 0 ? res->err : -EIO, res->why);
		return;
	}
	conn_drop_worker(k, c);
	c->key->header = take_fd(header);
	c->verdict.slot = res->slot;
	c->state = CONN_KEY_READY; /* key_pump() goes on */
}

static void on_worker(struct keeper *k, struct source *s)
{
	struct conn *c = (struct conn *)((char *)s - offsetof(struct conn, worker));
	union {
		uint32_t op;
		struct worker_ask ask;
		struct key_result res;
	} m = { 0 };
	autoclose int header = -EBADF;
	ssize_t n = msg_recv(s->fd, &m, sizeof(m), &header, 1);

	if (n == sizeof(m.ask) && m.op == WORKER_ASK && c->state == CONN_KEY_ASKING)
		on_asked(k, c, &m.ask);
	else if (n == sizeof(m.res) && m.op == WORKER_KEY_DONE &&
		 (c->state == CONN_KEY_WORKING || (c->state == CONN_KEY_ASKING && is_list(c))))
		on_result(k, c, &m.res, &header);
	else
		conn_answer(k, c, -EIO, WHY_KERNEL); /* it died */
}

static int start(struct keeper *k, struct conn *c, const struct req_key *req)
{
	c->key = calloc(1, sizeof(*c->key));
	if (!c->key)
		return -ENOMEM;
	c->key->header = -EBADF;
	c->key->job.req = *req;
	c->state = CONN_KEY_ASKING;
	return conn_start_worker(k, c, "key", on_worker);
}

void key_begin(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	const struct req_key *req = msg;
	int r;

	c->verdict = (struct res_done){ .slot = -1 };
	if (req->what == KEY_LIST && k->image < 0 && !vault_is_there(k)) {
		conn_answer(k, c, -ENOENT, WHY_NO_VAULT);
		return;
	}
	if (req->what != KEY_LIST && k->state != LS_UNLOCKED) {
		conn_answer(k, c, -ENOLCK, WHY_LOCKED);
		return;
	}
	if (req->what != KEY_LIST && c->uid != 0 && !sessions_of(k, c->pid)) {
		conn_answer(k, c, -EPERM, WHY_NOT_YOURS);
		return;
	}
	if (req->what != KEY_LIST && wait_refuses(k, c))
		return;
	r = start(k, c, req);
	if (r < 0)
		conn_answer(k, c, r, WHY_KERNEL);
}

void key_go_on(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	const struct req_key_sealed *req = msg;

	if (!req->current_len) {
		conn_answer(k, c, -ECANCELED, WHY_NONE);
		return;
	}
	c->key->job.sealed = *req;
	c->state = CONN_KEY_QUEUED; /* key_pump() goes on */
}

/* In a conflict the kept states are another's. */
void key_saved(struct keeper *k)
{
	int n;

	if (!k->forget_history || k->rest.conflict[0])
		return;
	if (k->forget_history > 1) { /* that one had copied the header before the change */
		k->forget_history--;
		return;
	}
	n = history_prune(k->vault_dir, k->vault_name, 0);
	if (n < 0) {
		log_err(n, "remove the kept states of %s", k->cfg->vault);
		return;
	}
	k->forget_history = 0;
	log_info("%d kept states of the vault are removed: the keys were changed", n);
}

/* Between two saves: none may copy half of it. dm-crypt's part of the image begins behind it. */
static void apply(struct keeper *k, struct conn *c)
{
	int r = keyworker_apply(c->key->header, k->image);

	if (r < 0)
		log_err(r, "write the changed header");
	else
		log_info("the keys were changed: slot %d", c->verdict.slot);
	if (r == 0 && c->key->job.req.forget)
		k->forget_history = k->save.phase == SAVE_COMMITTING ? 2 : 1;
	save_mark_dirty(k);
	conn_answer(k, c, r, r < 0 ? WHY_KERNEL : WHY_NONE);
}

static void dispatch(struct keeper *k, struct conn *c)
{
	if (another_changes(k) || open_is_working(k) || wait_refuses(k, c))
		return;
	c->state = CONN_KEY_WORKING;
	if (send_job(k, c) < 0)
		conn_answer(k, c, -EIO, WHY_KERNEL);
}

/* The session that asked is over, and nothing was changed. */
static void cut_off(struct keeper *k, struct conn *c)
{
	if (c->state == CONN_KEY_WORKING)
		wait_cut_off(k, c);
	conn_answer(k, c, -EBUSY, WHY_BUSY);
}

void key_pump(struct keeper *k)
{
	FOR_CONNS (k, c) {
		if (!c->key || is_list(c))
			continue;
		if (k->state != LS_UNLOCKED)
			cut_off(k, c);
		else if (c->state == CONN_KEY_READY && k->save.phase != SAVE_COPYING)
			apply(k, c);
	}
	FOR_CONNS (k, c)
		if (c->state == CONN_KEY_QUEUED)
			dispatch(k, c);
}
