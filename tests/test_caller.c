#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "enclave/base/fd.h"
#include "enclave/base/proc.h"
#include "tazfs/caller.h"

static struct sessions *s;
static struct callers *c;

static int setup(void **state)
{
	return sessions_new(&s) < 0 || callers_new(s, &c) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	callers_free(c);
	sessions_free(s);
	return 0;
}

/* A child that sleeps until it is killed. */
static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static uint64_t start_of(pid_t pid)
{
	autoclose int fd = proc_open(pid);
	struct proc_stat st;

	assert_int_equal(proc_stat_read(fd, &st), 0);
	return st.start;
}

/* --- the set --------------------------------------------------------------------------------- */

static void test_a_leader_is_found_by_number_and_start(void **state)
{
	pid_t pid = sleeper();
	uint32_t id;

	assert_int_equal(sessions_add_pid(s, pid), 0);
	id = sessions_find(s, pid, start_of(pid));
	assert_true(id && sessions_alive(s, id));
	assert_int_equal(sessions_find(s, pid, start_of(pid) + 1), 0);
	assert_int_equal(sessions_add_pid(s, pid), -EEXIST);
	end(pid);
}

static void test_a_dead_leader_leads_nobody_even_before_it_is_reaped(void **state)
{
	pid_t pid = sleeper();
	uint64_t start = start_of(pid);
	siginfo_t si;
	uint32_t id;

	assert_int_equal(sessions_add_pid(s, pid), 0);
	id = sessions_find(s, pid, start);
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, pid, &si, WEXITED | WNOWAIT), 0);
	assert_false(sessions_alive(s, id));
	assert_int_equal(sessions_find(s, pid, start), 0);
	assert_true(sessions_add_pid(s, pid) < 0);
	waitpid(pid, NULL, 0);
}

static void test_a_place_that_is_used_again_is_another_session(void **state)
{
	pid_t pid = sleeper();
	uint64_t start = start_of(pid);
	uint32_t first, second, gen = sessions_generation(s);

	assert_int_equal(sessions_add_pid(s, pid), 0);
	first = sessions_find(s, pid, start);
	assert_int_equal(sessions_del(s, pid, start, NULL), 0);
	assert_int_equal(sessions_del(s, pid, start, NULL), -ENOENT);
	assert_int_equal(sessions_add_pid(s, pid), 0);
	second = sessions_find(s, pid, start);
	assert_int_not_equal(first, second);
	assert_false(sessions_alive(s, first));
	assert_int_not_equal(gen, sessions_generation(s));
	end(pid);
}

static void test_a_full_set_says_so_and_keeps_no_descriptor(void **state)
{
	pid_t pid = sleeper();
	uint64_t start = start_of(pid);
	int before, after;

	for (int i = 0; i < SESSIONS_MAX; i++)
		assert_int_equal(
			sessions_add(s, pid, start + i, (int)syscall(SYS_pidfd_open, pid, 0), 0),
			0);
	before = dup(0);
	close(before);
	assert_int_equal(sessions_add(s, pid, 1, (int)syscall(SYS_pidfd_open, pid, 0), 0), -ENOSPC);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	end(pid);
}

/* --- who is asking --------------------------------------------------------------------------- */

static void test_the_leader_and_its_descendants_are_members(void **state)
{
	pid_t child = sleeper();

	assert_int_equal(caller_look(c, child).session, 0);
	assert_int_equal(sessions_add_pid(s, getpid()), 0);
	assert_true(caller_look(c, getpid()).session);
	assert_true(caller_look(c, child).session);
	assert_int_equal(caller_look(c, child).tgid, child);
	/* The second time it is remembered. */
	assert_true(caller_look(c, child).session);
	end(child);
}

static void test_a_sibling_of_the_leader_is_no_member(void **state)
{
	pid_t leader = sleeper(), sibling = sleeper();

	assert_int_equal(sessions_add_pid(s, leader), 0);
	assert_true(caller_look(c, leader).session);
	assert_int_equal(caller_look(c, sibling).session, 0);
	assert_int_equal(caller_look(c, getpid()).session, 0);
	end(leader);
	end(sibling);
}

static void test_membership_ends_with_the_set_and_with_the_leader(void **state)
{
	pid_t child = sleeper();

	assert_int_equal(sessions_add_pid(s, getpid()), 0);
	assert_true(caller_look(c, child).session);
	assert_int_equal(sessions_del(s, getpid(), start_of(getpid()), NULL), 0);
	assert_int_equal(caller_look(c, child).session, 0);
	end(child);
}

static void test_a_process_below_two_leaders_stays_when_the_inner_one_is_deleted(void **state)
{
	pid_t child = sleeper();
	uint32_t inner;

	assert_int_equal(sessions_add_pid(s, getpid()), 0);
	assert_int_equal(sessions_add_pid(s, child), 0);
	inner = caller_look(c, child).session;
	assert_int_equal(sessions_del(s, child, start_of(child), NULL), 0);
	assert_true(caller_look(c, child).session);
	assert_int_not_equal(caller_look(c, child).session, inner);
	end(child);
}

static void test_nobody_the_dead_and_the_impossible_are_known_as_nothing(void **state)
{
	pid_t child = sleeper();

	assert_int_equal(sessions_add_pid(s, getpid()), 0);
	assert_true(caller_look(c, child).session);
	end(child);
	assert_int_equal(caller_look(c, child).session, 0);
	assert_int_equal(caller_look(c, child).tgid, 0);
	assert_int_equal(caller_look(c, 0).tgid, 0);
	assert_int_equal(caller_look(c, -1).tgid, 0);
	assert_int_equal(caller_look(c, INT32_MAX).tgid, 0);
}

static void *look_at_self(void *arg)
{
	*(struct caller *)arg = caller_look(c, gettid());
	return NULL;
}

static void test_a_thread_is_its_process(void **state)
{
	struct caller who = { 0 };
	pthread_t t;

	assert_int_equal(sessions_add_pid(s, getpid()), 0);
	assert_int_equal(pthread_create(&t, NULL, look_at_self, &who), 0);
	pthread_join(t, NULL);
	assert_int_equal(who.tgid, getpid());
	assert_int_not_equal(who.tid, who.tgid);
	assert_true(who.session);
	assert_true(who.start == start_of(getpid()));
}

static void test_an_orphan_stays_with_the_leader_that_is_a_subreaper(void **state)
{
	int p[2];
	pid_t middle, orphan = 0;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(sessions_add_pid(s, getpid()), 0);
	assert_int_equal(pipe(p), 0);
	middle = fork();
	if (middle == 0) {
		orphan = fork();
		while (!orphan)
			pause();
		_exit(write(p[1], &orphan, sizeof(orphan)) < 0);
	}
	waitpid(middle, NULL, 0);
	assert_int_equal(read(p[0], &orphan, sizeof(orphan)), sizeof(orphan));
	assert_true(caller_look(c, orphan).session);
	end(orphan);
	close(p[0]);
	close(p[1]);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void test_more_callers_than_places_get_the_right_verdict(void **state)
{
	pid_t pids[300];

	assert_int_equal(sessions_add_pid(s, getpid()), 0);
	for (int i = 0; i < 300; i++) {
		pids[i] = sleeper();
		assert_true(caller_look(c, pids[i]).session);
	}
	for (int i = 0; i < 300; i++) {
		assert_true(caller_look(c, pids[i]).session);
		end(pids[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_leader_is_found_by_number_and_start),
		T(test_a_dead_leader_leads_nobody_even_before_it_is_reaped),
		T(test_a_place_that_is_used_again_is_another_session),
		T(test_a_full_set_says_so_and_keeps_no_descriptor),
		T(test_the_leader_and_its_descendants_are_members),
		T(test_a_sibling_of_the_leader_is_no_member),
		T(test_membership_ends_with_the_set_and_with_the_leader),
		T(test_a_process_below_two_leaders_stays_when_the_inner_one_is_deleted),
		T(test_nobody_the_dead_and_the_impossible_are_known_as_nothing),
		T(test_a_thread_is_its_process),
		T(test_an_orphan_stays_with_the_leader_that_is_a_subreaper),
		T(test_more_callers_than_places_get_the_right_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
