#include "tazfs/ask.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/secret.h"
#include "tazfs/view.h"

#define SEC	1000000000ULL
#define RATE_NS (60 * SEC)

#define FOR_QUESTIONS(a, q)                                                                    \
	for (struct ask_question *q = (a)->questions; q < (a)->questions + ASK_QUESTIONS; q++) \
		if (q->id)

/* What this thread is at. */
struct turn {
	const void *mem;
	size_t size;
	const struct ask_given *given;
	struct ask_parked *parked;   /* to be put in line when its turn ends */
	struct ask_question *asking; /* what it is to be asked about: a copy */
};

static _Thread_local struct turn turn;

int asks_new(struct asks **ret)
{
	struct asks *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	*ret = a;
	return 0;
}

void ask_begin(const void *mem, size_t size, const struct ask_given *given)
{
	turn = (struct turn){ .mem = mem, .size = size, .given = given };
}

const struct ask_given *ask_given(void)
{
	return turn.given;
}

static void wipe(struct ask_question *q)
{
	secret_wipe(q, sizeof(*q));
}

/* --- the keeper ------------------------------------------------------------------------------- */

static int put(struct view *v, const struct ask_question *q, bool over)
{
	struct view_ask msg = { .op = VIEW_ASK, .pid = q->who.pid };
	int r;

	msg.put.id = q->id;
	msg.put.over = over;
	if (!over)
		msg.put.q = q->text;
	r = msg_send(v->keeper, &msg, sizeof(msg), NULL, 0);
	secret_wipe(&msg, sizeof(msg));
	return r;
}

/* --- the line --------------------------------------------------------------------------------- */

static bool is_same(const struct ask_question *a, const struct ask_question *b)
{
	return a->session == b->session && a->rule == b->rule && a->may == b->may &&
	       a->who.pid == b->who.pid && a->who.start == b->who.start &&
	       a->who.exe.dev == b->who.exe.dev && a->who.exe.ino == b->who.exe.ino &&
	       a->who.script.dev == b->who.script.dev && a->who.script.ino == b->who.script.ino &&
	       !strcmp(a->path, b->path);
}

static struct ask_question *find_same(struct asks *a, const struct ask_question *like)
{
	FOR_QUESTIONS(a, q)
	if (is_same(q, like))
		return q;
	return NULL;
}

static struct ask_question *find_room(struct asks *a)
{
	for (struct ask_question *q = a->questions; q < a->questions + ASK_QUESTIONS; q++)
		if (!q->id)
			return q;
	return NULL;
}

static bool is_asking(struct asks *a, uint32_t session)
{
	FOR_QUESTIONS(a, q)
	if (q->session == session && q->is_sent)
		return true;
	return false;
}

/* The entry of that session, or the one that was begun longest ago. */
static struct ask_rate *rate_of(struct asks *a, uint32_t session, uint64_t now)
{
	struct ask_rate *oldest = a->rates;

	for (struct ask_rate *r = a->rates; r < a->rates + ASK_RATED; r++) {
		if (r->session == session && r->since_ns) {
			oldest = r;
			break;
		}
		if (r->since_ns < oldest->since_ns)
			oldest = r;
	}
	if (oldest->session != session || !oldest->since_ns || now - oldest->since_ns >= RATE_NS)
		*oldest = (struct ask_rate){ .session = session, .since_ns = now };
	return oldest;
}

/* Sets @ret_say when it is to be said that there are too many: once a minute. */
static bool is_too_much(struct asks *a, uint32_t session, bool *ret_say)
{
	struct ask_rate *r = rate_of(a, session, io_boottime_ns());

	if (r->n < ASK_RATE) {
		r->n++;
		return false;
	}
	*ret_say = !r->said;
	r->said = true;
	return true;
}

/* Joins a question that waits, or is a new one. False: there is no room, or too many were asked. */
static bool put_in_line(struct asks *a, struct ask_question *new, struct ask_parked *p,
			bool *ret_say)
{
	struct ask_question *q = a->closed || a->n_parked == ASK_PARKED ? NULL : find_same(a, new);

	if (!q && !a->closed && a->n_parked < ASK_PARKED) {
		q = find_room(a);
		if (!q || is_too_much(a, new->session, ret_say))
			return false;
		*q = *new;
		do
			q->id = ++a->last_id;
		while (!q->id);
		q->until_ns = io_boottime_ns() + QUESTION_SEC * SEC;
	}
	if (!q)
		return false;
	p->next = q->parked;
	q->parked = p;
	a->n_parked++;
	return true;
}

/* Takes it out of the table. Inside the lock. */
static void take(struct asks *a, struct ask_question *q, struct ask_question *ret)
{
	*ret = *q;
	for (const struct ask_parked *p = q->parked; p; p = p->next)
		a->n_parked--;
	wipe(q);
}

/* Of each session that has no question at its terminal, the one that waits longest. Returns a copy
 * in @ret, or false. What was answered while it waited is taken, and not sent. */
static bool take_next(struct asks *a, struct ask_question *ret)
{
	struct ask_question *next = NULL;

	FOR_QUESTIONS(a, q)
	if (!q->is_sent && !is_asking(a, q->session) && (!next || q->id < next->id))
		next = q;
	if (!next)
		return false;
	if (asks_know(a, next)) {
		take(a, next, ret);
	} else {
		next->is_sent = true;
		*ret = *next;
	}
	return true;
}

/* --- how it ends ------------------------------------------------------------------------------ */

static void given_of(const struct ask_question *q, enum ask_end end, struct ask_given *ret)
{
	*ret = (struct ask_given){ .end = end, .may = q->may };
	strcpy(ret->path, q->path);
}

/* Outside of the lock. With ASK_OPEN they are decided anew. */
static void run_all(struct view *v, struct ask_question *q, enum ask_end end, ask_run_t *run)
{
	struct ask_given given;

	given_of(q, end, &given);
	while (q->parked) {
		struct ask_parked *p = q->parked;

		q->parked = p->next;
		run(v, p, &given);
	}
	secret_wipe(&given, sizeof(given));
	wipe(q);
}

static void send_next(struct view *v, ask_run_t *run)
{
	struct ask_question q;
	bool found = true;

	while (found) {
		pthread_mutex_lock(&v->asks->lock);
		found = take_next(v->asks, &q);
		pthread_mutex_unlock(&v->asks->lock);
		if (found && q.is_sent)
			put(v, &q, false); /* a keeper that is gone is the main thread's matter */
		else if (found)
			run_all(v, &q, ASK_OPEN, run);
		wipe(&q);
	}
}

void asks_answer(struct view *v, uint32_t id, uint32_t answer, ask_run_t *run)
{
	struct asks *a = v->asks;
	struct ask_question found = { 0 };
	enum ask_end end = ASK_NO;

	pthread_mutex_lock(&a->lock);
	FOR_QUESTIONS(a, q)
	if (q->id == id && q->is_sent && !found.id) {
		end = asks_keep(a, q, answer);
		take(a, q, &found);
	}
	pthread_mutex_unlock(&a->lock);
	if (found.id)
		run_all(v, &found, end, run);
	send_next(v, run);
}

bool asks_interrupt(struct view *v, uint64_t unique, ask_run_t *run)
{
	struct ask_question over = { 0 }, one = { 0 };
	struct asks *a = v->asks;

	if (!a)
		return false;
	pthread_mutex_lock(&a->lock);
	FOR_QUESTIONS(a, q)
	for (struct ask_parked **p = &q->parked; *p && !one.id; p = &(*p)->next)
		if ((*p)->unique == unique) {
			one = *q;
			one.parked = *p;
			*p = (*p)->next;
			one.parked->next = NULL;
			a->n_parked--;
			if (!q->parked)
				take(a, q, &over);
			break;
		}
	pthread_mutex_unlock(&a->lock);
	if (!one.id)
		return false;
	if (over.is_sent)
		put(v, &over, true);
	wipe(&over);
	run_all(v, &one, ASK_INTERRUPTED, run);
	send_next(v, run);
	return true;
}

/* One that is over by @now; false: none. */
static bool take_late(struct asks *a, uint64_t now, struct ask_question *ret)
{
	bool found = false;

	pthread_mutex_lock(&a->lock);
	FOR_QUESTIONS(a, q)
	if (!found && q->until_ns <= now) {
		take(a, q, ret);
		found = true;
	}
	pthread_mutex_unlock(&a->lock);
	return found;
}

void asks_tick(struct view *v, ask_run_t *run)
{
	struct ask_question q;
	bool any = false;

	while (take_late(v->asks, io_boottime_ns(), &q)) {
		if (q.is_sent)
			put(v, &q, true);
		run_all(v, &q, ASK_TIMEOUT, run);
		any = true;
	}
	if (any)
		send_next(v, run);
}

int asks_wait_ms(struct view *v, int max_ms)
{
	uint64_t now = io_boottime_ns(), first = now + (uint64_t)max_ms * 1000000;

	pthread_mutex_lock(&v->asks->lock);
	FOR_QUESTIONS(v->asks, q)
	if (q->until_ns < first)
		first = q->until_ns;
	pthread_mutex_unlock(&v->asks->lock);
	return first > now ? (int)((first - now + 999999) / 1000000) : 0;
}

void asks_close(struct view *v, ask_run_t *run)
{
	struct ask_question q;

	if (!v->asks)
		return;
	pthread_mutex_lock(&v->asks->lock);
	v->asks->closed = true;
	grants_clear(&v->asks->grants);
	grants_clear(&v->asks->open);
	pthread_mutex_unlock(&v->asks->lock);
	while (take_late(v->asks, UINT64_MAX, &q)) {
		if (q.is_sent)
			put(v, &q, true);
		run_all(v, &q, ASK_NO, run);
	}
}

/* --- one decision ----------------------------------------------------------------------------- */

static struct ask_parked *copy_request(void)
{
	struct ask_parked *p = malloc(sizeof(*p) + turn.size);

	if (!p)
		return NULL;
	*p = (struct ask_parked){ .size = turn.size };
	memcpy(p->mem, turn.mem, turn.size);
	p->unique = ((const struct fuse_in_header *)turn.mem)->unique;
	return p;
}

static enum ask_end park(struct view *v, const struct ask_what *what)
{
	struct ask_question *q = calloc(1, sizeof(*q));
	struct ask_who who;

	if (q && ask_describe(v, what, true, &who, &q->text) == 0)
		turn.parked = copy_request();
	if (!turn.parked) {
		free(q);
		return ASK_REFUSED;
	}
	q->who = who.runs;
	q->session = what->session;
	q->rule = what->rule;
	q->may = what->may;
	strcpy(q->path, what->path);
	turn.asking = q;
	return ASK_OPEN;
}

enum ask_end asks_decide(struct view *v, const struct ask_what *what, bool *ret_by_grant)
{
	const struct ask_given *given = turn.given;
	struct ask_who who;
	enum ask_end end;

	*ret_by_grant = false;
	if (given && given->may == what->may && !strcmp(given->path, what->path))
		return given->end;
	if (strlen(what->path) >= GRANT_PATH_MAX ||
	    ask_describe(v, what, asks_are_wide(v->asks, what->path), &who, NULL) < 0)
		return ASK_REFUSED;
	if (asks_are_answered(v->asks, what, &who, &end)) {
		*ret_by_grant = true;
		return end;
	}
	/* A second question about one request, or where nothing can be done again, is none. */
	if (given || !what->parks || turn.parked || turn.size < sizeof(struct fuse_in_header))
		return ASK_REFUSED;
	return park(v, what);
}

void ask_end_turn(struct view *v, ask_run_t *run)
{
	struct ask_question *q = turn.asking;
	struct ask_parked *p = turn.parked;
	bool in_line, say = false;

	turn = (struct turn){ 0 };
	if (!p)
		return;
	pthread_mutex_lock(&v->asks->lock);
	in_line = put_in_line(v->asks, q, p, &say);
	pthread_mutex_unlock(&v->asks->lock);
	if (say)
		view_audit_say(v, "a session was asked too often: what else it is to be asked "
				  "within this minute is refused");
	q->parked = in_line ? NULL : p;
	run_all(v, q, ASK_REFUSED, run);
	free(q);
	send_next(v, run);
}
