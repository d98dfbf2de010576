#include "tazfs/audit_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "enclave/base/fd.h"

#define WINDOW_MS   10000U
#define PER_PROCESS 1024U
#define MINUTE_NS   60000000000ULL
#define WORDS_BYTES 8192U /* of a ring, kept for audit_say() */

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

/* Memory's last quarter is for who comes late, its last bytes are for words. */
static enum audit_level level_of(struct audit *a, const struct audit_record *r, bool take)
{
	size_t used = audit_current(a)->used;
	enum audit_level level = audit_quota_level(&a->quota, r, take, a->per_process, MINUTE_NS);

	if (used > AUDIT_RING_BYTES / 8 * 7)
		return AUDIT_PROGRAM;
	return used > AUDIT_RING_BYTES / 4 * 3 && level == AUDIT_OWN ? AUDIT_PROCESS : level;
}

/* In the record of all, if there is one. */
static bool repeat_whole(struct audit *a, const struct audit_record *r, enum audit_level level)
{
	struct audit_record all = audit_ring_whole(r, level);

	return audit_ring_repeat(audit_current(a), &all, audit_ring_hash(a->hash_key, &all),
				 UINT64_MAX);
}

static bool fold(struct audit *a, const struct audit_record *r, uint64_t hash)
{
	enum audit_level level;

	if (audit_ring_repeat(audit_current(a), r, hash, a->window_ns))
		return true;
	level = level_of(a, r, false);
	return (level == AUDIT_PROCESS && repeat_whole(a, r, AUDIT_PROCESS)) ||
	       (level == AUDIT_PROGRAM && repeat_whole(a, r, AUDIT_PROGRAM));
}

static bool add_to(struct audit *a, const struct audit_record *r, uint64_t hash)
{
	return audit_current(a)->used <= AUDIT_RING_BYTES - WORDS_BYTES &&
	       audit_ring_add(audit_current(a), r, hash);
}

static void add(struct audit *a, const struct audit_record *r, uint64_t hash)
{
	enum audit_level level = level_of(a, r, true);
	struct audit_record all;

	if (level == AUDIT_OWN && add_to(a, r, hash))
		return;
	all = audit_ring_whole(r, level == AUDIT_OWN ? AUDIT_PROCESS : level);
	if (!add_to(a, &all, audit_ring_hash(a->hash_key, &all)))
		audit_count_rest(a, r);
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
	r.key_pid = r.pid;
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
