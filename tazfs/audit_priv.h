/* audit_priv - shared by the files of audit */
#ifndef TAZ_TAZFS_AUDIT_PRIV_H
#define TAZ_TAZFS_AUDIT_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "tazfs/audit.h"
#include "tazfs/audit_log.h"
#include "tazfs/audit_ring.h"

/* Decisions without a record: how many, and when. */
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
	struct audit_rest rest[AUDIT_VERDICTS];
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

static inline void audit_count_rest(struct audit_rest *rest, uint64_t count, uint64_t time_ns,
				    uint64_t last_ns)
{
	if (!rest->count || time_ns < rest->time_ns)
		rest->time_ns = time_ns;
	if (last_ns > rest->last_ns)
		rest->last_ns = last_ns;
	rest->count += count;
}

#endif
