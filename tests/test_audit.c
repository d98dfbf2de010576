/* What is noted: whatever happens, no verdict is lost. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tazfs/audit_ring.h"
#include "tests/audit_fixture.h"

/* --- noting ------------------------------------------------------------------------------------
 */

static void test_repeats_are_one_line_with_a_count(void **state)
{
	struct fixture *x = *state;
	struct sum s;

	start(x, NULL);
	for (int i = 0; i < 100; i++)
		note(x, "ssh/id");
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.lines, 3); /* the file, the view's start, and it */
	assert_int_equal(s.count[AUDIT_DENY], 100);
	assert_non_null(strstr(x->log, "\"count\":100,\"last\":\""));
	assert_non_null(strstr(x->log, "\"chain\":[{\"pid\":40,\"exe\":\"/usr/bin/bash\"}]"));
	whole(x);
}

static void test_another_caller_program_verdict_operation_or_file_is_another_line(void **state)
{
	struct fixture *x = *state;
	struct audit_record r = { .verdict = AUDIT_DENY, .op = "open", .path = "a", .pid = 7 };
	struct audit_record others[] = { r, r, r, r, r, r, r, r };

	others[0].pid = 8;
	others[1].start = 1; /* the same number, another process */
	others[2].program = 1;
	others[3].verdict = AUDIT_HIDE;
	others[4].op = "unlink";
	others[5].path = "b";
	others[6].to = "b";
	others[7].rule = 9;
	start(x, NULL);
	for (int round = 0; round < 2; round++) {
		audit_note(x->a, &r, NULL, NULL);
		for (int i = 0; i < 8; i++)
			audit_note(x->a, &others[i], NULL, NULL);
	}
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).lines, 2 + 9);
	assert_int_equal(sum(x).all, 18);
}

static void test_a_repeat_after_the_window_is_a_line_of_its_own(void **state)
{
	struct fixture *x = *state;
	struct audit_limits lim = { .window_ms = 20 };
	struct timespec more = { .tv_nsec = 30000000 };

	start(x, &lim);
	note(x, "a");
	nanosleep(&more, NULL);
	note(x, "a");
	note(x, "a");
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).lines, 4);
	assert_int_equal(sum(x).all, 3);
}

static unsigned described;

static void describe(struct audit_record *r, void *arg)
{
	described++;
	r->exe = arg;
	r->pid = 4711; /* the process of that thread */
}

static void test_the_caller_is_described_once_and_not_for_repeats(void **state)
{
	struct fixture *x = *state;
	struct audit_record r = { .verdict = AUDIT_ALLOW, .op = "open", .path = "a", .pid = 7 };

	described = 0;
	start(x, NULL);
	for (int i = 0; i < 50; i++)
		audit_note(x->a, &r, describe, "/opt/program");
	assert_int_equal(audit_flush(x->a), 0);
	read_log(x);
	assert_int_equal(described, 1);
	assert_non_null(strstr(x->log, "\"count\":50,"));
	assert_non_null(strstr(x->log, "\"pid\":4711,\"exe\":\"/opt/program\""));
}

static void test_without_a_decision_nothing_is_written(void **state)
{
	struct fixture *x = *state;

	start(x, NULL);
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(audit_end(x->a), 0);
	assert_int_equal(size_of(x, "audit.log"), -1);
	assert_int_equal(size_of(x, "audit.key"), -1);
}

static void test_names_of_any_bytes_and_length_are_kept(void **state)
{
	struct fixture *x = *state;
	char *path = malloc(4096);

	start(x, NULL);
	note(x, "new\nline \"quoted\" \\ \x1b[2J");
	note(x, "\xff\xfe");
	memset(path, 0xff, 4095);
	path[4095] = '\0';
	note(x, path);
	free(path);
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).lines, 5);
	assert_non_null(
		strstr(x->log, "\"path\":\"new\\\\x0aline \\\"quoted\\\" \\\\\\\\ \\\\x1b[2J\""));
	whole(x);
}

static void test_the_main_thread_is_asked_when_memory_is_half_full(void **state)
{
	struct fixture *x = *state;
	struct pollfd p = { .events = POLLIN };

	start(x, &small);
	p.fd = audit_fd(x->a);
	for (unsigned i = 0; i < 100; i++)
		note_number(x, 41, i);
	assert_int_equal(poll(&p, 1, 0), 0);
	for (unsigned i = 100; i < 900; i++)
		note_number(x, 41, i);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(sum(x).all, 900);
}

#define THREADS	   4
#define PER_THREAD 250000U

struct noter {
	struct fixture *x;
	uint32_t pid;
};

/* Mostly repeats, as of programs; many files, as of a search. */
static void *note_many(void *arg)
{
	struct noter *n = arg;

	for (unsigned i = 0; i < PER_THREAD; i++)
		if (i % 4)
			note_as(n->x, n->pid, i % 8 == 1 ? AUDIT_DENY : AUDIT_ALLOW, "kube/config");
		else
			note_number(n->x, n->pid + i % 3, i);
	return NULL;
}

static void test_of_a_million_decisions_of_four_threads_none_is_lost(void **state)
{
	struct fixture *x = *state;
	struct audit_limits lim = { .file_bytes = LOG_MAX / 2, .per_process = 3000 };
	pthread_t threads[THREADS];
	struct noter noters[THREADS];
	struct pollfd p = { .events = POLLIN };
	struct sum s;

	start(x, &lim);
	p.fd = audit_fd(x->a);
	for (uint32_t i = 0; i < THREADS; i++) {
		noters[i] = (struct noter){ .x = x, .pid = 100 * (i + 1) };
		assert_int_equal(pthread_create(&threads[i], NULL, note_many, &noters[i]), 0);
	}
	for (int i = 0; i < 50; i++)
		if (poll(&p, 1, 20) > 0)
			assert_int_equal(audit_flush(x->a), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(audit_end(x->a), 0);
	s = sum(x);
	assert_int_equal(s.all, THREADS * PER_THREAD);
	assert_int_equal(s.count[AUDIT_DENY], THREADS * PER_THREAD / 8);
	assert_int_equal(s.events[AUDIT_END], 1);
	whole(x);
}

/* After one refusal, @n decisions that are no repeats, each of another process when @many. */
static void outlasts(struct fixture *x, unsigned per_process, unsigned n, bool many,
		     uint64_t max_lines)
{
	struct audit_limits lim = { .file_bytes = AUDIT_FILE_BYTES_MIN,
				    .per_process = per_process };
	struct sum s;

	start(x, &lim);
	note(x, "evidence");
	for (unsigned i = 0; i < n; i++) {
		note_number(x, many ? 1000 + i : 66, i);
		if (i % (n / 100) == 0)
			assert_int_equal(audit_flush(x->a), 0);
	}
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.all, n + 1);
	assert_true(s.lines < max_lines);
	assert_non_null(strstr(x->log, "\"path\":\"evidence\""));
	assert_int_equal(size_of(x, "audit.1"), -1);
	whole(x);
}

static void test_one_process_cannot_push_the_others_out(void **state)
{
	outlasts(*state, 100, 100000, false, 400);
}

static void test_many_processes_of_one_program_cannot_either(void **state)
{
	outlasts(*state, 40, 50000, true, 600);
}

static void test_what_was_only_noted_is_never_counted_as_refused(void **state)
{
	struct fixture *x = *state;
	struct audit_record r = { .verdict = AUDIT_DENY, .op = "open", .path = "a" };
	char path[32];

	start(x, &small);
	r.path = path;
	for (uint32_t i = 0; i < 6000; i++) {
		snprintf(path, sizeof(path), "file-%u", i);
		r.pid = 1000 + i;
		r.program = i;
		r.by = i % 3 ? AUDIT_BY_RULE : AUDIT_BY_NOBODY;
		audit_note(x->a, &r, NULL, NULL);
	}
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).all, 6000);
	assert_int_equal(sum(x).events[AUDIT_REST], 2);
	assert_non_null(
		strstr(x->log, "\"event\":\"rest\",\"verdict\":\"deny\",\"by\":\"audit-only\""));
	assert_int_equal(sum(x).audit_only, 2000);
}

static void test_words_are_kept_when_memory_is_full(void **state)
{
	struct fixture *x = *state;

	start(x, &small);
	for (uint32_t i = 0; i < 9000; i++) {
		struct audit_record r = {
			.verdict = AUDIT_DENY, .op = "open", .path = "a", .pid = i + 1, .program = i
		};

		audit_note(x->a, &r, NULL, NULL);
	}
	audit_say(x->a, "the policy was replaced");
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).events[AUDIT_NOTE], 1);
	assert_int_equal(sum(x).all, 9000);
}

/* The main thread does nothing for a while. */
static void test_what_has_no_room_is_counted_by_process_then_by_verdict(void **state)
{
	struct fixture *x = *state;
	struct sum s;

	start(x, &small);
	for (unsigned i = 0; i < 5000; i++)
		note_number(x, 66, i);
	for (uint32_t i = 0; i < 5000; i++) {
		struct audit_record r = { .verdict = AUDIT_DENY,
					  .op = "open",
					  .path = "ssh/id",
					  .pid = 1000 + i,
					  .program = i };

		audit_note(x->a, &r, NULL, NULL);
	}
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.count[AUDIT_ALLOW], 5000);
	assert_int_equal(s.count[AUDIT_DENY], 5000);
	assert_int_equal(s.events[AUDIT_REST], 1);
	assert_non_null(strstr(x->log, "\"event\":\"rest\",\"verdict\":\"deny\",\"count\":"));
	whole(x);
}

static void test_what_is_noted_can_be_seen_before_it_is_written(void **state)
{
	struct fixture *x = *state;
	static char buf[65536];
	uint64_t since = 0;
	ssize_t n;

	start(x, NULL);
	assert_int_equal(audit_recent(x->a, &since, buf, sizeof(buf)), 0);
	note(x, "a");
	note(x, "b");
	n = audit_recent(x->a, &since, buf, sizeof(buf));
	assert_true(n > 0 && buf[n - 1] == '\n');
	buf[n] = '\0';
	assert_true(strstr(buf, "\"path\":\"a\"") < strstr(buf, "\"path\":\"b\""));
	assert_int_equal(audit_recent(x->a, &since, buf, sizeof(buf)), 0);
	note(x, "a");
	assert_int_equal(audit_flush(x->a), 0); /* written, and still there */
	n = audit_recent(x->a, &since, buf, sizeof(buf));
	buf[n] = '\0';
	assert_non_null(strstr(buf, "\"path\":\"a\",\"count\":2"));
	assert_null(strstr(buf, "\"path\":\"b\""));
	since = 0; /* a piece at a time */
	assert_int_equal(audit_recent(x->a, &since, buf, 100), -ENOSPC);
	for (int i = 0; i < 2; i++)
		assert_true(audit_recent(x->a, &since, buf, 400) > 0);
	assert_int_equal(audit_recent(x->a, &since, buf, 400), 0);
}

static void test_words_are_a_line_too_and_nothing_is_taken_after_the_end(void **state)
{
	struct fixture *x = *state;
	struct sum s;

	start(x, NULL);
	audit_say(x->a, "the policy was replaced");
	assert_int_equal(audit_end(x->a), 0);
	note(x, "late");
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.lines, 4);
	assert_non_null(strstr(x->log, "\"event\":\"note\",\"text\":\"the policy was replaced\""));
}

static void test_nothing_of_it_is_left_in_memory_after_the_end(void **state)
{
	struct audit_ring g;
	struct audit_record r = {
		.verdict = AUDIT_DENY, .op = "open", .path = "marker", .count = 1
	};

	assert_int_equal(audit_ring_init(&g), 0);
	assert_true(audit_ring_add(&g, &r, 1));
	assert_non_null(memmem(g.mem, AUDIT_RING_BYTES, "marker", 6));
	audit_ring_clear(&g);
	assert_null(memmem(g.mem, AUDIT_RING_BYTES, "marker", 6));
	audit_ring_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_repeats_are_one_line_with_a_count),
		T(test_another_caller_program_verdict_operation_or_file_is_another_line),
		T(test_a_repeat_after_the_window_is_a_line_of_its_own),
		T(test_the_caller_is_described_once_and_not_for_repeats),
		T(test_without_a_decision_nothing_is_written),
		T(test_names_of_any_bytes_and_length_are_kept),
		T(test_the_main_thread_is_asked_when_memory_is_half_full),
		T(test_of_a_million_decisions_of_four_threads_none_is_lost),
		T(test_one_process_cannot_push_the_others_out),
		T(test_many_processes_of_one_program_cannot_either),
		T(test_what_was_only_noted_is_never_counted_as_refused),
		T(test_words_are_kept_when_memory_is_full),
		T(test_what_has_no_room_is_counted_by_process_then_by_verdict),
		T(test_what_is_noted_can_be_seen_before_it_is_written),
		T(test_words_are_a_line_too_and_nothing_is_taken_after_the_end),
		T(test_nothing_of_it_is_left_in_memory_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
