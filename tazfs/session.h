/*
 * session - the set of sessions: which living processes are leaders
 *
 * A leader is named by pid and start time and held by a pidfd, so that a recycled pid is never one.
 * A leader that died counts as gone at once: every question looks at its pidfd. All calls may come
 * from any thread.
 */
#ifndef TAZ_TAZFS_SESSION_H
#define TAZ_TAZFS_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SESSIONS_MAX 64

/* What is known of a session beside its leader. */
enum {
	SESSION_MARKED = 1, /* its members hold the session mark (base/privs.h) */
	/* Its leader is "enclave session": a subreaper that starts one child, its command, and has
	 * it until it ends itself. Any other child was handed to it when its parent ended. */
	SESSION_COMMAND = 2,
};

struct sessions;

/* sessions_new - an empty set. Returns 0 or -ENOMEM. */
int sessions_new(struct sessions **ret);
void sessions_free(struct sessions *s); /* NULL is allowed */

/*
 * sessions_add - register a leader
 * @pid, @start: as in struct proc_stat
 * @pidfd: of that process; taken in every case
 * @kind: SESSION_* bits
 *
 * Returns 0, -EEXIST when it is registered already, -ESRCH when it is dead, -ENOSPC.
 */
int sessions_add(struct sessions *s, pid_t pid, uint64_t start, int pidfd, unsigned kind);

/* sessions_add_pid - the same for a pid; opens the pidfd. Also returns -errno of pidfd_open(2). */
int sessions_add_pid(struct sessions *s, pid_t pid);

/* sessions_del - forget a leader, dead or not. @ret_session: the number it had; may be NULL.
 * Returns 0 or -ENOENT. */
int sessions_del(struct sessions *s, pid_t pid, uint64_t start, uint32_t *ret_session);

/* sessions_find - the session that this very process leads. Returns its number, 0 for none. */
uint32_t sessions_find(struct sessions *s, pid_t pid, uint64_t start);

/* sessions_alive - is the session registered and its leader alive, now? */
bool sessions_alive(struct sessions *s, uint32_t session);

/* sessions_kind - SESSION_* bits of a session that is registered; otherwise 0 */
unsigned sessions_kind(struct sessions *s, uint32_t session);

/* sessions_generation - changes with each add and del: what was learned before is void */
uint32_t sessions_generation(struct sessions *s);

#endif
