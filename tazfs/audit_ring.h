/*
 * audit_ring - decisions in memory until they are written. Pure: no lock, no clock, no I/O.
 *
 * A repeat (same process and program, operation, path, rule, verdict) within the window only counts
 * in the first one's record. Room is bounded, and nothing is lost: what finds none for a record of
 * its own is counted in one for all that its process does, or for all that processes of its program
 * do, and when there is none for that either, in one number a verdict.
 */
#ifndef TAZ_TAZFS_AUDIT_RING_H
#define TAZ_TAZFS_AUDIT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enclave/base/hash.h"
#include "tazfs/audit_record.h"

#define AUDIT_RING_BYTES (256UL * 1024)
#define AUDIT_RING_INDEX 4096UL
#define AUDIT_PROCS	 64U

/* A string that is longer is kept by its end, behind "...". */
#define AUDIT_PATH_MAX	4096UL /* @path, @to */
#define AUDIT_EXE_MAX	1023UL /* @exe, @script */
#define AUDIT_SHORT_MAX 255UL  /* the others, and the programs of the chain */

struct audit_ring {
	char *mem; /* AUDIT_RING_BYTES */
	size_t used;
	uint32_t index[AUDIT_RING_INDEX]; /* by hash: a record's place + 1 */
};

/* audit_ring_init - Returns 0 or -ENOMEM. */
int audit_ring_init(struct audit_ring *g);
void audit_ring_done(struct audit_ring *g); /* wipes */

/* audit_ring_clear - forget all, and overwrite it */
void audit_ring_clear(struct audit_ring *g);

/* audit_ring_hash - of what makes two decisions the same */
uint64_t audit_ring_hash(const uint8_t key[HASH_SHORT_KEY], const struct audit_record *r);

/*
 * audit_ring_repeat - count it in the record of the same decision
 * @r: with time_ns, tick and count
 * @window_ns: as long as that record may have begun before
 * Returns false when there is none.
 */
bool audit_ring_repeat(struct audit_ring *g, const struct audit_record *r, uint64_t hash,
		       uint64_t window_ns);

/* audit_ring_add - a record of its own. Returns false when there is no room. */
bool audit_ring_add(struct audit_ring *g, const struct audit_record *r, uint64_t hash);

/*
 * audit_ring_next - the record at @at, in the order in which they came; @at is moved to the next
 * @ret: its strings are the ring's
 * Returns false at the end.
 */
bool audit_ring_next(const struct audit_ring *g, size_t *at, struct audit_record *ret);

/* audit_ring_counters - the same, only what changes: tick, count, last_ns, time_ns */
bool audit_ring_counters(const struct audit_ring *g, size_t *at, struct audit_record *ret);

/* Whose record a decision gets that is no repeat. */
enum audit_level {
	AUDIT_OWN,
	AUDIT_PROCESS, /* one for all further ones of the process */
	AUDIT_PROGRAM, /* one for all further ones of all processes that run the program */
};

/* audit_ring_whole - the record for that; @level is not AUDIT_OWN */
struct audit_record audit_ring_whole(const struct audit_record *r, enum audit_level level);

/* How many records each process, and all together, have had in a while; of many processes the
 * oldest is forgotten first. */
#define AUDIT_QUOTA_ALL 8U /* times as many as one process */

struct audit_quota {
	struct audit_share {
		uint32_t pid;
		unsigned n;
		uint64_t start, since_ns;
	} all, procs[AUDIT_PROCS];
};

/*
 * audit_quota_level - what is left for one more
 * @take: it gets it
 * @limit, @window_ns: so many of one process in such a time
 */
enum audit_level audit_quota_level(struct audit_quota *q, const struct audit_record *r, bool take,
				   unsigned limit, uint64_t window_ns);

#endif
