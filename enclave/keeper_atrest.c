#include "enclave/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"

/* --- what this host has seen ----------------------------------------------------------------- */

static void note(struct keeper *k)
{
	atrest_note(&k->rest.seen, k->origin.generation, k->origin.vault_id);
}

/*
 * An older state that was accepted counts anew from above the newest that was seen: it is saved
 * soon, under such a generation, and then it is no older one any more.
 */
void atrest_opened(struct keeper *k, bool from_ram)
{
	struct atrest_rest *rest = &k->rest;

	if (!from_ram)
		*rest = (struct atrest_rest){ .seen = rest->seen };
	if (k->origin.generation < rest->seen.generation) {
		log_warn("generation %llu was opened, although %llu was seen: it is saved anew",
			 (unsigned long long)k->origin.generation,
			 (unsigned long long)rest->seen.generation);
		k->origin.generation = rest->seen.generation;
		k->dirty = true;
	}
	if (!rest->conflict[0])
		note(k);
}

void atrest_saved(struct keeper *k, bool unchanged)
{
	if (!unchanged)
		k->rest.kept = true;
	/* The other one's file is the vault; ours beside it must not make that one look old. */
	if (!k->rest.conflict[0])
		note(k);
}

/* --- two writers ----------------------------------------------------------------------------- */

bool atrest_conflict(struct keeper *k)
{
	struct atrest_rest *rest = &k->rest;
	uint32_t random;

	if (rest->conflict[0])
		return false;
	secret_random(&random, sizeof(random));
	if (history_conflict_name(k->vault_name, k->origin.generation + 1, random, rest->conflict,
				  sizeof(rest->conflict)) < 0)
		return false;
	log_error(
		"%s is not the file that was opened or saved here: somebody else has written it. It "
		"is left as it is, and this session is saved beside it, as %s",
		k->cfg->vault, rest->conflict);
	return true;
}

void atrest_save_as(const struct keeper *k, char name[HISTORY_NAME_MAX], uint32_t *ret_keep,
		    uint32_t *ret_kept)
{
	bool beside = k->rest.conflict[0];

	strcpy(name, beside ? k->rest.conflict : k->vault_name);
	*ret_keep = k->cfg->keep;
	*ret_kept = beside || k->rest.kept; /* beside the vault nothing is kept, and nothing goes */
}

enum proto_why atrest_why(const struct keeper *k, int err)
{
	return err == 0 && k->rest.conflict[0] ? WHY_CONFLICT : WHY_NONE;
}

/* --- the list -------------------------------------------------------------------------------- */

static int list(int dir, const struct keeper *k, struct res_history *res)
{
	autofree struct history_entry *e = calloc(HISTORY_MAX, sizeof(*e));
	ssize_t n = e ? history_list(dir, k->vault_name, e, HISTORY_MAX) : -ENOMEM;

	if (n < 0)
		return (int)n;
	res->n = n;
	for (ssize_t i = 0; i < n; i++) {
		struct res_history_entry *to = &res->entries[i];

		to->kind = e[i].kind;
		to->whole = e[i].whole;
		to->generation = e[i].generation;
		to->saved_at = e[i].saved_at;
		to->disk_bytes = e[i].disk_bytes;
		snprintf(to->name, sizeof(to->name), "%s", e[i].name);
	}
	return 0;
}

enum { LISTER_CONN = 3, LISTER_DIR };

/* Nothing else of ours stays open: whoever waits for our death must not wait for its. */
__attribute__((noreturn)) static void be_lister(struct keeper *k, const struct conn *c)
{
	struct res_history res = { .op = RES_HISTORY, .seen = k->rest.seen.generation };
	struct conn client = { .src.fd = LISTER_CONN };
	/* Above both numbers first. */
	int conn = fcntl(c->src.fd, F_DUPFD, LISTER_DIR + 1);
	int dir = fcntl(k->vault_dir, F_DUPFD, LISTER_DIR + 1), r;

	if (conn < 0 || dir < 0 || dup2(conn, LISTER_CONN) < 0 || dup2(dir, LISTER_DIR) < 0 ||
	    close_range(LISTER_DIR + 1, ~0U, 0) < 0)
		_exit(1);
	prctl(PR_SET_NAME, "enclave-list");
	snprintf(res.vault, sizeof(res.vault), "%s", k->cfg->vault);
	r = list(LISTER_DIR, k, &res);
	if (r < 0)
		conn_send(&client, &(struct res_done){ .op = RES_DONE, .err = r },
			  sizeof(struct res_done));
	else
		conn_send(&client, &res, sizeof(res));
	_exit(0);
}

/* By a child: the disk may hang, and must not keep us from the view, which would lock. */
void atrest_on_history(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	struct lister *l = k->listers;

	while (l < k->listers + KEEPER_LISTERS && l->pid)
		l++;
	if (l == k->listers + KEEPER_LISTERS) {
		conn_answer(k, c, -EBUSY, WHY_DISK);
		return;
	}
	*l = (struct lister){ .pid = fork(), .client = c };
	if (l->pid == 0)
		be_lister(k, c);
	if (l->pid < 0) {
		int r = -errno;

		*l = (struct lister){ 0 };
		conn_answer(k, c, r, WHY_NONE);
	}
}

void atrest_forget(struct keeper *k, const struct conn *c)
{
	for (struct lister *l = k->listers; l < k->listers + KEEPER_LISTERS; l++)
		if (l->pid && l->client == c) {
			l->client = NULL;
			kill(l->pid, SIGKILL); /* a stuck one keeps its place */
		}
}

void atrest_reaped(struct keeper *k, pid_t pid, int status)
{
	for (struct lister *l = k->listers; l < k->listers + KEEPER_LISTERS; l++)
		if (l->pid == pid) {
			struct conn *c = l->client;

			*l = (struct lister){ 0 };
			if (c && status)
				conn_answer(k, c, -EIO, WHY_KERNEL); /* it died without one */
		}
}

/* --- restore --------------------------------------------------------------------------------- */

bool atrest_is_restoring(const struct keeper *k)
{
	for (const struct conn *c = k->conns; c < k->conns + KEEPER_CONNS; c++)
		if (c->used && c->state == CONN_RESTORING)
			return true;
	return false;
}

/* Only while nothing of the vault is in RAM: neither open, nor unsaved. */
static bool refuse(struct keeper *k, struct conn *c)
{
	if (k->state == LS_LOCKED && k->image < 0 && !atrest_is_restoring(k))
		return false;
	conn_answer(k, c, -EBUSY,
		    k->state == LS_LOCKED && k->image >= 0 ? WHY_NOT_SAVED
		    : k->state == LS_UNLOCKED		   ? WHY_OPEN
							   : WHY_BUSY);
	return true;
}

static void on_result(struct keeper *k, struct conn *c, const struct worker_result *res)
{
	wait_verdict(k, c, res->err, res->why);
	if (res->err == 0) {
		k->origin = res->origin;
		k->rest = (struct atrest_rest){ .seen = k->rest.seen };
		note(k);
		log_info("%s is restored, as generation %llu", c->source,
			 (unsigned long long)k->origin.generation);
	}
	conn_answer(k, c, res->err, res->why);
}

static void on_worker(struct keeper *k, struct source *s)
{
	struct conn *c = (struct conn *)((char *)s - offsetof(struct conn, worker));
	union {
		uint32_t op;
		struct worker_ask ask;
		struct worker_result res;
	} m;
	ssize_t n = msg_recv(s->fd, &m, sizeof(m), NULL, 0);

	if (n == sizeof(m.ask) && m.op == WORKER_ASK && c->state == CONN_ASKING)
		conn_prompt(k, c, &m.ask, false, CONN_RESTORE_PROMPT);
	else if (n == sizeof(m.res) && m.op == WORKER_RESULT && c->state == CONN_RESTORING)
		on_result(k, c, &m.res);
	else
		conn_answer(k, c, -EIO, WHY_KERNEL); /* it died */
}

void atrest_on_restore(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	const struct req_restore *req = msg;
	int r;

	if (refuse(k, c) || wait_refuses(k, c))
		return;
	if (!memchr(req->what, '\0', sizeof(req->what)) ||
	    history_find_name(k->vault_name, req->what, c->source, sizeof(c->source)) < 0) {
		conn_answer(k, c, -ENOENT, WHY_NO_SUCH);
		return;
	}
	c->state = CONN_ASKING;
	r = conn_start_worker(k, c, "unlock", on_worker);
	if (r < 0)
		conn_answer(k, c, r, WHY_KERNEL);
}

void atrest_on_sealed(struct keeper *k, struct conn *c, const void *msg, int fd)
{
	const struct req_sealed *req = msg;
	struct worker_job job = { .op = WORKER_RESTORE, .seen = k->rest.seen };

	if (!req->len || req->len > sizeof(req->box)) {
		conn_answer(k, c, -ECANCELED, WHY_NONE);
		return;
	}
	/* Somebody has unlocked it meanwhile, or guessed. */
	if (refuse(k, c) || wait_refuses(k, c))
		return;
	strcpy(job.name, k->vault_name);
	strcpy(job.source, c->source);
	job.box_len = req->len;
	memcpy(job.box, req->box, req->len);
	c->state = CONN_RESTORING;
	if (msg_send(c->worker.fd, &job, sizeof(job), &k->vault_dir, 1) < 0)
		conn_answer(k, c, -EIO, WHY_KERNEL);
}
