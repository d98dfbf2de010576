/* A rule that asks: what is parked, who is asked how often, and what an answer is worth. */
#include "asked.h"

#include <pthread.h>
#include <signal.h>

static void test_an_answer_decides_and_no_other_process_has_it(void **state)
{
	in_force(ASKS);
	assert_int_equal(asked(read_it, "kube/config", QUESTION_ONCE), 0);
	assert_string_equal(got.put.q.path, "kube/config");
	assert_int_equal(got.put.q.may, 1);
	assert_int_equal(question_check(&got.put.q), 0);
	assert_int_equal(asked(read_it, "kube/config", QUESTION_NO), -EACCES);
	assert_int_equal(asked(write_it, "kube/config", QUESTION_PROCESS), 0);
	assert_int_equal(asked(create_it, "kube/new", QUESTION_ONCE), 0);
	assert_int_equal(asked(delete_it, "kube/new", QUESTION_NO), -EACCES);
	assert_int_equal(asked(delete_it, "kube/new", QUESTION_ONCE), 0);
	/* What is not asked about is as before, and nobody outside is asked about. */
	assert_int_equal(member(read_it, "ssh/id"), 0);
	assert_int_equal(as(OUTSIDER, read_it, (void *)path_in(&f, "kube/config")), -EACCES);
	assert_false(question_within(100));
}

static int twice(void *path)
{
	int first = read_it(path), second = read_it(path);

	return first ? first : second;
}

static int write_after_read(void *path)
{
	int r = read_it(path);

	return r ? r : write_it(path);
}

static void test_once_is_once_and_a_process_goes_on(void **state)
{
	int done;
	pid_t pid;

	in_force(ASKS);
	pid = start(twice, "kube/config", &done);
	assert_true(question_within(5000));
	answer(QUESTION_ONCE);
	assert_true(question_within(5000));
	answer(QUESTION_NO);
	assert_int_equal(end(pid, done), -EACCES);

	assert_int_equal(asked(twice, "kube/config", QUESTION_PROCESS), 0);
	/* And only for what it was asked about. */
	pid = start(write_after_read, "kube/config", &done);
	assert_true(question_within(5000));
	answer(QUESTION_PROCESS);
	assert_true(question_within(5000));
	assert_int_equal(got.put.q.may, 2);
	answer(QUESTION_NO);
	assert_int_equal(end(pid, done), -EACCES);
}

static void test_nobody_to_ask_is_no_and_is_asked_again(void **state)
{
	in_force(ASKS);
	assert_int_equal(asked(read_it, "kube/config", QUESTION_NOBODY), -EACCES);
	assert_int_equal(asked(read_it, "kube/config", QUESTION_ONCE), 0);
}

static void test_never_holds_for_the_program(void **state)
{
	in_force(ASKS);
	assert_int_equal(asked(read_it, "kube/config", QUESTION_NEVER), -EACCES);
	assert_int_equal(member(read_it, "kube/config"), -EACCES);
	assert_false(question_within(100));
}

/* --- answers for more than a process ---------------------------------------------------------- */

static void test_a_yes_to_the_session_is_for_that_program_in_it(void **state)
{
	char copy[128];

	in_force(ASKS);
	snprintf(copy, sizeof(copy), "%s/copy", f.dir);
	copy_program(CAT, copy);
	assert_int_equal(run_cat(CAT, NULL, QUESTION_SESSION), QUESTION_OFFERS);
	for (int i = 0; i < 3; i++)
		assert_int_equal(run_cat(CAT, NULL, 0), UNASKED);
	/* Another file, another file's name, another operation, and code that it was made to load.
	 */
	assert_int_equal(run_cat(copy, NULL, QUESTION_NO), QUESTION_OFFERS);
	assert_int_equal(asked(write_it, "kube/config", QUESTION_NO), -EACCES);
	assert_int_equal(run_cat(CAT, UNCLEAN, QUESTION_NO), 0);
	assert_int_equal(run_cat(CAT, NULL, 0), UNASKED);
}

/* The question is one of them; and with reads that are decided again each open is still one. */
static void test_so_many_times_is_so_many_opens(void **state)
{
	static const char *const policies[] = { ASKS, "recheck-always\n" ASKS };

	for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
		in_force(policies[i]);
		assert_int_equal(run_cat(CAT, NULL, QUESTION_TIMES + 3), QUESTION_OFFERS);
		assert_int_equal(run_cat(CAT, UNCLEAN, QUESTION_NO), 0); /* is none of them */
		for (int n = 0; n < 2; n++)
			assert_int_equal(run_cat(CAT, NULL, 0), UNASKED);
		assert_int_equal(run_cat(CAT, NULL, QUESTION_NO), QUESTION_OFFERS);
	}
}

/* Whoever is first: the other one is asked about. Six questions a minute are all there are. */
static void test_two_at_once_do_not_share_the_last_time(void **state)
{
	in_force(ASKS);
	for (int round = 0; round < 3; round++) {
		int done[2], allowed = 0;
		pid_t pid[2];

		assert_int_equal(run_cat(CAT, NULL, QUESTION_TIMES + 2), QUESTION_OFFERS);
		for (int i = 0; i < 2; i++)
			pid[i] = start_cat(CAT, NULL, &done[i]);
		assert_true(question_within(5000));
		answer(QUESTION_NO);
		for (int i = 0; i < 2; i++)
			allowed += end(pid[i], done[i]) == 0;
		assert_int_equal(allowed, 1);
	}
}

static void test_a_yes_to_the_hash_is_for_its_copies_and_no_other_program(void **state)
{
	char copy[128];

	in_force(ASKS);
	snprintf(copy, sizeof(copy), "%s/copy", f.dir);
	copy_program(CAT, copy);
	assert_int_equal(run_cat(CAT, NULL, QUESTION_PROGRAM), QUESTION_OFFERS);
	assert_int_equal(run_cat(copy, NULL, 0), UNASKED);
	assert_int_equal(run_cat(copy, UNCLEAN, QUESTION_NO), 0);
	copy_program("/usr/bin/head", copy); /* the same file by now */
	assert_int_equal(run_cat(copy, NULL, QUESTION_NO), QUESTION_OFFERS);
}

static void test_never_is_for_its_copies_too(void **state)
{
	char copy[128];

	in_force(ASKS);
	snprintf(copy, sizeof(copy), "%s/copy", f.dir);
	copy_program(CAT, copy);
	run_cat(CAT, NULL, QUESTION_NEVER);
	assert_int_equal(run_cat(copy, NULL, -EACCES), UNASKED);
	assert_int_equal(run_cat(copy, UNCLEAN, -EACCES), UNASKED);
}

static void test_an_answer_that_was_not_offered_is_no(void **state)
{
	in_force(ASKS);
	assert_int_equal(run_cat(CAT, UNCLEAN, QUESTION_PROGRAM), 0);
	assert_int_equal(run_cat(CAT, NULL, QUESTION_ANSWERS), QUESTION_OFFERS);
	assert_int_equal(run_cat(CAT, NULL, QUESTION_NO), QUESTION_OFFERS);
	assert_int_equal(run_cat("/usr/bin/dash", NULL, QUESTION_SESSION), 0);
}

/* A script is known by its file, and only as long as that is what it was. */
static void test_an_interpreter_gets_no_hash_and_its_script_a_session(void **state)
{
	char script[128], text[256];

	in_force(ASKS);
	snprintf(script, sizeof(script), "%s/script", f.dir);
	snprintf(text, sizeof(text), "#!/usr/bin/dash\n: <\"$1\"\n");
	assert_int_equal(write_file(script, text), 0);
	assert_int_equal(chmod(script, 0755), 0);
	assert_int_equal(run_cat(script, NULL, QUESTION_SESSION), QUESTION_OFFERS_SESSION);
	assert_int_equal(run_cat(script, NULL, 0), UNASKED);
	usleep(20000); /* the kernel's clock for files has steps */
	assert_int_equal(write_file(script, text), 0);
	assert_int_equal(run_cat(script, NULL, QUESTION_PROGRAM), QUESTION_OFFERS_SESSION);
	assert_int_equal(run_cat(script, NULL, QUESTION_NO), QUESTION_OFFERS_SESSION);
}

enum { SOME = 5 };

/* Each would have been a question; one answer is for all that wait. */
static void test_what_waits_behind_a_question_is_not_asked_when_that_has_settled_it(void **state)
{
	static const struct {
		uint32_t said;
		int result;
	} answers[] = { { QUESTION_SESSION, 0 }, { QUESTION_NEVER, -EACCES } };

	in_force(ASKS);
	for (size_t a = 0; a < 2; a++) {
		const char *cat = a ? "/usr/bin/head" : CAT;
		int done[SOME];
		pid_t pid[SOME];

		for (int i = 0; i < SOME; i++)
			pid[i] = start_cat(cat, NULL, &done[i]);
		assert_true(question_within(5000));
		usleep(500000);
		answer(answers[a].said);
		assert_false(question_within(500));
		for (int i = 0; i < SOME; i++)
			assert_int_equal(end(pid[i], done[i]), answers[a].result);
	}
}

#define MANY 24

static int read_often(void *path)
{
	int r = -EINVAL;

	for (int i = 0; i < 200; i++)
		r = read_it(path);
	return r;
}

static void *read_thread(void *path)
{
	return read_it(path) == -EACCES ? NULL : path;
}

static int read_by_threads(void *path)
{
	pthread_t threads[MANY];
	void *bad = NULL;
	int r = 0;

	for (int i = 0; i < MANY; i++)
		if (pthread_create(&threads[i], NULL, read_thread, path))
			return -EAGAIN;
	for (int i = 0; i < MANY; i++) {
		pthread_join(threads[i], &bad);
		r |= bad ? -EILSEQ : 0;
	}
	return r;
}

/* More requests wait than the view has workers, and others are answered all the while. */
static void test_many_that_want_the_same_are_one_question_and_hold_up_nobody(void **state)
{
	int done;
	pid_t pid;

	in_force(ASKS);
	pid = start(read_by_threads, "kube/config", &done);
	assert_true(question_within(5000));
	usleep(300000);
	assert_int_equal(member(read_it, "ssh/id"), 0);
	assert_int_equal(member(write_it, "note"), 0);
	answer(QUESTION_NO);
	assert_int_equal(end(pid, done), 0);
	assert_false(question_within(100));
	assert_int_equal(asked(read_often, "kube/config", QUESTION_NO), -EACCES);
	assert_false(question_within(100));
}

/* One at a time at the terminal, and not too many of them. */
static void test_a_flood_of_processes_is_few_questions(void **state)
{
	int done[MANY], asks = 0;
	pid_t pid[MANY];

	in_force(ASKS);
	for (int i = 0; i < MANY; i++)
		pid[i] = start(read_it, "kube/config", &done[i]);
	while (question_within(1000)) {
		assert_false(question_within(50));
		asks++;
		answer(QUESTION_NO);
	}
	assert_int_equal(asks, 6);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(end(pid[i], done[i]), -EACCES);
}

static void test_a_process_that_is_killed_waits_for_no_answer(void **state)
{
	uint32_t id;
	int done;
	pid_t pid;

	in_force(ASKS);
	pid = start(read_it, "kube/config", &done);
	assert_true(question_within(5000));
	id = got.put.id;
	kill(pid, SIGKILL);
	assert_true(question_within(2000));
	assert_int_equal(got.put.id, id);
	assert_true(got.put.over);
	close(done);
	run_wait(pid);
	/* An answer that comes too late is nobody's. */
	answer(QUESTION_PROCESS);
	assert_int_equal(asked(read_it, "kube/config", QUESTION_NO), -EACCES);
}

static void test_a_lock_waits_for_no_answer(void **state)
{
	uint64_t began;
	int done;
	pid_t pid;

	in_force(ASKS);
	pid = start(create_it, "kube/other", &done);
	assert_true(question_within(5000));
	began = io_boottime_ns();
	fixture_send(&f, VIEW_LOCK);
	assert_int_equal(child_result(done), -EACCES);
	assert_true(io_boottime_ns() - began < 1000000000ULL);
	run_wait(pid);
}

static void test_to_be_asked_is_no_use_of_the_vault(void **state)
{
	struct view_idle idle = { 0 };
	uint64_t began;
	int done;
	pid_t pid;

	in_force(ASKS);
	pid = start(read_it, "kube/config", &done);
	assert_true(question_within(5000));
	began = io_boottime_ns(); /* the way to the file was looked up before */
	answer(QUESTION_NO);
	assert_int_equal(end(pid, done), -EACCES);
	fixture_send(&f, VIEW_ASK_IDLE);
	while (idle.op != VIEW_IDLE)
		assert_true(msg_recv(f.keeper, &idle, sizeof(idle), NULL, 0) > 0);
	assert_true(idle.last_ns < began);
}

static int read_four_times(void *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	for (int i = 0; i < 4; i++)
		if (fd < 0 || pread(fd, &c, 1, 0) != 1)
			return -errno;
	return 0;
}

static void test_where_reads_are_decided_again_once_is_for_what_was_opened(void **state)
{
	in_force("recheck-always\n" ASKS);
	assert_int_equal(asked(read_four_times, "kube/config", QUESTION_ONCE), 0);
	assert_false(question_within(100));
}

static void test_what_cannot_wait_is_refused_and_not_asked_about(void **state)
{
	in_force("ask session - **\n");
	assert_int_equal(member(list_it, "ssh"), -EACCES);
	assert_false(question_within(100));
}

static int move_onto_ours(void *arg)
{
	return rename(path_in(&f, "tmp"), path_in(&f, ".tazfs")) < 0 ? -errno : 0;
}

/* Nobody gets it, whatever a person would say. */
static void test_what_is_the_views_own_is_not_asked_about(void **state)
{
	in_force("ask session - .tazfs .tazfs/**\nallow session - **\n");
	assert_int_equal(member(create_it, ".tazfs"), -EACCES);
	assert_int_equal(member(stat_it, ".tazfs"), -ENOENT);
	assert_int_equal(member(read_it, ".tazfs/policy"), -ENOENT);
	assert_int_equal(as(MEMBER, move_onto_ours, NULL), -EACCES);
	assert_false(question_within(300));
}

static void test_no_answer_is_no(void **state)
{
	uint64_t began = io_boottime_ns();
	uint32_t id;
	int done;
	pid_t pid;

	in_force(ASKS);
	pid = start(read_it, "kube/config", &done);
	assert_true(question_within(5000));
	id = got.put.id;
	for (int i = 0; i < 20; i++) { /* the keeper is alive */
		fixture_send(&f, VIEW_PULSE);
		if (question_within(2000))
			break;
	}
	assert_true(got.put.over);
	assert_int_equal(got.put.id, id);
	assert_int_equal(end(pid, done), -EACCES);
	assert_in_range((io_boottime_ns() - began) / 1000000000, QUESTION_SEC, QUESTION_SEC + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_answer_decides_and_no_other_process_has_it),
		T(test_once_is_once_and_a_process_goes_on),
		T(test_nobody_to_ask_is_no_and_is_asked_again),
		T(test_never_holds_for_the_program),
		T(test_a_yes_to_the_session_is_for_that_program_in_it),
		T(test_so_many_times_is_so_many_opens),
		T(test_two_at_once_do_not_share_the_last_time),
		T(test_a_yes_to_the_hash_is_for_its_copies_and_no_other_program),
		T(test_never_is_for_its_copies_too),
		T(test_an_answer_that_was_not_offered_is_no),
		T(test_an_interpreter_gets_no_hash_and_its_script_a_session),
		T(test_what_waits_behind_a_question_is_not_asked_when_that_has_settled_it),
		T(test_many_that_want_the_same_are_one_question_and_hold_up_nobody),
		T(test_a_flood_of_processes_is_few_questions),
		T(test_a_process_that_is_killed_waits_for_no_answer),
		T(test_a_lock_waits_for_no_answer),
		T(test_to_be_asked_is_no_use_of_the_vault),
		T(test_where_reads_are_decided_again_once_is_for_what_was_opened),
		T(test_what_cannot_wait_is_refused_and_not_asked_about),
		T(test_what_is_the_views_own_is_not_asked_about),
		T(test_no_answer_is_no),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
