/*
 * caller - who is asking: facts from the kernel, never what a process says of itself
 *
 * A request names a thread. Its process, and the session it belongs to (the nearest living
 * registered leader among itself and its ancestors), are read once and remembered together with a
 * descriptor of /proc/TID: when that thread ends the descriptor goes stale, so a process that gets
 * the same number later starts from nothing. What is remembered is void as soon as the set of
 * sessions changes or the leader dies.
 *
 * Orphans are adopted by the nearest subreaper, which a session's leader is: a daemon that was
 * started in a session stays in it. Below a leader that is none (a shell that "enclave unlock"
 * adopted) a daemon leaves the session when its parents have ended and what is remembered of it has
 * gone.
 *
 * All calls may come from any thread.
 */
#ifndef TAZ_TAZFS_CALLER_H
#define TAZ_TAZFS_CALLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/session.h"

struct caller {
	pid_t tid;	  /* as the kernel named it; 0: outside our pid namespace, or nobody */
	pid_t tgid;	  /* its process; 0: gone, or not to be found out */
	uint64_t start;	  /* of the process, in clock ticks since boot */
	uint32_t session; /* 0: a member of none */
	bool open;	  /* a member that somebody outside could trace, and so speak through it */
};

struct callers;

/* callers_new - @sessions is borrowed for the whole life. Returns 0, -ENOMEM, or -errno of /proc.
 */
int callers_new(struct sessions *sessions, struct callers **ret);
void callers_free(struct callers *c); /* NULL is allowed */

/*
 * caller_look - find out who @tid is
 * Never fails: what cannot be found out is 0, and decide() refuses it.
 * Source: proc(5): /proc/TID/stat, status; a thread of a vfork child, of io_uring or of
 * pthread_create(3) each has an entry of its own there.
 */
struct caller caller_look(struct callers *c, pid_t tid);

#endif
