/*
 * privs - giving rights away, for good, and looking whether they are gone
 *
 * Source: capabilities(7), prctl(2), libcap-ng.
 */
#ifndef TAZ_BASE_PRIVS_H
#define TAZ_BASE_PRIVS_H

#include <linux/capability.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The session mark. Every process of a session holds CAP_WAKE_ALARM (it may program an alarm
 * clock, nothing else) as a permitted, ambient capability. The kernel lets nobody look into a
 * process that has a capability the looker lacks (cap_ptrace_access_check(), security/commoncap.c),
 * so a process of the same uid outside every session can neither trace it, nor read its memory or
 * environment, nor walk through its /proc/PID/root, cwd and fd. Verified by
 * tests/e2e/enclave-1.guest.
 */

#define PRIVS_MARK (UINT64_C(1) << CAP_WAKE_ALARM)

/*
 * privs_become - become @uid and @gid for good, with their groups
 * @user: its name, for initgroups(3); NULL for no supplementary group
 * @mark: non-zero keeps the session mark as the one, ambient, capability; zero keeps none
 *
 * Also sets PR_SET_DUMPABLE 0 and re-reads everything afterwards.
 * Returns 0, or -errno; -EPERM when the kernel shows more rights than were left. The caller must
 * end the process after an error: it may be half-way.
 */
int privs_become(const char *user, uid_t uid, gid_t gid, int mark);

/*
 * privs_leave - give the session mark, and every other capability, away for good
 *
 * privs_no_new() comes before it: no program that this process executes gets any back.
 * Returns 0, or -errno; -EPERM without that, or when the kernel shows that something is left. The
 * caller must end the process after an error: it may be half-way.
 */
int privs_leave(void);

/*
 * privs_no_core - no core dump, of this process nor of what it executes or forks
 *
 * The limit is one byte, not zero: too little for a file, and the only one at which the kernel also
 * pipes nothing to a program (core_pattern "|..."), which would be one of the host.
 * Returns 0 or -errno. Source: fs/coredump.c; core(5).
 */
int privs_no_core(void);

/* privs_hide - no core dump, no ptrace, no /proc/self/mem for others of our uid. Returns 0 or
 * -errno. */
int privs_hide(void);

/* privs_no_new - no_new_privs: no setuid program can ever give rights back. Returns 0 or -errno. */
int privs_no_new(void);

/* privs_die_with_parent - SIGKILL us when the parent goes; @parent is checked against the race */
int privs_die_with_parent(pid_t parent);

/*
 * privs_wake_with_parent - SIGCONT when the parent dies, so that a process that somebody stopped
 * still learns of it. Set it after a change of user, which resets it (prctl(2), PR_SET_PDEATHSIG).
 * Returns 0 or -errno.
 */
int privs_wake_with_parent(void);

/*
 * privs_lock_memory - mlockall(2) of all present and future pages: nothing of us reaches swap
 * Returns 0 or -errno (-ENOMEM, -EPERM: RLIMIT_MEMLOCK).
 */
int privs_lock_memory(void);

/* privs_lock_touched - the same, but a page counts only once it is touched: for a process that maps
 * far more than it needs. Source: mlock2(2) MCL_ONFAULT. */
int privs_lock_touched(void);

#endif
