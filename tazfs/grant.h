/*
 * grant - what a person has answered: who may do what, until when, how often. Pure.
 *
 * An answer counts only where the policy's verdict is "ask": a grant adds nothing to a rule that
 * denies, and takes nothing from one that allows. It is about one path, as the rules are: what is
 * at that path at the time. It names nobody by a name:
 *
 *	GRANT_PROCESS	pid and start time, and what it ran then: after an execve(2) it is another
 *	GRANT_SESSION	whoever runs the same file, with the same content, in the same session
 *	GRANT_PROGRAM	whoever runs the same content, by its hash, in any session
 *
 * The last two are wide: a yes of theirs is for processes that nobody has looked at. So it is only
 * for one that is plain: no debugger is at it, and it was started without variables that make a
 * program load code. And what decides what it does must be in it: the hash of an interpreter says
 * nothing of its script, so there is no yes of GRANT_PROGRAM for one; that of GRANT_SESSION is for
 * its script, as long as that is not changed. A refusal need not be as careful: of GRANT_PROGRAM it
 * fits the same file or the same content.
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
#define GRANT_TEXT_MAX 512  /* the same, of what only a list shows */

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
	/* Decide nothing: */
	unsigned rule; /* its line, when it was asked */
	char exe[GRANT_TEXT_MAX], script[GRANT_TEXT_MAX];
};

struct grants {
	unsigned last_number;
	struct grant all[GRANTS_MAX];
};

/* What is asked for, now. */
struct grant_request {
	const struct program *who;
	bool plain; /* see above; what is not known is not */
	uint32_t session;
	unsigned may;
	const char *path;
	uint64_t now_ns;
	bool again; /* what was opened is read or written: a count is of what is opened */
};

enum grant_answer { GRANT_NONE, GRANT_YES, GRANT_NO };

/* grant_can_be_wide - can there be such a yes for that program? @to: not GRANT_PROCESS */
bool grant_can_be_wide(enum grant_to to, const struct program *who);

/*
 * grants_add - remember an answer
 * @new: its number is not looked at; copied
 *
 * A refusal that finds no room takes that of the oldest yes: to be asked again is the lesser loss.
 * Returns the number, or
 *   -EINVAL  nobody is named (unknown program, pid or file 0), no operation, a path that is too
 *	      long, a wide yes where there can be none, more than once for one whose script is a
 *	      guess, a count for a no
 *   -ENOSPC  no room
 */
int grants_add(struct grants *g, const struct grant *new, uint64_t now_ns);

/*
 * grants_make_room - forget the oldest that is about one process, which has most likely ended; or
 * else the oldest yes
 * Never a refusal that is for more than a process. Returns 0, or -ENOSPC: there are only those.
 */
int grants_make_room(struct grants *g);

/*
 * grants_are_wide - is there one about that path that is for more than a process?
 * Then a request must say whether who asks is plain, and its hash; otherwise neither matters.
 */
bool grants_are_wide(const struct grants *g, const char *path);

/*
 * grants_answer - was that answered before?
 * A yes must be for all of the operations, a no for one of them. A yes with a count is used up by
 * this, and only when none without a count fits.
 * @ret: a copy of the one that decided, as it was before; untouched when none did. May be NULL.
 */
enum grant_answer grants_answer(struct grants *g, const struct grant_request *req,
				struct grant *ret);

/* grants_know - would it be answered? Nothing is used up. */
bool grants_know(struct grants *g, const struct grant_request *req);

/*
 * grants_revoke - take back what was allowed
 * Only that: to take back a refusal would be to give, which whoever may look at the list may not.
 * Returns 0, -ENOENT when there is none of that number (any more), or -EPERM: it is a refusal.
 */
int grants_revoke(struct grants *g, unsigned number, uint64_t now_ns);

/* grants_forget - one that is over, whatever it says; nothing when there is none of that number */
void grants_forget(struct grants *g, unsigned number);

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
