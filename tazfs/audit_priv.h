/* audit_priv - shared by the files of audit */
#ifndef TAZ_TAZFS_AUDIT_PRIV_H
#define TAZ_TAZFS_AUDIT_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "tazfs/audit.h"
#include "tazfs/audit_log.h"
#include "tazfs/audit_ring.h"

/* Decisions without a record, by verdict, and once more those that were not obeyed (audit-only):
 * how many, and when. */
#define AUDIT_RESTS (2 * AUDIT_VERDICTS)

struct audit_rest {
	uint64_t count, time_ns, last_ns;
};

struct audit {
	pthread_mutex_t io;
	/* by @io: */
	struct audit_log *log;
	unsigned old;  /* this ring is written, or being written, and takes nothing new */
	size_t old_at; /* what is before it has been written */
	bool started;  /* the line of this view's start has been written */
	uint64_t began_ns;
	uint32_t torn;

	pthread_mutex_t lock;
	/* by @lock: */
	struct audit_ring rings[2]; /* the other one is the current one: @old changes under both */
	struct audit_rest rest[AUDIT_RESTS];
	struct audit_quota quota;
	uint64_t tick;
	bool asked; /* for a flush */
	bool ended;

	/* constant: */
	uint8_t hash_key[HASH_SHORT_KEY];
	uint64_t window_ns;
	unsigned per_process;
	int fd;
};

static inline uint64_t audit_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline struct audit_ring *audit_current(struct audit *a)
{
	return &a->rings[!a->old];
}

static inline void audit_add_rest(struct audit_rest *rest, const struct audit_rest *more)
{
	if (!rest->count || more->time_ns < rest->time_ns)
		rest->time_ns = more->time_ns;
	if (more->last_ns > rest->last_ns)
		rest->last_ns = more->last_ns;
	rest->count += more->count;
}

/* With the lock held. */
static inline void audit_count_rest(struct audit *a, const struct audit_record *r)
{
	struct audit_rest more = { .count = r->count,
				   .time_ns = r->time_ns,
				   .last_ns = r->last_ns ? r->last_ns : r->time_ns };

	if (r->verdict)
		audit_add_rest(
			&a->rest[r->verdict + (r->by == AUDIT_BY_NOBODY ? AUDIT_VERDICTS : 0)],
			&more);
}

#endif
