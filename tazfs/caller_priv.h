/*
 * caller_priv - what the parts of caller share; for caller*.c only
 *
 *	caller		the classifier, and a look
 *	caller_facts	what is read of the one who asks
 *	caller_kin	where a process comes from, and what it runs
 *	caller_known	the memory of both
 */
#ifndef TAZ_TAZFS_CALLER_PRIV_H
#define TAZ_TAZFS_CALLER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "enclave/base/proc.h"
#include "tazfs/caller.h"
#include "tazfs/peek.h"
#include "tazfs/pin.h"
#include "tazfs/script.h"
#include "tazfs/slow.h"

#define CALLER_SETS  64
#define CALLER_WAYS  4
#define CALLER_TRIES 8 /* how often a parent may die, or a program change, before we refuse */

/* What a process runs. */
struct run {
	struct peek_exe exe; /* ino 0: the kernel does not tell */
	/* With FACT_SCRIPT: */
	bool interpreter;
	struct script script;
	uint64_t image; /* script_image() of an interpreter, or with FACT_ENV */
};

/* A process and where it comes from: true as long as it lives and the sessions are the same. */
struct kin {
	pid_t pid;
	uint64_t start;
	uint32_t session; /* of its nearest leader */
	bool leads;	  /* it is that leader */
	bool orphan;	  /* its parent is the leader, who did not start it */
	pid_t ppid;	  /* with @pstart: the parent, while that lives. Only of members */
	uint64_t pstart;
	struct run run; /* with FACT_CHAIN */
};

/* What can change while it lives. */
struct now {
	bool open, tty, traced;
	uid_t uid;
	struct peek_exe exe;
	uint64_t image;
};

struct known {
	pid_t tid;
	struct kin kin; /* of its process; its own when kin.pid is tid */
	unsigned needs; /* what kin was read for */
	uint64_t stamp; /* of the classifier that has judged it; 0: none has */
	bool image;	/* of the one who asks, now has one: an interpreter, or for FACT_ENV */
	struct now now;
	struct policy_who who;
	uint32_t generation; /* of the set of sessions, when it was looked at */
	uint32_t used;	     /* the set's clock: the oldest gives way */
	int procfd;	     /* O_PATH of /proc/TID; -EBADF: the place is free */
};

struct set {
	pthread_mutex_t lock;
	uint32_t clock;
	struct known ways[CALLER_WAYS];
};

struct callers {
	struct sessions *sessions;
	struct peek peek;
	struct pins pins;
	struct set sets[CALLER_SETS];
	pthread_rwlock_t rules; /* guards fn and arg; taken for writing when stamp changes */
	callers_classify_t *fn;
	void *arg;
	_Atomic uint64_t stamp; /* needs, and above them a number that each classifier has anew */
};

/* One look: what it is for, and whether it had to give up on a reading (slow.h): then what was
 * found is good for one answer, and not remembered. */
struct ask {
	struct callers *c;
	struct pins *pins; /* hashes that are remembered; not NULL with FACT_HASH */
	unsigned needs;
	bool gave_up;
};

/* ask_slow - slow_run() of a SLOW_LOOK, unless this look had to give up already */
static inline bool ask_slow(struct ask *a, slow_read_t *read, void *arg, int fd)
{
	a->gave_up = a->gave_up || !slow_run(SLOW_LOOK, read, arg, fd);
	return !a->gave_up;
}

/* --- caller_known --- */

void known_init(struct callers *c);
void known_done(struct callers *c);

/* known_recall - true when @tid was judged and all that is known of it is still true */
bool known_recall(struct callers *c, pid_t tid, uint64_t stamp, struct caller *ret);

/* known_recall_kin - the same for a process as an ancestor; not for its image */
bool known_recall_kin(struct ask *a, pid_t pid, struct kin *ret);

/* known_remember - in the place of what was known of that thread. Takes @procfd. */
void known_remember(const struct ask *a, const struct known *k, int *procfd);

/* --- caller_kin --- */

/* kin_recall - where a process comes from, if it is known and one; kin_find - or to be found out.
 * A thread is no process. False when it has ended. */
bool kin_recall(struct ask *a, pid_t pid, struct kin *ret);
bool kin_find(struct ask *a, pid_t pid, struct kin *ret);

/* kin_run - what the process of that thread runs, as far as is asked for */
void kin_run(struct ask *a, int procfd, struct run *ret);

/* kin_add - one more program of the chain */
void kin_add(struct facts *f, const struct kin *kin, const struct run *run);

/* kin_add_ancestors - from the parent up to the leader */
void kin_add_ancestors(struct ask *a, const struct kin *self, struct facts *f);

/* --- caller_facts --- */

/*
 * facts_now - read what can change
 * @tid, @session: its own; 0 for none
 * @image: read that, too: it can wait for a process that is in execve(2)
 * False when the thread has ended. What can't be read is as bad as it can be.
 */
bool facts_now(struct callers *c, int procfd, pid_t tid, uint32_t session, unsigned needs,
	       bool image, struct now *ret);
bool facts_is_same_now(const struct now *a, const struct now *b);
bool facts_is_same_exe(const struct peek_exe *a, const struct peek_exe *b);

/*
 * facts_read - read everything of a thread
 * Returns 0, -ESRCH when there is nobody, -EAGAIN when it became another program meanwhile.
 */
int facts_read(struct ask *a, pid_t tid, struct known *k, struct facts *ret, int *ret_procfd);

#endif
