/* callers_fixture - sessions, callers and a classifier that notes; processes to look at. For
 * test_*.c */
#ifndef TAZ_TESTS_CALLERS_FIXTURE_H
#define TAZ_TESTS_CALLERS_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/proc.h"
#include "tazfs/caller.h"

#define UNUSED __attribute__((unused))

#define ALL (FACT_EXE | FACT_CHAIN | FACT_UID | FACT_TTY | FACT_TRACED)

static struct sessions *s;
static struct callers *c;
static char dir[] = "/tmp/taz-facts-XXXXXX";

/* The last facts that a classifier was given, and how often it was asked. */
static struct facts seen;
static _Atomic int asked;

static UNUSED void note(void *arg, const struct facts *facts, struct policy_who *ret)
{
	seen = *facts;
	asked++;
	ret->rules[0] = (uintptr_t)arg;
}

static UNUSED int setup(void **state)
{
	strcpy(strrchr(dir, '-'), "-XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0 || chdir(dir) < 0)
		return -1;
	if (sessions_new(&s) < 0 || callers_new(s, &c) < 0)
		return -1;
	asked = 0;
	callers_set_classifier(c, ALL, note, (void *)7);
	return 0;
}

static UNUSED int teardown(void **state)
{
	char cmd[64];

	callers_free(c);
	sessions_free(s);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return chdir("/") < 0 || system(cmd);
}

static UNUSED void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static UNUSED uint64_t start_of(pid_t pid)
{
	autoclose int fd = proc_open(pid);
	struct proc_stat st;

	assert_int_equal(proc_stat_read(fd, &st), 0);
	return st.start;
}

static UNUSED void lead(pid_t pid, unsigned kind)
{
	assert_int_equal(
		sessions_add(s, pid, start_of(pid), (int)syscall(SYS_pidfd_open, pid, 0), kind), 0);
}

/* A child that runs @path with "60", or only sleeps without one; returns when it does so. */
static UNUSED pid_t start(const char *path)
{
	int p[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (path) {
			execl(path, path, "60", (char *)NULL);
			_exit(1);
		}
		close(p[1]);
		for (;;)
			pause();
	}
	close(p[1]);
	assert_int_equal(read(p[0], &byte, 1), 0);
	close(p[0]);
	return pid;
}

/* A sleeping descendant, @depth generations down; the ones in between live until it is killed. */
static UNUSED pid_t descendant(int depth)
{
	int p[2];
	pid_t pid = 0, child;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (--depth > 0) {
			child = fork();
			if (child) {
				waitpid(child, NULL, 0);
				_exit(0);
			}
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		}
		pid = getpid();
		if (write(p[1], &pid, sizeof(pid)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	close(p[1]);
	assert_int_equal(read(p[0], &pid, sizeof(pid)), sizeof(pid));
	close(p[0]);
	return pid;
}

static UNUSED void copy(const char *from, const char *to)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "cp %s %s", from, to);
	assert_int_equal(system(cmd), 0);
}

static UNUSED struct file_id id_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (struct file_id){ st.st_dev, st.st_ino };
}

#define assert_runs(program, path)                            \
	do {                                                  \
		struct file_id id_ = id_of(path);             \
		assert_true((program).known);                 \
		assert_int_equal((program).exe.ino, id_.ino); \
		assert_int_equal((program).exe.dev, id_.dev); \
	} while (0)

/* The exit status of a child that runs @fn; -1 when a signal ended it. */
static UNUSED int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fn());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
