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

#include "tazfs/decide.h"

static const struct caller member = { .tid = 12, .tgid = 10, .start = 1, .session = 3 };

static void test_a_caller_without_a_number_is_denied_whatever_else_is_true(void **state)
{
	const struct policy all = { .everyone = true };
	struct caller c = member;

	c.tid = 0;
	assert_int_equal(decide(&c, &all), VERDICT_DENY);
	c.tid = -1;
	assert_int_equal(decide(&c, &all), VERDICT_DENY);
}

/* A policy without a thread of our own (0) must not take "nobody" for it. */
static void test_nobody_is_not_our_own_thread(void **state)
{
	const struct policy p = { .self = 0 };
	const struct caller nobody = { 0 };

	assert_int_equal(decide(&nobody, &p), VERDICT_DENY);
}

static void test_our_own_thread_is_allowed_and_only_that_one(void **state)
{
	const struct policy p = { .self = 12 };
	const struct caller own = { .tid = 12 }, other = { .tid = 13, .tgid = 12 };

	assert_int_equal(decide(&own, &p), VERDICT_ALLOW);
	assert_int_equal(decide(&other, &p), VERDICT_DENY);
}

static void test_a_member_is_allowed(void **state)
{
	const struct policy p = { 0 };

	assert_int_equal(decide(&member, &p), VERDICT_ALLOW);
}

static void test_who_is_in_no_session_is_denied(void **state)
{
	const struct policy p = { 0 };
	struct caller c = member;

	c.session = 0;
	assert_int_equal(decide(&c, &p), VERDICT_DENY);
}

static void test_a_process_that_could_not_be_found_out_is_denied(void **state)
{
	const struct policy p = { 0 };
	struct caller c = member;

	c.tgid = 0;
	assert_int_equal(decide(&c, &p), VERDICT_DENY);
}

static void test_everyone_means_everyone_with_a_number(void **state)
{
	const struct policy p = { .everyone = true };
	const struct caller c = { .tid = 5 };

	assert_int_equal(decide(&c, &p), VERDICT_ALLOW);
}

static void test_a_member_that_somebody_outside_could_trace_is_denied(void **state)
{
	struct caller c = member;
	struct policy p = { 0 };

	assert_int_equal(decide(&c, &p), VERDICT_ALLOW);
	c.open = true;
	assert_int_equal(decide(&c, &p), VERDICT_DENY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_member_that_somebody_outside_could_trace_is_denied),
		cmocka_unit_test(test_a_caller_without_a_number_is_denied_whatever_else_is_true),
		cmocka_unit_test(test_nobody_is_not_our_own_thread),
		cmocka_unit_test(test_our_own_thread_is_allowed_and_only_that_one),
		cmocka_unit_test(test_a_member_is_allowed),
		cmocka_unit_test(test_who_is_in_no_session_is_denied),
		cmocka_unit_test(test_a_process_that_could_not_be_found_out_is_denied),
		cmocka_unit_test(test_everyone_means_everyone_with_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
