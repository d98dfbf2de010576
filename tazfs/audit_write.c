/* The main thread's part: into the log, and out of it. */
#include "tazfs/audit_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "enclave/base/fd.h"

#define CHECK_BYTES (64UL * 1024)
#define CHECK_TRIES 3 /* files may move on in between */

/* --- writing ------------------------------------------------------------------------------------
 */

/* What a commit is needed for before: first the lines that are waiting, then perhaps a new file. */
static int append(struct audit *a, const struct audit_record *r, bool last)
{
	int e = audit_log_append(a->log, r);

	for (int i = 0; i < 2 && e == -EAGAIN; i++) {
		e = audit_log_commit(a->log, last);
		if (e == 0)
			e = audit_log_append(a->log, r);
	}
	return e;
}

static int write_one(struct audit *a, const struct audit_record *r, bool last)
{
	int e = append(a, r, last);

	return e < 0 ? e : audit_log_commit(a->log, last);
}

static int write_start(struct audit *a, bool last)
{
	struct audit_record r = { .event = AUDIT_START, .time_ns = a->began_ns, .torn = a->torn };
	int e = a->started ? 0 : write_one(a, &r, last);

	a->started |= e == 0;
	return e;
}

static int drop(struct audit *a, const struct audit_record *r)
{
	pthread_mutex_lock(&a->lock);
	audit_count_rest(a, r);
	pthread_mutex_unlock(&a->lock);
	return 0;
}

/* Records go into the log's buffer; @old_at follows when they are in the file. */
static int write_old(struct audit *a)
{
	const struct audit_ring *g = &a->rings[a->old];
	size_t at = a->old_at, next = at;
	struct audit_record r;
	int e = 0;

	while (e == 0 && audit_ring_next(g, &next, &r)) {
		if (r.count <= 1)
			r.last_ns = 0;
		e = audit_log_append(a->log, &r);
		if (e == -EAGAIN) {
			e = audit_log_commit(a->log, false);
			if (e < 0)
				return e;
			a->old_at = at;
			e = append(a, &r, false);
		}
		if (e == -EINVAL) /* there is no way to write it: it counts all the same */
			e = drop(a, &r);
		at = e == 0 ? next : at;
	}
	if (e == 0)
		e = audit_log_commit(a->log, false);
	else
		audit_log_rollback(a->log);
	if (e == 0)
		a->old_at = at;
	return e;
}

/* Whoever had asked for a flush has it. Also when it fails: the next one comes with a save or the
 * lock, and until then nobody is woken for it again and again. */
static void heed(const struct audit *a)
{
	uint64_t n;

	if (read(a->fd, &n, sizeof(n)) < 0)
		return; /* nobody had */
}

/* The written ring becomes the current one. */
static void swap(struct audit *a)
{
	audit_ring_clear(&a->rings[a->old]);
	pthread_mutex_lock(&a->lock);
	a->old = !a->old;
	a->asked = false;
	pthread_mutex_unlock(&a->lock);
	a->old_at = 0;
	heed(a);
}

static int write_one_rest(struct audit *a, unsigned i, bool last)
{
	struct audit_record r = { .event = AUDIT_REST,
				  .verdict = i % AUDIT_VERDICTS,
				  .by = i < AUDIT_VERDICTS ? AUDIT_BY_RULE : AUDIT_BY_NOBODY };
	struct audit_rest rest;
	int e;

	pthread_mutex_lock(&a->lock);
	rest = a->rest[i];
	a->rest[i] = (struct audit_rest){ 0 };
	pthread_mutex_unlock(&a->lock);
	if (!rest.count)
		return 0;
	r.time_ns = rest.time_ns;
	r.count = rest.count;
	r.last_ns = rest.count > 1 ? rest.last_ns : 0;
	e = write_one(a, &r, last);
	if (e < 0) {
		pthread_mutex_lock(&a->lock);
		audit_add_rest(&a->rest[i], &rest);
		pthread_mutex_unlock(&a->lock);
	}
	return e;
}

static int write_rest(struct audit *a, bool last)
{
	int e = 0;

	for (unsigned i = 0; i < AUDIT_RESTS && e == 0; i++)
		e = write_one_rest(a, i, last);
	return e;
}

static bool is_empty(struct audit *a)
{
	bool empty;

	pthread_mutex_lock(&a->lock);
	empty = !audit_current(a)->used && a->old_at == a->rings[a->old].used;
	for (unsigned i = 0; i < AUDIT_RESTS; i++)
		empty = empty && !a->rest[i].count;
	pthread_mutex_unlock(&a->lock);
	return empty;
}

static int flush_all(struct audit *a)
{
	int e;

	if (is_empty(a))
		return 0;
	e = write_start(a, false);
	if (e == 0)
		e = write_old(a);
	if (e == 0) {
		swap(a);
		e = write_old(a);
	}
	return e < 0 ? e : write_rest(a, false);
}

int audit_flush(struct audit *a)
{
	int e;

	pthread_mutex_lock(&a->io);
	heed(a);
	e = a->ended ? 0 : flush_all(a);
	pthread_mutex_unlock(&a->io);
	return e;
}

/* --- the end ------------------------------------------------------------------------------------
 */

/* What is left of the records: how many of each verdict. */
static void condense(struct audit *a, const struct audit_ring *g, size_t at)
{
	struct audit_record r;

	while (audit_ring_next(g, &at, &r))
		audit_count_rest(a, &r);
}

static int write_end(struct audit *a)
{
	struct audit_record r = { .event = AUDIT_END, .time_ns = audit_now_ns() };
	int e = write_start(a, true);

	if (e == 0)
		e = write_rest(a, true);
	return e < 0 ? e : write_one(a, &r, true);
}

int audit_end(struct audit *a)
{
	int e;

	pthread_mutex_lock(&a->io);
	e = flush_all(a);
	pthread_mutex_lock(&a->lock);
	a->ended = true;
	condense(a, &a->rings[a->old], a->old_at);
	condense(a, audit_current(a), 0);
	audit_ring_clear(&a->rings[0]);
	audit_ring_clear(&a->rings[1]);
	a->old_at = 0;
	pthread_mutex_unlock(&a->lock);
	if (a->started || e < 0)
		e = write_end(a);
	pthread_mutex_unlock(&a->io);
	return e;
}

/* --- reading ------------------------------------------------------------------------------------
 */

ssize_t audit_read(struct audit *a, uint64_t *at, char *buf, size_t size)
{
	ssize_t n;

	pthread_mutex_lock(&a->io);
	n = audit_log_read(a->log, at, buf, size, NULL);
	pthread_mutex_unlock(&a->io);
	return n;
}

/* A piece at a time, so that a lock does not wait for it. -EAGAIN: what comes next has gone. */
static int check_pieces(struct audit *a, struct audit_check *c, char *buf)
{
	uint64_t at = 0, expected = 0;
	ssize_t n;

	do {
		bool ends = false;

		pthread_mutex_lock(&a->io);
		n = audit_log_read(a->log, &at, buf, CHECK_BYTES, &ends);
		pthread_mutex_unlock(&a->io);
		if (n > 0 && expected && at != expected)
			return -EAGAIN;
		at += n > 0 ? (uint64_t)n : 0;
		expected = at;
		if (n > 0 &&
		    (!audit_check_feed(c, buf, (size_t)n) || (ends && !audit_check_file(c))))
			return 0;
	} while (n > 0);
	audit_check_file(c);
	return (int)n;
}

static int check_once(struct audit *a, struct audit_check *ret, char *buf)
{
	const struct secret *key;
	uint64_t until;
	int r;

	pthread_mutex_lock(&a->io);
	key = audit_log_end(a->log, &until);
	pthread_mutex_unlock(&a->io);
	r = audit_check_init(ret, key);
	if (r < 0)
		return r;
	r = check_pieces(a, ret, buf);
	/* Nothing is whole when nothing was ever written. */
	if (r == 0 && (until || ret->lines))
		audit_check_end(ret, until);
	audit_check_done(ret);
	return r;
}

int audit_verify(struct audit *a, struct audit_check *ret)
{
	autofree char *buf = malloc(CHECK_BYTES);
	int r = -EAGAIN;

	for (int i = 0; i < CHECK_TRIES && r == -EAGAIN; i++)
		r = buf ? check_once(a, ret, buf) : -ENOMEM;
	if (buf)
		secret_wipe(buf, CHECK_BYTES);
	return r;
}

/* A record, and its counters as they were when all were looked at. */
struct pick {
	const struct audit_ring *ring;
	size_t at;
	uint64_t tick, count, last_ns;
};

static size_t pick_from(const struct audit_ring *g, uint64_t since, struct pick *picks)
{
	struct audit_record r;
	size_t n = 0, at = 0;

	for (size_t next = 0; audit_ring_counters(g, &next, &r); at = next)
		if (r.tick > since)
			picks[n++] = (struct pick){ .ring = g,
						    .at = at,
						    .tick = r.tick,
						    .count = r.count,
						    .last_ns = r.count > 1 ? r.last_ns : 0 };
	return n;
}

static int by_tick(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	return x->tick < y->tick ? -1 : x->tick > y->tick;
}

static ssize_t put_picks(const struct pick *picks, size_t n, uint64_t *since, char *buf,
			 size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < n && used < size; i++) {
		struct audit_record r;
		size_t at = picks[i].at;
		ssize_t len;

		/* What never changes is read without the lock: a ring is cleared under io only. */
		audit_ring_next(picks[i].ring, &at, &r);
		r.tick = picks[i].tick;
		r.count = picks[i].count;
		r.last_ns = picks[i].last_ns;
		len = audit_format(&r, buf + used, size - used - 1);
		if (len < 0)
			return used ? (ssize_t)used : len;
		used += (size_t)len;
		buf[used++] = '\n';
		*since = r.tick;
	}
	return (ssize_t)used;
}

/* More records than fit a ring there never are. */
#define PICKS_MAX (2 * AUDIT_RING_INDEX)

ssize_t audit_recent(struct audit *a, uint64_t *since, char *buf, size_t size)
{
	struct pick *picks = malloc(PICKS_MAX * sizeof(*picks));
	size_t n;
	ssize_t r;

	if (!picks)
		return -ENOMEM;
	pthread_mutex_lock(&a->io);
	pthread_mutex_lock(&a->lock);
	n = pick_from(&a->rings[a->old], *since, picks);
	n += pick_from(audit_current(a), *since, picks + n);
	pthread_mutex_unlock(&a->lock);
	qsort(picks, n, sizeof(*picks), by_tick);
	r = put_picks(picks, n, since, buf, size);
	pthread_mutex_unlock(&a->io);
	free(picks);
	return r;
}
