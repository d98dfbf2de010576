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

static void test_a_caller_without_a_number_is_refused_whatever_else_is_true(void **state)
{
	const struct givens all = { .everyone = true };
	struct caller c = member;

	c.tid = 0;
	assert_int_equal(decide(&c, &all), ADMIT_NOBODY);
	c.tid = -1;
	assert_int_equal(decide(&c, &all), ADMIT_NOBODY);
}

/* A view without a thread of our own (0) must not take "nobody" for it. */
static void test_nobody_is_not_our_own_thread(void **state)
{
	const struct givens p = { .self = 0 };
	const struct caller nobody = { 0 };

	assert_int_equal(decide(&nobody, &p), ADMIT_NOBODY);
}

static void test_our_own_thread_is_allowed_and_only_that_one(void **state)
{
	const struct givens p = { .self = 12 };
	const struct caller own = { .tid = 12 }, other = { .tid = 13, .tgid = 12 };

	assert_int_equal(decide(&own, &p), ADMIT_SELF);
	assert_int_equal(decide(&other, &p), ADMIT_NOBODY);
}

static void test_a_member_is_left_to_the_policy(void **state)
{
	const struct givens p = { 0 };

	assert_int_equal(decide(&member, &p), ADMIT_CALLER);
}

static void test_who_is_in_no_session_is_refused(void **state)
{
	const struct givens p = { 0 };
	struct caller c = member;

	c.session = 0;
	assert_int_equal(decide(&c, &p), ADMIT_NOBODY);
}

static void test_a_process_that_could_not_be_found_out_is_refused(void **state)
{
	const struct givens p = { 0 };
	struct caller c = member;

	c.tgid = 0;
	assert_int_equal(decide(&c, &p), ADMIT_NOBODY);
}

static void test_everyone_with_a_number_is_left_to_the_policy(void **state)
{
	const struct givens p = { .everyone = true };
	const struct caller c = { .tid = 5 };

	assert_int_equal(decide(&c, &p), ADMIT_CALLER);
}

static void test_a_member_that_somebody_outside_could_trace_is_refused(void **state)
{
	struct caller c = member;
	struct givens p = { 0 };

	assert_int_equal(decide(&c, &p), ADMIT_CALLER);
	c.open = true;
	assert_int_equal(decide(&c, &p), ADMIT_NOBODY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_member_that_somebody_outside_could_trace_is_refused),
		cmocka_unit_test(test_a_caller_without_a_number_is_refused_whatever_else_is_true),
		cmocka_unit_test(test_nobody_is_not_our_own_thread),
		cmocka_unit_test(test_our_own_thread_is_allowed_and_only_that_one),
		cmocka_unit_test(test_a_member_is_left_to_the_policy),
		cmocka_unit_test(test_who_is_in_no_session_is_refused),
		cmocka_unit_test(test_a_process_that_could_not_be_found_out_is_refused),
		cmocka_unit_test(test_everyone_with_a_number_is_left_to_the_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
