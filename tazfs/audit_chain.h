/*
 * audit_chain - each line of the log carries a MAC over itself and the MAC before it. Pure.
 *
 * The last member of a line is "mac": the first 32 bytes of BLAKE2b, keyed with the log's key, over
 * three fields, each preceded by its length as 64 bits, little-endian: "taz-audit-1", the 32 bytes
 * of the MAC before it, and the line up to the comma before "mac". Each line also has the number
 * that follows the last line's. The first line of a file is an event "file", whose "prev" is the
 * last MAC of the file before (64 zeros for the very first), so rotation does not break the chain.
 *
 * What this proves: who does not have the key cannot change, remove, insert or reorder lines of a
 * copy without that being found. What it does not:
 * - anything against who has the key. It lies beside the log in the vault, which is authenticated
 *   as a whole at rest; whoever could rewrite the log there (root while it is unlocked, who knows
 *   the passphrase) can read the key, too;
 * - that lines are missing at the end of a copy, unless it is known how far it must reach;
 * - that lines are missing before its first file, which rotation removes as well.
 */
#ifndef TAZ_TAZFS_AUDIT_CHAIN_H
#define TAZ_TAZFS_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "enclave/base/secret.h"

#define AUDIT_KEY_BYTES 32
#define AUDIT_MAC_BYTES 32
#define AUDIT_MAC_HEX	64
#define AUDIT_MAC_ROOM	(AUDIT_MAC_HEX + 16) /* what audit_chain_add() makes a line longer */

struct audit_chain {  /* where a log ends; all zero: it is empty */
	uint64_t seq; /* of the last line */
	uint8_t mac[AUDIT_MAC_BYTES];
};

/*
 * audit_chain_add - end a line
 * @line, @len: of audit_format(), with the number that follows @c's, and without "mac"
 * @room: at least @len + AUDIT_MAC_ROOM
 * Adds its MAC and a newline, and moves @c there. Returns the new length, or -ENOSPC.
 */
ssize_t audit_chain_add(const struct secret *key, struct audit_chain *c, char *line, size_t len,
			size_t room);

/* What can be wrong with a log; audit_flaw_text has it in words. */
enum audit_flaw {
	AUDIT_WHOLE,
	AUDIT_NO_LINE,	     /* no line of a log */
	AUDIT_BAD_ORDER,     /* its number is not the next one: lines are missing, or moved */
	AUDIT_BAD_MAC,	     /* it was changed, or put there */
	AUDIT_BAD_FIRST_MAC, /* that of the very first line: it was changed, or the key is another
			      */
	AUDIT_NO_HEAD,	     /* does not begin with the first line of a file */
	AUDIT_BAD_HEAD,	     /* a file that does not continue the one before it */
	AUDIT_TORN,	     /* the last line has no end */
	AUDIT_SHORT,	     /* ends before the line that it must reach */
	AUDIT_EMPTY,
	AUDIT_FLAWS,
};

extern const char *const audit_flaw_text[AUDIT_FLAWS];

/* A check of one file after the other, oldest first. */
struct audit_check {
	const struct secret *key; /* borrowed */
	struct audit_chain last;
	uint64_t first_seq;
	uint64_t lines;	  /* in all, that are good */
	unsigned file;	  /* from 1 */
	uint64_t line;	  /* of that file, from 1 */
	uint64_t bytes;	  /* of that file, up to the end of the last good line */
	uint64_t fed;	  /* of that file */
	uint64_t missing; /* AUDIT_BAD_ORDER: so many numbers before the one that was found; 0: it
			     goes back */
	enum audit_flaw flaw; /* the first one, in @file at @line */
	char *part;	      /* a line that has not ended yet */
	size_t n_part;
};

/* audit_check_init - Returns 0 or -ENOMEM; audit_check_done() afterwards. */
int audit_check_init(struct audit_check *c, const struct secret *key);
void audit_check_done(struct audit_check *c);

/*
 * audit_check_feed - the next bytes of a file
 * audit_check_file - it has ended
 * audit_check_end - there is no further file. @until: the number that the log must reach, or 0
 * Each returns true as long as all is well; after the first flaw nothing more is looked at.
 * Empty lines are the padding that files of the log end with.
 */
bool audit_check_feed(struct audit_check *c, const char *data, size_t size);
bool audit_check_file(struct audit_check *c);
bool audit_check_end(struct audit_check *c, uint64_t until);

#endif
