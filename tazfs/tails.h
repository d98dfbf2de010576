/*
 * tails - which blocks of a file the page cache of the file system below may hold
 *
 * A set of block numbers, kept as runs: a log that grew a line at a time is one run. Only the
 * owner's lock guards it (of a node: its io lock).
 */
#ifndef TAZ_TAZFS_TAILS_H
#define TAZ_TAZFS_TAILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tail_run {
	uint64_t first, count; /* blocks of STORE_ALIGN bytes */
};

struct tails {		       /* all zero is the empty set */
	struct tail_run *runs; /* in order, none touching the next */
	size_t n, room;
};

bool tails_have(const struct tails *t, uint64_t block);

/* tails_add - Returns 0 or -ENOMEM. */
int tails_add(struct tails *t, uint64_t block);

/* tails_cut - forget every block from @block on */
void tails_cut(struct tails *t, uint64_t block);

/* tails_done - forget all, and free */
void tails_done(struct tails *t);

#endif
