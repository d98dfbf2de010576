/*
 * caller_speed - what it costs to know who is asking, by hand: caller_speed [TIMES]
 *
 * As root it becomes what a view is (uid 1000 and the session mark) and looks at members that are
 * as they should be. Judge the figures of an optimised build, on a quiet machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/privs.h"
#include "enclave/base/proc.h"
#include "tazfs/caller.h"

#define ROUNDS 9
#define CHAIN  5

static struct sessions *sessions;
static struct callers *callers;
static long times = 20000;

static void no_rule(void *arg, const struct facts *facts, struct policy_who *ret)
{
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A member that sleeps @depth generations below us. Its executable is @path, if that is not NULL.
 */
static pid_t member(int depth, const char *path, int *ret_top)
{
	int p[2], none;
	pid_t pid = 0;

	if (pipe2(p, O_CLOEXEC) < 0)
		exit(1);
	*ret_top = fork();
	if (*ret_top == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, 1);
		if (depth > 1) {
			pid = member(depth - 1, path, &none);
		} else {
			pid = getpid();
		}
		if (write(p[1], &pid, sizeof(pid)) < 0)
			_exit(1);
		if (depth == 1 && path)
			execl(path, path, "-c", "sleep 1000; :", (char *)NULL);
		for (;;)
			pause();
	}
	close(p[1]);
	if (read(p[0], &pid, sizeof(pid)) != sizeof(pid))
		exit(1);
	close(p[0]);
	return pid;
}

/* The best of some rounds: what else the machine does only ever adds. */
static void measure(const char *what, unsigned needs, pid_t pid, bool fresh)
{
	long n = fresh ? times / 100 : times;
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns();

		for (long i = 0; i < n; i++) {
			/* A classifier that is another one each time: nobody is known to it. */
			if (fresh || i == 0)
				callers_set_classifier(callers, needs, no_rule, NULL);
			if (!caller_look(callers, pid).session)
				exit(1);
		}
		start = (now_ns() - start) / (double)n;
		best = start < best ? start : best;
	}
	printf("# %-52s %8.0f ns\n", what, best);
}

/* Another one each time, which has just been started. */
static void measure_new(unsigned needs)
{
	double best = 1e18, sum = 0;
	long n = times / 500 + 1;

	callers_set_classifier(callers, needs, no_rule, NULL);
	for (long i = 0; i < n; i++) {
		int top;
		pid_t pid = member(CHAIN, NULL, &top);
		double start = now_ns();

		if (!caller_look(callers, pid).session)
			exit(1);
		start = now_ns() - start;
		best = start < best ? start : best;
		sum += start;
		kill(top, SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	printf("# %-52s %8.0f ns (mean %.0f)\n", "a tree of 5 that was never seen, with the chain",
	       best, sum / (double)n);
}

int main(int argc, char *argv[])
{
	int marked = getuid() == 0 ? SESSION_MARKED : 0, top;
	autoclose int self = -EBADF;
	struct proc_stat st;
	pid_t pid, shell;

	if (argc > 1)
		times = strtol(argv[1], NULL, 10);
	if (times < 100 || (marked && privs_become(NULL, 1000, 1000, 1) < 0))
		return 2;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	self = proc_open(getpid());
	if (sessions_new(&sessions) < 0 || callers_new(sessions, &callers) < 0 ||
	    proc_stat_read(self, &st) < 0 ||
	    sessions_add(sessions, getpid(), st.start, (int)syscall(SYS_pidfd_open, getpid(), 0),
			 marked) < 0)
		return 1;
	pid = member(CHAIN, NULL, &top);
	shell = member(1, "/bin/sh", &top);
	usleep(100000);
	measure("known", 0, pid, false);
	measure("known, with its executable", FACT_EXE, pid, false);
	measure("known, with executable, script and chain", FACT_EXE | FACT_SCRIPT | FACT_CHAIN,
		pid, false);
	measure("known, an interpreter, with its script", FACT_EXE | FACT_SCRIPT, shell, false);
	measure("known, with its environment", FACT_EXE | FACT_ENV, pid, false);
	measure("known, with user, terminal and tracer", FACT_UID | FACT_TTY | FACT_TRACED, pid,
		false);
	measure("judged anew, with its executable", FACT_EXE, pid, true);
	measure("judged anew, with a chain of 5 that is known", FACT_EXE | FACT_CHAIN, pid, true);
	measure("judged anew, an interpreter, with its script", FACT_EXE | FACT_SCRIPT, shell,
		true);
	measure_new(FACT_EXE | FACT_CHAIN);
	return 0;
}
