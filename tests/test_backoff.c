#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/backoff.h"

#define SEC UINT64_C(1000000000)

static void test_the_wait_doubles_from_one_second_to_sixty(void **state)
{
	static const unsigned want[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
	struct backoff b = { 0 };
	uint64_t now = 5 * SEC;

	assert_int_equal(backoff_wait_sec(&b, now), 0);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		backoff_wrong(&b, now);
		assert_int_equal(backoff_wait_sec(&b, now), want[i]);
		assert_int_equal(backoff_wait_sec(&b, now + 1), want[i]); /* rounded up */
		now += want[i] * SEC - 1;
		assert_int_equal(backoff_wait_sec(&b, now), 1);
		assert_int_equal(backoff_wait_sec(&b, ++now), 0);
	}
}

static void test_a_right_one_forgets_the_wrong_ones(void **state)
{
	struct backoff b = { 0 };

	for (int i = 0; i < 5; i++)
		backoff_wrong(&b, 0);
	backoff_right(&b);
	assert_int_equal(backoff_wait_sec(&b, 0), 0);
	backoff_wrong(&b, 0);
	assert_int_equal(backoff_wait_sec(&b, 0), 1);
}

static void test_a_million_wrong_ones_are_still_sixty_seconds(void **state)
{
	struct backoff b = { 0 };

	for (int i = 0; i < 1000000; i++)
		backoff_wrong(&b, 0);
	assert_int_equal(backoff_wait_sec(&b, 0), BACKOFF_MAX_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_wait_doubles_from_one_second_to_sixty),
		cmocka_unit_test(test_a_right_one_forgets_the_wrong_ones),
		cmocka_unit_test(test_a_million_wrong_ones_are_still_sixty_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
