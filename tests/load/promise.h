/*
 * promise - files whose contents prove themselves, and the promises made about them
 *
 * A promise "P NAME SEQ" says: NAME holds version SEQ or a later one, whole, whatever dies from now
 * on. "D NAME" withdraws it before the file is removed. The contents follow from name and version
 * alone, so that a checker needs nothing but the promise. The name's first letter says how the file
 * is written:
 *
 *	r	replaced: a new file, synced, renamed over the old one, directory synced
 *	n	new: written once, synced, removed some versions later
 *	i	in place: one block, overwritten and synced
 *	a	appended: one more record, synced
 */
#ifndef TAZ_TESTS_LOAD_PROMISE_H
#define TAZ_TESTS_LOAD_PROMISE_H

#include <stdbool.h>
#include <stdint.h>

#define PROMISE_NAME_MAX 32

enum ack {
	ACK_FSYNC, /* promised when fsync(2) has returned */
	ACK_SAVE,  /* promised when the keeper has saved */
	ACK_WRITE, /* promised when write(2) has returned: nobody keeps that; the control */
};

/* ack_parse - "fsync", "save", "write". Returns 0 or -EINVAL. */
int ack_parse(const char *text, enum ack *ret);

/*
 * promise_keep - write version @seq of @name below @dir, as its first letter says, and make it last
 * Returns 0 when it may be promised (ACK_SAVE: after promise_save()), or -errno: nothing is known.
 */
int promise_keep(int dir, const char *name, uint64_t seq, enum ack ack);

/* promise_save - what ACK_SAVE waits for. Returns 0 or -errno of the keeper. */
int promise_save(void);

/*
 * promise_look - which version is there?
 * @ret_seq: written on success only
 * Returns 0, -EBADMSG when the contents are no version of it, -errno of openat(2), read(2).
 */
int promise_look(int dir, const char *name, uint64_t *ret_seq);

/* promise_say - one line, in one write. Returns 0 or -errno. */
int promise_say(int fd, char what, const char *name, uint64_t seq);

struct promises; /* made, not withdrawn; for each name the latest version */

/* promises_read - from lines; what is no promise is skipped. NULL when there is no memory. */
struct promises *promises_read(int fd);
void promises_free(struct promises *p);

/*
 * promises_old - the next name of that kind whose latest version is below @before
 * @at: 0 at first
 * Returns NULL after the last one.
 */
const char *promises_old(const struct promises *p, char kind, uint64_t before, unsigned *at,
			 uint64_t *ret_seq);

struct promises_found {
	unsigned n;    /* promises there were */
	unsigned lost; /* missing, torn or too old: each is said on the output as "LOST ..." */
	unsigned unreadable; /* the file system refused; said as "UNREADABLE ..." */
};

/* promises_check - is every one kept below @dir? @out: a descriptor for what is to be said. */
struct promises_found promises_check(const struct promises *p, int dir, int out);

#endif
