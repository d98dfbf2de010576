/*
 * tracer - follow our processes with ptrace(2), number the system calls that matter, and strike
 *
 * What is followed: processes given with tracer_add(), and every child and thread of theirs until
 * it runs a program that is none of ours (role.h). A point is the entry of a system call that
 * changes something outside the caller's memory, by a process that has got past its dynamic linker:
 * killed there, the caller dies before the call has any effect. Points are numbered over all
 * processes.
 *
 * Nothing is changed for those who are followed: PTRACE_SEIZE stops nobody, and signals and group
 * stops are passed on. After the strike everyone is let go, so that what is measured is not slowed.
 */
#ifndef TAZ_TESTS_FAULTS_TRACER_H
#define TAZ_TESTS_FAULTS_TRACER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/faults/role.h"

struct point {
	unsigned alive;	  /* set of the roles that live */
	enum role caller; /* ROLE_NONE: a child before its exec */
	int syscall;
};

struct strike {
	unsigned at;  /* the point, from 1; 0 never */
	unsigned set; /* of roles; waits until all of them live */
	int signal;   /* SIGKILL or SIGSTOP */
	bool alone;   /* nobody asks for a lock after a SIGSTOP: what waits must end by itself */
};

struct tracer;

/*
 * tracer_new - begin to count
 * @on_point: called at each point, or NULL
 * Returns NULL when there is no memory.
 */
struct tracer *tracer_new(const struct strike *strike,
			  void (*on_point)(void *arg, unsigned n, const struct point *p),
			  void *arg);

/* tracer_free - let everyone go. Blocks until the last has stopped once, at most 5 s. */
void tracer_free(struct tracer *t);

/* tracer_add - follow a process that runs already, or a child that waits for its exec.
 * Returns 0 or -errno of ptrace(2). */
int tracer_add(struct tracer *t, pid_t pid);

/* tracer_poll - handle what has happened, without waiting. Returns false when nothing had. */
bool tracer_poll(struct tracer *t);

/* tracer_let_go - of everyone, as soon as each stops; no point is counted any more */
void tracer_let_go(struct tracer *t);

/* tracer_struck - CLOCK_BOOTTIME (ns) of the strike, 0 before; @ret_point: where it was */
uint64_t tracer_struck(const struct tracer *t, struct point *ret_point);

/* tracer_wake - SIGCONT to those that were struck by SIGSTOP */
void tracer_wake(struct tracer *t);

unsigned tracer_points(const struct tracer *t);

/* tracer_status - has @pid ended, and how (wait(2))? For children of the caller. */
bool tracer_status(const struct tracer *t, pid_t pid, int *ret_status);

#endif
