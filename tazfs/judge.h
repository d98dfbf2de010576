/*
 * judge - the policy in force, and its verdict on one request
 *
 * Verdicts and the policy belong together: what callers remember of a policy is void when another
 * one takes its place, and no verdict mixes two.
 *
 * judge_set() may be called while others decide. Everything else may come from any thread.
 */
#ifndef TAZ_TAZFS_JUDGE_H
#define TAZ_TAZFS_JUDGE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tazfs/caller.h"
#include "tazfs/decide.h"
#include "tazfs/former.h"
#include "tazfs/node.h"
#include "tazfs/policy.h"

#define VIEW_WORKERS 3 /* threads that obey requests */

struct judge {
	struct callers *callers;
	struct nodes *nodes;
	pthread_rwlock_t lock; /* guards the policy */
	struct policy *policy; /* NULL: whoever may ask is allowed everything */
	struct former *former; /* of that policy */
	/* That policy decides reads and writes of open files again; and it refuses something, so
	 * what is open with pages of its own in the kernel must be opened again. */
	_Atomic bool rechecks, reopens;
};

/* What is asked for: something with a known file, or with a name in a known directory. */
struct judge_request {
	struct node *node;
	const char *name; /* NULL: @node itself */
	unsigned may;	  /* enum may; 0: only to learn that it is there, and its attributes */
	bool unrecorded;  /* when it is allowed: to read the record must not make it longer, and is
			     no use of the vault */
	bool parks;	  /* a person may be asked: it can wait, and run again from its start */
	bool again;	  /* what was decided when it was opened: to be allowed is no record */
};

struct judgement {
	struct decision decision;
	bool granted; /* as decided; or refused, and the policy only records what it would refuse */
	bool records_all; /* the policy wants a record of what is allowed, too */
	/* Of the caller, for the record; 0 when it was refused without a look. */
	uint32_t session;
	uint64_t start;
	uint32_t by; /* enum audit_by (audit_record.h): how a question ended */
};

/* judge_init - @callers and @nodes are borrowed for the whole life */
void judge_init(struct judge *j, struct callers *callers, struct nodes *nodes);

/* judge_set - put a policy in force, for every request from now on; takes it. NULL: none */
void judge_set(struct judge *j, struct policy *policy);

/* judge_rechecks - is each read and write of an open file to be decided, too? */
static inline bool judge_rechecks(struct judge *j)
{
	return atomic_load_explicit(&j->rechecks, memory_order_acquire);
}

/*
 * judge_decide - by the facts of this moment
 * @tid: as the kernel named the caller
 */
struct judgement judge_decide(struct judge *j, const struct givens *givens, pid_t tid,
			      const struct judge_request *req);

/*
 * judge_decide_tree - may the caller do everything with that and with whatever can be below it?
 * The decision is the one for what it may not.
 */
struct judgement judge_decide_tree(struct judge *j, const struct givens *givens, pid_t tid,
				   struct node *dir, const char *name);

/* A listing for one caller. The policy stays in force until its end: so it must end soon. */
struct judge_listing {
	struct judge *judge;
	bool all; /* there is no policy that leaves anything out */
	struct policy_who who;
	size_t len;
	char path[PATH_MAX]; /* of the directory */
};

/*
 * judge_list_begin - whether the directory may be listed, is decided first
 * judge_list_end() must follow if it is granted, and only then.
 */
struct judgement judge_list_begin(struct judge *j, const struct givens *givens, pid_t tid,
				  struct node *dir, struct judge_listing *ret);
void judge_list_end(struct judge_listing *l);

/* judge_lists - is the name in it? Not what is hidden, nor what no rule speaks of. */
bool judge_lists(struct judge_listing *l, const char *name);

/* judge_is_even - do all whom a session lets in see the same names? (policy_is_even()) */
bool judge_is_even(struct judge *j);

/*
 * judge_find_programs - what is at the paths that the policy names, now; inside the lock
 * @ret: room for POLICY_PROGRAMS_MAX
 * False when others who look have not come back for long.
 */
bool judge_find_programs(struct judge *j, struct file_id *ret);

/* judge_path - the path that a request is about; "/" when it has none any more, or it is too long
 */
void judge_path(struct judge *j, const struct judge_request *req, char *buf, size_t size);

/* judge_text - a copy of the policy's text in @buf from @at on. Returns the bytes copied; 0 behind
 * its end. */
size_t judge_text(struct judge *j, size_t at, char *buf, size_t size);

#endif
