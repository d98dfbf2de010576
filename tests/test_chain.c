#include "tests/callers_fixture.h"

#include <linux/sched.h>
#include <pthread.h>

/* --- the chain --- */

static void test_the_chain_leads_from_the_caller_to_the_leader(void **state)
{
	pid_t pid = descendant(3);

	lead(getpid(), 0);
	caller_look(c, pid);
	assert_int_equal(seen.n_chain, 4);
	assert_int_equal(seen.chain[0].pid, pid);
	assert_int_equal(seen.chain[3].pid, getpid());
	assert_true(seen.whole);
	for (int i = 0; i < 4; i++)
		assert_runs(seen.chain[i], "/proc/self/exe");
	end(seen.chain[2].pid);
}

static void test_a_chain_that_does_not_fit_is_not_whole(void **state)
{
	pid_t pid = descendant(40);

	lead(getpid(), 0);
	assert_true(caller_look(c, pid).session);
	assert_int_equal(seen.n_chain, FACTS_CHAIN_MAX);
	assert_false(seen.whole);
	kill(pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* Its middle has ended; it comes to us, who are a subreaper. */
static pid_t orphan(void)
{
	int p[2];
	pid_t pid = 0, middle;

	assert_int_equal(pipe(p), 0);
	middle = fork();
	if (middle == 0) {
		pid = fork();
		if (pid)
			_exit(write(p[1], &pid, sizeof(pid)) < 0);
		for (;;)
			pause();
	}
	waitpid(middle, NULL, 0);
	assert_int_equal(read(p[0], &pid, sizeof(pid)), sizeof(pid));
	close(p[0]);
	close(p[1]);
	return pid;
}

static void test_only_the_command_of_a_session_is_the_leader_s_own_child(void **state)
{
	pid_t command, other;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	lead(getpid(), SESSION_COMMAND);
	command = start(NULL);
	other = orphan();
	caller_look(c, command);
	assert_true(seen.whole);
	assert_int_equal(seen.n_chain, 1); /* the leader is our own program: left out */
	assert_true(caller_look(c, other).session);
	assert_false(seen.whole);
	end(other);
	end(command);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void test_an_orphan_does_not_inherit_the_place_of_a_command_that_ended(void **state)
{
	pid_t command, other;
	siginfo_t si;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	lead(getpid(), SESSION_COMMAND);
	command = start(NULL);
	other = orphan();
	kill(command, SIGKILL);
	/* As session_run() waits for it. */
	assert_int_equal(waitid(P_PID, command, &si, WEXITED | WNOWAIT), 0);
	caller_look(c, other);
	assert_false(seen.whole);
	end(other);
	end(command);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void test_a_parent_that_ends_leaves_a_gap_for_what_is_looked_at_later(void **state)
{
	pid_t pid, middle, reaper = getpid();

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	lead(reaper, SESSION_COMMAND);
	pid = descendant(3);
	caller_look(c, pid);
	assert_true(seen.whole);
	middle = seen.chain[1].pid;
	kill(middle, SIGKILL);
	usleep(20000);
	callers_set_classifier(c, ALL, note, NULL);
	caller_look(c, pid);
	assert_false(seen.whole);
	kill(pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void test_a_new_process_sees_what_its_ancestors_run_now(void **state)
{
	pid_t shell, kid = 0;
	int p[2];

	/* A shell that looks, then becomes another program, with a child from before. */
	copy("/bin/sleep", "a");
	lead(getpid(), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	shell = fork();
	if (shell == 0) {
		raise(SIGSTOP);
		kid = fork();
		if (kid == 0)
			for (;;)
				pause();
		if (write(p[1], &kid, sizeof(kid)) < 0)
			_exit(1);
		execl("a", "a", "60", (char *)NULL);
		_exit(1);
	}
	waitpid(shell, NULL, WUNTRACED);
	caller_look(c, shell);
	assert_runs(seen.chain[0], "/proc/self/exe");
	kill(shell, SIGCONT);
	assert_int_equal(read(p[0], &kid, sizeof(kid)), sizeof(kid));
	usleep(50000);
	caller_look(c, kid);
	assert_int_equal(seen.chain[1].pid, shell);
	assert_runs(seen.chain[1], "a");
	end(shell);
	kill(kid, SIGKILL);
	close(p[0]);
	close(p[1]);
}

static void test_facts_for_a_person_are_read_anew(void **state)
{
	pid_t pid = descendant(2);
	struct facts f;

	lead(getpid(), 0);
	caller_look(c, pid);
	assert_int_equal(callers_facts(c, pid, ALL, &f), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(f.n_chain, 3);
	assert_true(f.whole);
	assert_int_equal(f.session, seen.session);
	/* Somebody outside of every session, too. */
	assert_int_equal(callers_facts(c, getppid(), ALL, &f), 0);
	assert_int_equal(f.session, 0);
	assert_false(f.whole);
	assert_int_equal(f.chain[0].pid, getppid());
	end(seen.chain[1].pid);
}

/* A process with the number @pid, which must be free; 0 when the kernel does not let us. */
static pid_t process_numbered(pid_t pid)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .set_tid = (uintptr_t)&pid,
				   .set_tid_size = 1 };
	pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (child == 0)
		for (;;)
			pause();
	return child < 0 ? 0 : child;
}

static void test_who_gets_the_number_of_a_member_is_nobody(void **state)
{
	pid_t leader, kid = 0;
	int p[2];

	assert_int_equal(pipe(p), 0);
	leader = fork();
	if (leader == 0) {
		kid = fork();
		if (kid && write(p[1], &kid, sizeof(kid)) < 0)
			_exit(1);
		if (kid)
			waitpid(kid, NULL, 0);
		for (;;)
			pause();
	}
	assert_int_equal(read(p[0], &kid, sizeof(kid)), sizeof(kid));
	lead(leader, 0);
	assert_true(caller_look(c, kid).session);
	assert_int_equal(asked, 1);
	kill(kid, SIGKILL);
	for (int i = 0; i < 200 && kill(kid, 0) == 0; i++)
		usleep(10000);
	if (process_numbered(kid) != kid)
		skip();
	assert_int_equal(caller_look(c, kid).session, 0);
	assert_int_equal(asked, 2);
	assert_int_equal(seen.session, 0);
	end(kid);
	end(leader);
	close(p[0]);
	close(p[1]);
}

static void test_who_gets_the_number_of_a_parent_is_no_ancestor(void **state)
{
	pid_t parent, kid = 0;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	parent = fork();
	if (parent == 0) {
		kid = fork();
		if (kid && write(p[1], &kid, sizeof(kid)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(p[0], &kid, sizeof(kid)), sizeof(kid));
	lead(getpid(), 0);
	caller_look(c, kid);
	assert_int_equal(seen.chain[1].pid, parent);
	assert_true(seen.whole);
	end(parent);
	usleep(20000); /* a start time of its own */
	if (process_numbered(parent) != parent)
		skip();
	callers_set_classifier(c, ALL, note, NULL);
	caller_look(c, kid);
	assert_int_equal(seen.n_chain, 1);
	assert_false(seen.whole);
	end(parent);
	end(kid);
	close(p[0]);
	close(p[1]);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

/* --- many at once --- */

static _Atomic bool stop;
static _Atomic pid_t target;

static void *look_all_the_time(void *arg)
{
	while (!stop) {
		pid_t pid = target;
		struct caller who = caller_look(c, pid);

		if (who.tgid && who.tgid != pid)
			abort();
		caller_look(c, gettid());
	}
	return NULL;
}

static void test_processes_that_die_while_they_are_looked_at_do_no_harm(void **state)
{
	pthread_t threads[3];

	lead(getpid(), 0);
	stop = false;
	target = getpid();
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_all_the_time, NULL), 0);
	for (int i = 0; i < 150; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (i % 2)
				execl("/bin/true", "true", (char *)NULL);
			pause();
		}
		target = pid;
		usleep(2000);
		end(pid);
		assert_int_equal(caller_look(c, pid).tgid, 0);
	}
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

/* Reads what belongs to the policy: ASan finds one that was freed while it was in use. */
static void read_policy(void *arg, const struct facts *facts, struct policy_who *ret)
{
	ret->rules[0] = *(uint64_t *)arg;
}

static void test_a_policy_can_be_freed_when_the_next_one_is_set(void **state)
{
	uint64_t *old = malloc(sizeof(*old)), *next;
	pthread_t threads[3];

	*old = 1;
	lead(getpid(), 0);
	callers_set_classifier(c, ALL, read_policy, old);
	stop = false;
	target = getpid();
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_all_the_time, NULL), 0);
	for (uint64_t i = 2; i < 500; i++) {
		next = malloc(sizeof(*next));
		*next = i;
		callers_set_classifier(c, ALL, read_policy, next);
		free(old);
		old = next;
		assert_int_equal(caller_look(c, getpid()).who.rules[0], i);
	}
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	callers_set_classifier(c, 0, NULL, NULL);
	free(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_the_chain_leads_from_the_caller_to_the_leader),
		T(test_a_chain_that_does_not_fit_is_not_whole),
		T(test_only_the_command_of_a_session_is_the_leader_s_own_child),
		T(test_an_orphan_does_not_inherit_the_place_of_a_command_that_ended),
		T(test_a_parent_that_ends_leaves_a_gap_for_what_is_looked_at_later),
		T(test_a_new_process_sees_what_its_ancestors_run_now),
		T(test_facts_for_a_person_are_read_anew),
		T(test_who_gets_the_number_of_a_member_is_nobody),
		T(test_who_gets_the_number_of_a_parent_is_no_ancestor),
		T(test_processes_that_die_while_they_are_looked_at_do_no_harm),
		T(test_a_policy_can_be_freed_when_the_next_one_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
