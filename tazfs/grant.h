/*
 * grant - what a person has answered: who may do what, until when, how often. Pure.
 *
 * An answer counts only where the policy's verdict is "ask": a grant adds nothing to a rule that
 * denies, and takes nothing from one that allows. It is about one path, as the rules are: what is
 * at that path at the time. It names nobody by a name:
 *
 *	GRANT_PROCESS	pid and start time, and what it ran then: after an execve(2) it is another
 *	GRANT_SESSION	whoever runs the same file in the same session
 *	GRANT_PROGRAM	whoever runs the same content, by its hash, in any session
 *
 * The hash of an interpreter says nothing of its script, so there is no yes of GRANT_PROGRAM for
 * one. A refusal need not be as careful: of GRANT_PROGRAM it fits the same file or the same
 *content.
 *
 * Refusals come before everything. Nothing here is kept beyond the lock: grants_clear().
 * Not locked: the caller sees to it that one thread is in here at a time.
 */
#ifndef TAZ_TAZFS_GRANT_H
#define TAZ_TAZFS_GRANT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/facts.h"

#define GRANTS_MAX     128
#define GRANT_PATH_MAX 1024 /* bytes, with the NUL: a question that shows less is none */

enum grant_to { GRANT_PROCESS, GRANT_SESSION, GRANT_PROGRAM };

struct grant {
	unsigned number; /* from 1, never given twice before grants_clear(); 0: no entry */
	bool yes;
	enum grant_to to;
	uint32_t session;	   /* which it was given in; decides for GRANT_SESSION */
	struct program who;	   /* as it was when it was asked about */
	unsigned may;		   /* bits of enum may */
	uint64_t until_ns;	   /* of the clock that @now_ns is of; 0: until the lock */
	unsigned left;		   /* so many times more; 0: without a count */
	char path[GRANT_PATH_MAX]; /* below the root */
};

struct grants {
	unsigned last_number;
	struct grant all[GRANTS_MAX];
};

/* What is asked for, now. */
struct grant_request {
	const struct program *who;
	uint32_t session;
	unsigned may;
	const char *path;
	uint64_t now_ns;
};

enum grant_answer { GRANT_NONE, GRANT_YES, GRANT_NO };

/*
 * grants_add - remember an answer
 * @new: its number is not looked at; copied
 *
 * A refusal that finds no room takes that of the oldest yes: to be asked again is the lesser loss.
 * Returns the number, or
 *   -EINVAL  nobody is named (unknown program, pid or file 0), no operation, a path that is too
 *	      long, a yes to GRANT_PROGRAM without a hash or for an interpreter, more than once for
 *	      one whose script is a guess, a count for a no
 *   -ENOSPC  no room
 */
int grants_add(struct grants *g, const struct grant *new, uint64_t now_ns);

/*
 * grants_answer - was that answered before?
 * A yes must be for all of the operations, a no for one of them. A yes with a count is used up by
 * this, and only when none without a count fits. @ret_number: of the one that decided; may be NULL.
 */
enum grant_answer grants_answer(struct grants *g, const struct grant_request *req,
				unsigned *ret_number);

/* grants_revoke - Returns 0, or -ENOENT when there is none of that number (any more). */
int grants_revoke(struct grants *g, unsigned number);

/* grants_end_session - with it ends what was answered in it, but for GRANT_PROGRAM */
void grants_end_session(struct grants *g, uint32_t session);

/*
 * grants_next - for a list: the one with the lowest number above @after, that is not over
 * Returns NULL behind the last. Valid until the next call that is not this one.
 */
const struct grant *grants_next(struct grants *g, unsigned after, uint64_t now_ns);

/* grants_clear - forget everything, and wipe it: paths are secrets, too */
void grants_clear(struct grants *g);

#endif
