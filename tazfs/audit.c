#include "tazfs/audit_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "enclave/base/fd.h"

#define WINDOW_MS   10000U
#define PER_PROCESS 1024U
#define MINUTE_NS   60000000000ULL

int audit_new(int dirfd, const struct audit_limits *limits, struct audit **ret)
{
	struct audit_limits lim = limits ? *limits : (struct audit_limits){ 0 };
	struct audit *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	pthread_mutex_init(&a->io, NULL);
	pthread_mutex_init(&a->lock, NULL);
	a->window_ns = (lim.window_ms ? lim.window_ms : WINDOW_MS) * 1000000ULL;
	a->per_process = lim.per_process ? lim.per_process : PER_PROCESS;
	a->began_ns = audit_now_ns();
	secret_random(a->hash_key, sizeof(a->hash_key));
	a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = a->fd < 0 ? -errno : 0;
	for (int i = 0; i < 2 && r == 0; i++)
		r = audit_ring_init(&a->rings[i]);
	if (r == 0)
		r = audit_log_open(dirfd, lim.file_bytes, &a->log, &a->torn);
	if (r < 0) {
		audit_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void audit_free(struct audit *a)
{
	if (!a)
		return;
	for (int i = 0; i < 2; i++)
		audit_ring_done(&a->rings[i]);
	audit_log_close(a->log);
	fd_close(&a->fd);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->io);
	free(a);
}

int audit_fd(const struct audit *a)
{
	return a->fd;
}

/* --- noting -------------------------------------------------------------------------------------
 */

/* All that a process does, in one record. */
static struct audit_record whole(const struct audit_record *r)
{
	struct audit_record all = *r;

	all.op = all.path = all.to = NULL;
	all.rule = 0;
	all.by = AUDIT_BY_RULE;
	return all;
}

static bool is_crowded(struct audit *a, const struct audit_record *r, bool take)
{
	/* The last quarter is for who comes late. */
	return audit_current(a)->used > AUDIT_RING_BYTES / 4 * 3 ||
	       !audit_quota_left(&a->quota, r, take, a->per_process, MINUTE_NS);
}

static bool fold(struct audit *a, const struct audit_record *r, uint64_t hash)
{
	struct audit_record all;

	if (audit_ring_repeat(audit_current(a), r, hash, a->window_ns))
		return true;
	if (!is_crowded(a, r, false))
		return false;
	all = whole(r);
	return audit_ring_repeat(audit_current(a), &all, audit_ring_hash(a->hash_key, &all),
				 UINT64_MAX);
}

static void add(struct audit *a, const struct audit_record *r, uint64_t hash)
{
	struct audit_record all = whole(r);

	if (!is_crowded(a, r, true) && audit_ring_add(audit_current(a), r, hash))
		return;
	if (!audit_ring_add(audit_current(a), &all, audit_ring_hash(a->hash_key, &all)))
		audit_count_rest(&a->rest[r->verdict], r->count, r->time_ns, r->time_ns);
}

/* With the lock held. Returns true when nobody has been asked yet. */
static bool want_flush(struct audit *a)
{
	bool want = !a->asked && audit_current(a)->used > AUDIT_RING_BYTES / 2;

	a->asked |= want;
	return want;
}

static void ask_flush(struct audit *a)
{
	uint64_t one = 1;

	/* It does not block, and when it cannot count any more it is readable anyway. */
	if (write(a->fd, &one, sizeof(one)) < 0)
		return;
}

static bool note_repeat(struct audit *a, struct audit_record *r, uint64_t hash)
{
	bool done;

	pthread_mutex_lock(&a->lock);
	r->tick = ++a->tick;
	done = a->ended || fold(a, r, hash);
	pthread_mutex_unlock(&a->lock);
	return done;
}

static void note_new(struct audit *a, struct audit_record *r, uint64_t hash)
{
	bool want;

	pthread_mutex_lock(&a->lock);
	if (!a->ended && !fold(a, r, hash)) /* another thread's may have come meanwhile */
		add(a, r, hash);
	want = want_flush(a);
	pthread_mutex_unlock(&a->lock);
	if (want)
		ask_flush(a);
}

void audit_note(struct audit *a, const struct audit_record *given, audit_describe_t *describe,
		void *arg)
{
	struct audit_record r = *given;
	uint64_t hash;

	r.event = AUDIT_DECISION;
	r.time_ns = audit_now_ns();
	r.count = r.count ? r.count : 1;
	r.text = NULL;
	/* A number that is none must not cost the record. */
	if (!r.verdict || r.verdict >= AUDIT_VERDICTS)
		r.verdict = AUDIT_DENY;
	if (r.by >= AUDIT_BYS)
		r.by = AUDIT_BY_RULE;
	hash = audit_ring_hash(a->hash_key, &r);
	if (note_repeat(a, &r, hash))
		return;
	if (describe)
		describe(&r, arg);
	note_new(a, &r, hash);
}

void audit_say(struct audit *a, const char *text)
{
	struct audit_record r = { .event = AUDIT_NOTE, .time_ns = audit_now_ns(), .text = text };
	bool want;

	pthread_mutex_lock(&a->lock);
	r.tick = ++a->tick;
	if (!a->ended)
		audit_ring_add(audit_current(a), &r, audit_ring_hash(a->hash_key, &r));
	want = want_flush(a);
	pthread_mutex_unlock(&a->lock);
	if (want)
		ask_flush(a);
}
