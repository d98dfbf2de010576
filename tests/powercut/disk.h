/*
 * disk - a disk with a volatile cache that really loses what was not flushed
 *
 * Reads see every write; the file behind changes only by a flush, and at the cut. What the cut does
 * to the writes that were not flushed follows from its seed: a disk may have written all, none, or
 * any of them, in any order, and each block of 4 KiB of a write by itself.
 */
#ifndef TAZ_TESTS_POWERCUT_DISK_H
#define TAZ_TESTS_POWERCUT_DISK_H

#include <stdint.h>

#define DISK_BLOCK 4096

struct disk;

enum disk_cut {
	CUT_NONE,     /* nothing unflushed had reached the disk */
	CUT_ALL,      /* all had */
	CUT_PREFIX,   /* the first ones had, the next one in part */
	CUT_REQUESTS, /* a random half of the requests, each whole */
	CUT_BLOCKS,   /* a random version of each block: torn requests, any order */
	CUTS,
};

struct disk_loss {
	enum disk_cut how;
	unsigned requests; /* not flushed at the cut */
	unsigned blocks;   /* of them */
	unsigned dropped;  /* blocks whose last version was lost */
};

/* disk_open - @path: the file behind, whole blocks; borrowed. NULL with errno set. */
struct disk *disk_open(const char *path);
void disk_close(struct disk *d); /* what was not flushed is lost */
uint64_t disk_bytes(const struct disk *d);

/* Each returns 0 or -errno: -EINVAL beyond the end, -ENOMEM, pwrite(2)'s. @at, @size in bytes. */
int disk_read(const struct disk *d, void *buf, uint64_t size, uint64_t at);
int disk_write(struct disk *d, const void *buf, uint64_t size, uint64_t at);
int disk_zero(struct disk *d, uint64_t size, uint64_t at);
int disk_flush(struct disk *d);

/* disk_cut_power - the disk is as @seed wants it, and can only be closed */
int disk_cut_power(struct disk *d, uint64_t seed, struct disk_loss *ret);

const char *disk_cut_name(enum disk_cut how);

#endif
