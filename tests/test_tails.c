/* The set of blocks that the page cache below may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tazfs/tails.h"

static void test_an_empty_set_has_nothing(void **state)
{
	struct tails t = { 0 };

	assert_false(tails_have(&t, 0));
	tails_cut(&t, 0);
	tails_done(&t);
}

static void test_blocks_that_follow_each_other_are_one_run(void **state)
{
	struct tails t = { 0 };

	for (uint64_t i = 10; i < 1000; i++)
		assert_int_equal(tails_add(&t, i), 0);
	assert_int_equal(t.n, 1);
	assert_false(tails_have(&t, 9));
	assert_true(tails_have(&t, 10));
	assert_true(tails_have(&t, 999));
	assert_false(tails_have(&t, 1000));
	tails_done(&t);
}

static void test_a_gap_that_is_filled_joins_its_neighbours(void **state)
{
	struct tails t = { 0 };
	static const uint64_t order[] = { 8, 2, 4, 6, 0, 3, 5, 7, 1 };

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		assert_int_equal(tails_add(&t, order[i]), 0);
		assert_int_equal(tails_add(&t, order[i]), 0);
		for (size_t k = 0; k < sizeof(order) / sizeof(*order); k++)
			assert_int_equal(tails_have(&t, order[k]), k <= i);
	}
	assert_int_equal(t.n, 1);
	assert_int_equal(t.runs[0].count, 9);
	tails_done(&t);
}

static void test_a_cut_forgets_what_is_behind_it_and_nothing_else(void **state)
{
	struct tails t = { 0 };

	tails_add(&t, 1);
	for (uint64_t i = 5; i < 9; i++)
		tails_add(&t, i);
	tails_add(&t, UINT64_MAX / 4096);
	tails_cut(&t, 7);
	assert_true(tails_have(&t, 1));
	assert_true(tails_have(&t, 6));
	assert_false(tails_have(&t, 7));
	assert_int_equal(t.n, 2);
	tails_cut(&t, 5);
	assert_int_equal(t.n, 1);
	tails_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_set_has_nothing),
		cmocka_unit_test(test_blocks_that_follow_each_other_are_one_run),
		cmocka_unit_test(test_a_gap_that_is_filled_joins_its_neighbours),
		cmocka_unit_test(test_a_cut_forgets_what_is_behind_it_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
