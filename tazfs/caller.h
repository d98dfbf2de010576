/*
 * caller - who is asking: facts from the kernel, never what a process says of itself
 *
 * A request names a thread. Its process, the session it belongs to (the nearest living registered
 * leader among itself and its ancestors) and what the policy wants to know of them (facts.h) are
 * read once and remembered together with a descriptor of /proc/TID: when that thread ends the
 * descriptor goes stale, so a process that gets the same number later starts from nothing. What is
 * remembered is void as soon as the set of sessions changes, the leader dies, or the policy is
 * another one. What can change in between is looked at for each request, as far as the policy asks
 * for it: the executable, user, terminal, tracer, and whether somebody outside could trace it.
 *
 * The chain of ancestors is the one of the moment when a process is first looked at, with what
 * each of them ran then. It says by whom a process was started as far as the kernel still knows it,
 * and no more:
 * - what a process was before its last execve(2) is not known: "exec cat" typed into an agent is
 *   no longer under it, and an ancestor that has become another program counts as that;
 * - a parent that has ended leaves a gap (facts.whole), as at a daemon's double fork or a tmux
 *   server; what is above is then unknown, which fits the rules that refuse and none that allow;
 * - native code can start a child in its parent's name (clone(2), CLONE_PARENT) or make another
 *   member work for it (ptrace(2), a tmux pane). So "under" binds programs that start others as
 *   programs do, an AI agent's tools for one, and not one that was written to get out.
 *
 * Orphans are adopted by the nearest subreaper, which the leader of "enclave session" is: a daemon
 * that was started in a session stays in it, with a gap: only the leader's first child was started
 * by it. A subreaper below the leader takes its own orphans, which then count as its children: they
 * stay under whatever it is under. Below a leader that is no subreaper (a shell that "enclave
 * unlock" adopted) a daemon leaves the session when its parents have ended and what is remembered
 * of it has gone.
 *
 * All calls may come from any thread.
 */
#ifndef TAZ_TAZFS_CALLER_H
#define TAZ_TAZFS_CALLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/facts.h"
#include "tazfs/policy.h"
#include "tazfs/session.h"

struct caller {
	pid_t tid;	  /* as the kernel named it; 0: outside our pid namespace, or nobody */
	pid_t tgid;	  /* its process; 0: gone, or not to be found out */
	uint64_t start;	  /* of the process, in clock ticks since boot */
	uint32_t session; /* 0: a member of none */
	bool open;	  /* a member that somebody outside could trace, and so speak through it */
	struct policy_who who; /* as the classifier has it; none without one, or without tgid */
};

struct callers;

/* callers_new - @sessions is borrowed for the whole life. Returns 0, -ENOMEM, or -errno of /proc.
 */
int callers_new(struct sessions *sessions, struct callers **ret);
void callers_free(struct callers *c); /* NULL is allowed */

/*
 * callers_set_classifier - who says which rules fit a caller, from now on
 * @needs: FACT_* bits; the rest is not read, and is unknown or none in what @fn is given
 * @fn: NULL for none; called by caller_look(), from any thread and several at once, for a caller
 *	that is new or of whom something has changed. A file that a rule names by path must be
 *looked at then, not before: inode numbers are used again.
 * @arg: borrowed until the next classifier is set, or callers_free()
 *
 * When this returns no thread is in the classifier before, nor will be. A caller that was looked at
 * before may still be in somebody's hands: it holds that one's answer.
 */
typedef void callers_classify_t(void *arg, const struct facts *facts, struct policy_who *ret);
void callers_set_classifier(struct callers *c, unsigned needs, callers_classify_t *fn, void *arg);

/*
 * caller_look - find out who @tid is
 * Never fails: what cannot be found out is 0, and decide() refuses it.
 * Source: proc(5): /proc/TID/stat, status; a thread of a vfork child, of io_uring or of
 * pthread_create(3) each has an entry of its own there.
 */
struct caller caller_look(struct callers *c, pid_t tid);

#define CALLER_TEXT_MAX 1024

/*
 * What a person is told of a program. None of it decides anything: paths are as the kernel prints
 * them now, arguments and name are what the process says. Any byte but NUL can be in them.
 */
struct caller_text {
	char exe[CALLER_TEXT_MAX]; /* " (deleted)" is kept; "" when the kernel does not tell */
	char script[CALLER_TEXT_MAX];
	char comm[64];
	char args[CALLER_TEXT_MAX]; /* each ends in NUL */
	size_t args_size;	    /* with the last NUL; 0: none */
	bool args_cut;		    /* there are more */
};

/*
 * caller_text - read the texts of one program of a chain
 * What is longer than there is room for ends in "...". Returns 0, or -ESRCH when it has ended.
 */
int caller_text(const struct program *p, struct caller_text *ret);

/*
 * caller_exe - the path of what one program of a chain runs; the kernel's word, for the eye only
 * Returns 0, -ESRCH when it has ended, or -errno when the kernel does not tell. Cut as
 * caller_text().
 */
int caller_exe(const struct program *p, char *buf, size_t size);

/*
 * callers_facts - read everything anew that @needs asks for, for a person to see
 * @tid: any thread or process, a member or not
 * Nothing is taken from memory or kept, but for hashes (pin.h). Returns 0, -ESRCH when it has ended
 * meanwhile (or @ret would be of more than one program), -ENOMEM. Costs about 0.1 ms.
 */
int callers_facts(struct callers *c, pid_t tid, unsigned needs, struct facts *ret);

#endif
