/*
 * ask - requests that wait for a person's answer, and what was answered
 *
 * A request that the policy wants to be asked about is parked: its bytes are copied, no worker
 * waits, and it is run again when there is an answer, which then counts for that path and those
 * operations and for nothing else. The same process, rule, path and operations are one question; a
 * session has one question at its terminal at a time, and ASK_RATE of them a minute. Without an
 * answer within QUESTION_SEC, without a terminal, at the lock and when the process is interrupted
 * it is refused. Nothing here keeps a vault open: only what is allowed in the end is a use of it.
 *
 * It knows nothing of libfuse: fs_serve.c runs requests, and says which one a thread is at.
 * Any thread, unless it says otherwise. The one lock is the innermost: nothing is called inside.
 */
#ifndef TAZ_TAZFS_ASK_H
#define TAZ_TAZFS_ASK_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "enclave/base/question.h"
#include "tazfs/grant.h"

#define ASK_QUESTIONS 16  /* that wait at once, in all sessions */
#define ASK_PARKED    128 /* requests that wait for them */
#define ASK_RATE      6	  /* questions a minute and session */
#define ASK_RATED     64  /* sessions whose rate is known */

/* What fs_permit() answers for a request that is parked: no reply, it comes again. No system call
 * that the view makes ends so: no socket of it connects. */
#define ASK_LATER (-EINPROGRESS)

enum ask_end {
	ASK_OPEN,
	ASK_YES,
	ASK_NO,
	ASK_REFUSED, /* it is asked about, but nobody was: no room, too often, no words for it */
	ASK_TIMEOUT,
	ASK_NOBODY,
	ASK_INTERRUPTED,
};

/* How the question about a request ended, for the second time that it runs. */
struct ask_given {
	enum ask_end end; /* ASK_OPEN: it was not asked about */
	unsigned may;
	char path[GRANT_PATH_MAX];
};

struct ask_parked { /* a copy of one request */
	struct ask_parked *next;
	uint64_t unique; /* the kernel's number of it */
	size_t size;
	char mem[];
};

struct ask_question {
	uint32_t id;  /* 0: no entry */
	bool is_sent; /* it is at the terminal; the others of its session come after it */
	uint32_t session;
	unsigned rule, may;
	uint64_t until_ns; /* CLOCK_BOOTTIME */
	struct program who;
	char path[GRANT_PATH_MAX];
	struct question text;
	struct ask_parked *parked;
};

struct ask_rate {
	uint32_t session;
	unsigned n;
	uint64_t since_ns;
	bool said;
};

struct asks {
	pthread_mutex_t lock; /* guards everything below */
	bool closed;	      /* the lock has begun: nobody is asked any more */
	uint32_t last_id;
	unsigned n_parked;
	struct ask_question questions[ASK_QUESTIONS];
	struct ask_rate rates[ASK_RATED];
	/* What was answered; and what an open file may go on with where reads and writes are
	 * decided again: a yes to an open goes for what is done with that. */
	struct grants grants, open; /* a number is of one of them only */
};

int asks_new(struct asks **ret); /* 0 or -ENOMEM */

/* --- the request that this thread is at ------------------------------------------------------- */

/* ask_begin - @mem is borrowed until ask_end_turn(), as is @given: how it ended, or NULL for
 * the first time */
void ask_begin(const void *mem, size_t size, const struct ask_given *given);

/* ask_given - of this thread's request, NULL when it runs for the first time */
const struct ask_given *ask_given(void);

/* --- one decision ----------------------------------------------------------------------------- */

struct ask_what {
	uint32_t session;
	unsigned rule, may;
	bool again; /* struct judge_request */
	bool parks; /* it can be run again from its start */
	pid_t tid;
	const char *path;
};

struct view;

/*
 * asks_decide - may it?
 * Returns ASK_YES or another end, with @ret_by_grant set when an earlier answer said so; ASK_OPEN:
 * parked, and ask_end_turn() puts it in line.
 */
enum ask_end asks_decide(struct view *v, const struct ask_what *what, bool *ret_by_grant);

/* --- answers ---------------------------------------------------------------------------------- */

/* ask_run_t - run a request again (fs.h: fs_run_asked()). Takes @p. */
typedef void ask_run_t(struct view *v, struct ask_parked *p, const struct ask_given *given);

/* ask_end_turn - the request is done with, or in line now. Its bytes may be wiped. */
void ask_end_turn(struct view *v, ask_run_t *run);

/* asks_answer - from the keeper. An id that is over is nothing. Main thread. */
void asks_answer(struct view *v, uint32_t id, uint32_t answer, ask_run_t *run);

/* asks_interrupt - the process wants that request back. False: it is not parked here. */
bool asks_interrupt(struct view *v, uint64_t unique, ask_run_t *run);

/* asks_tick - end what has waited for too long. Main thread. */
void asks_tick(struct view *v, ask_run_t *run);

/* asks_wait_ms - until asks_tick() has something to do; at most @max_ms */
int asks_wait_ms(struct view *v, int max_ms);

/* asks_close - refuse all that wait, and ask no more; forget what was answered. For the lock. */
void asks_close(struct view *v, ask_run_t *run);

/* --- ask_text.c ------------------------------------------------------------------------------- */

struct ask_who {
	struct program runs;
	bool plain; /* as in grant.h */
};

/*
 * ask_describe - who asks, as facts, and in words for a person
 * @closely: also its hash, and whether it is plain
 * @ret_text: NULL: only who; otherwise @closely
 * Returns 0, or -errno when it cannot be found out or has a path that a question has no room for.
 */
int ask_describe(struct view *v, const struct ask_what *what, bool closely, struct ask_who *ret_who,
		 struct question *ret_text);

/* --- ask_grants.c: what was answered ---------------------------------------------------------- */

/* asks_keep - remember an answer to a question; inside the lock. Returns what it means for that
 * question. An answer that was not offered is no. */
enum ask_end asks_keep(struct asks *a, const struct ask_question *q, uint32_t answer);

/* asks_know - has an answer to another question settled that one? Inside the lock. */
bool asks_know(struct asks *a, const struct ask_question *q);

/* asks_are_wide - must who asks be looked at closely, because of what was answered before? */
bool asks_are_wide(struct asks *a, const char *path);

/* asks_are_answered - by an earlier answer; then @ret says which */
bool asks_are_answered(struct asks *a, const struct ask_what *what, const struct ask_who *who,
		       enum ask_end *ret);

/* One of them, for a list. */
struct ask_kept {
	struct grant grant;
	bool once;	  /* only for what that process has opened with it */
	uint64_t left_ns; /* 0: it has no time of its own */
};

/*
 * asks_next - the answer with the lowest number above @after that counts now
 * @again: are reads and writes of open files decided again? If not, an answer of "once" is spent,
 *	and left out.
 * Those about a process that has ended are forgotten on the way. False: there are no more.
 */
bool asks_next(struct asks *a, unsigned after, bool again, struct ask_kept *ret);

/*
 * asks_revoke - take back what was allowed, from now on; the audit says so
 * @by: who wants it, for the audit
 * Returns 0, -ESRCH when there is none of that number (any more), -EPERM when it is a refusal.
 */
int asks_revoke(struct view *v, unsigned number, pid_t by);

/* asks_revoke_all - the same for each. Returns how many that were in the list. */
unsigned asks_revoke_all(struct view *v, pid_t by);

/* asks_end_session - forget what was answered for it. Main thread. */
void asks_end_session(struct asks *a, uint32_t session);

#endif
