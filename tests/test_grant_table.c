/* How long an answer counts, how often, and the table of them. */
#include "grant_fixture.h"

static void test_what_is_over_is_over(void **state)
{
	struct grant x = to(GRANT_SESSION, true, whole(10, 5));

	x.until_ns = 60 * SEC;
	add(x);
	assert_int_equal(asked_for(whole(10, 5), MAY_READ, PATH, 60 * SEC - 1), GRANT_YES);
	assert_int_equal(asked_for(whole(10, 5), MAY_READ, PATH, 60 * SEC), GRANT_NONE);
	assert_null(grants_next(&g, 0, 60 * SEC));
	assert_int_equal(grants_revoke(&g, add(x), 60 * SEC), -ENOENT);
}

static void test_once_is_once_and_a_count_is_a_count(void **state)
{
	struct grant x = to(GRANT_PROCESS, true, runs(10, 5));

	x.left = 1;
	add(x);
	assert_int_equal(asked(runs(10, 5)), GRANT_YES);
	assert_int_equal(asked(runs(10, 5)), GRANT_NONE);
	x.left = 3;
	add(x);
	for (int i = 0; i < 3; i++)
		assert_int_equal(asked(runs(10, 5)), GRANT_YES);
	assert_int_equal(asked(runs(10, 5)), GRANT_NONE);
}

static void test_a_count_is_used_only_when_nothing_else_fits(void **state)
{
	struct grant counted = to(GRANT_PROCESS, true, whole(10, 5)), soon = counted;
	unsigned n;

	counted.left = soon.left = 1;
	soon.until_ns = 60 * SEC;
	add(counted);
	add(soon);
	n = add(to(GRANT_SESSION, true, whole(10, 5)));
	for (int i = 0; i < 5; i++)
		assert_int_equal(asked(whole(10, 5)), GRANT_YES);
	assert_int_equal(grants_revoke(&g, n, 0), 0);
	assert_int_equal(asked(whole(10, 5)), GRANT_YES); /* the one that would end first */
	assert_int_equal(asked_for(whole(10, 5), MAY_READ, PATH, 61 * SEC), GRANT_YES);
	assert_int_equal(asked(whole(10, 5)), GRANT_NONE);
}

static void test_a_count_is_of_what_is_opened(void **state)
{
	struct program cat = whole(10, 5);
	struct grant_request req = { &cat, true, 1, MAY_READ, PATH, 0, .again = true };
	struct grant by = { 0 }, x = to(GRANT_SESSION, true, cat);
	unsigned n;

	x.left = 2;
	n = add(x);
	assert_int_equal(grants_answer(&g, &req, &by), GRANT_NONE);
	assert_false(grants_know(&g, &req));
	req.again = false;
	for (unsigned left = 2; left; left--) {
		assert_int_equal(grants_answer(&g, &req, &by), GRANT_YES);
		assert_int_equal(by.number, n);
		assert_int_equal(by.left, left);
	}
	assert_int_equal(grants_answer(&g, &req, &by), GRANT_NONE);
}

static void test_what_is_revoked_counts_no_more(void **state)
{
	int first = add(to(GRANT_PROCESS, true, runs(10, 5)));
	int second = add(to(GRANT_PROCESS, true, runs(11, 5)));

	assert_int_equal(grants_revoke(&g, first, 0), 0);
	assert_int_equal(grants_revoke(&g, first, 0), -ENOENT);
	assert_int_equal(grants_revoke(&g, 0, 0), -ENOENT);
	assert_int_equal(asked(runs(10, 5)), GRANT_NONE);
	assert_int_equal(asked(runs(11, 5)), GRANT_YES);
	first = add(to(GRANT_PROGRAM, false, runs(12, 5)));
	assert_true(first > second); /* no number twice */
	assert_int_equal(grants_revoke(&g, first, 0), -EPERM);
	assert_int_equal(asked(runs(12, 5)), GRANT_NO);
	grants_forget(&g, first);
	assert_int_equal(asked(runs(12, 5)), GRANT_NONE);
}

static void test_a_list_is_in_the_order_of_the_numbers(void **state)
{
	const struct grant *x = NULL;
	unsigned seen = 0;

	for (int i = 0; i < 5; i++)
		add(to(GRANT_PROCESS, true, runs(10 + i, 5)));
	grants_revoke(&g, 2, 0);
	add(to(GRANT_PROCESS, false, runs(20, 5))); /* in the place of number 2 */
	for (unsigned after = 0; (x = grants_next(&g, after, 0)); after = x->number) {
		assert_true(x->number > after && x->number != 2);
		seen++;
	}
	assert_int_equal(seen, 5);
}

static void test_a_session_takes_its_answers_along(void **state)
{
	struct grant other = to(GRANT_SESSION, true, whole(10, 5));

	other.session = 2;
	add(to(GRANT_PROCESS, true, whole(10, 5)));
	add(to(GRANT_SESSION, true, whole(10, 5)));
	add(to(GRANT_PROGRAM, false, runs(12, 8)));
	add(other);
	grants_end_session(&g, 1);
	assert_int_equal(asked(whole(10, 5)), GRANT_NONE);
	assert_int_equal(in_session(whole(10, 5), 2), GRANT_YES);
	assert_int_equal(asked(runs(12, 8)), GRANT_NO); /* never is until the lock */
}

static void test_a_full_table_keeps_its_refusals(void **state)
{
	for (int i = 0; i < GRANTS_MAX; i++)
		assert_int_equal(add(to(GRANT_PROCESS, i < 2, runs(10 + i, 5))), i + 1);
	assert_int_equal(add(to(GRANT_PROCESS, true, runs(500, 5))), -ENOSPC);
	assert_int_equal(add(to(GRANT_PROCESS, false, runs(501, 5))), GRANTS_MAX + 1);
	assert_int_equal(asked(runs(10, 5)), GRANT_NONE); /* the oldest yes has given its place */
	assert_int_equal(asked(runs(11, 5)), GRANT_YES);
	assert_int_equal(asked(runs(12, 5)), GRANT_NO);
	assert_true(add(to(GRANT_PROCESS, false, runs(502, 5))) > 0);
	assert_int_equal(add(to(GRANT_PROCESS, false, runs(503, 5))), -ENOSPC);
}

/* Whoever lets many processes be refused does not get rid of what was said for ever. */
static void test_room_is_made_of_processes_and_never_of_a_never(void **state)
{
	add(to(GRANT_PROGRAM, false, runs(10, 5)));
	add(to(GRANT_SESSION, true, whole(11, 6)));
	for (int i = 2; i < GRANTS_MAX; i++)
		add(to(GRANT_PROCESS, false, runs(20 + i, 7)));
	assert_int_equal(asked(runs(22, 7)), GRANT_NO);
	assert_int_equal(grants_make_room(&g), 0);
	assert_int_equal(asked(runs(22, 7)), GRANT_NONE); /* the oldest of them */
	for (int i = 3; i < GRANTS_MAX; i++)
		assert_int_equal(grants_make_room(&g), 0);
	assert_int_equal(asked(whole(12, 6)), GRANT_YES);
	assert_int_equal(grants_make_room(&g), 0);
	assert_int_equal(asked(whole(12, 6)), GRANT_NONE);
	assert_int_equal(grants_make_room(&g), -ENOSPC);
	assert_int_equal(asked(runs(13, 5)), GRANT_NO);
}

static void test_what_names_nobody_is_not_taken(void **state)
{
	struct program script = hashed(runs(10, 5), 1);
	struct grant x;

	script.script.ino = 9;
	assert_int_equal(add(to(GRANT_PROCESS, true, (struct program){ .pid = 10 })), -EINVAL);
	assert_int_equal(add(to(GRANT_PROCESS, true, runs(10, 0))), -EINVAL);
	assert_int_equal(add(to(GRANT_PROCESS, true, runs(0, 5))), -EINVAL);
	assert_int_equal(add(to(GRANT_PROGRAM, true, runs(10, 5))), -EINVAL); /* no hash */
	assert_int_equal(add(to(GRANT_PROGRAM, true, script)), -EINVAL);
	assert_int_equal(add(to(GRANT_SESSION, true, runs(10, 5))), -EINVAL);
	x = to(GRANT_SESSION, true, whole(10, 5));
	x.session = 0;
	assert_int_equal(add(x), -EINVAL);
	x = to(GRANT_PROCESS, true, runs(10, 5));
	x.may = 0;
	assert_int_equal(add(x), -EINVAL);
	x.may = MAY_ALL + 1;
	assert_int_equal(add(x), -EINVAL);
	x.may = MAY_READ;
	memset(x.path, 'a', sizeof(x.path));
	assert_int_equal(add(x), -EINVAL);
	x = to(GRANT_PROCESS, false, runs(10, 5));
	x.left = 1;
	assert_int_equal(add(x), -EINVAL);
	assert_null(grants_next(&g, 0, 0));
}

static void test_of_whom_the_script_is_a_guess_a_yes_is_for_once(void **state)
{
	struct program guess = runs(10, 5);
	struct grant x;

	guess.doubt = true;
	assert_int_equal(add(to(GRANT_PROCESS, true, guess)), -EINVAL);
	x = to(GRANT_SESSION, true, guess);
	x.left = 1;
	assert_int_equal(add(x), -EINVAL);
	x.to = GRANT_PROCESS;
	x.left = 2;
	assert_int_equal(add(x), -EINVAL);
	x.left = 1;
	assert_true(add(x) > 0);
	assert_int_equal(asked(guess), GRANT_YES);
	assert_int_equal(asked(guess), GRANT_NONE);
	assert_true(add(to(GRANT_PROCESS, false, guess)) > 0); /* a no may be for long */
	assert_int_equal(asked(guess), GRANT_NO);
	assert_int_equal(asked(guess), GRANT_NO);
}

static void test_nothing_of_a_path_is_left(void **state)
{
	static const struct grants none;

	add(to(GRANT_PROCESS, true, runs(10, 5)));
	grants_revoke(&g, 1, 0);
	assert_memory_equal(&g.all, &none.all, sizeof(none.all));
	add(to(GRANT_PROCESS, true, runs(10, 5)));
	grants_clear(&g);
	assert_memory_equal(&g, &none, sizeof(none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(test_what_is_over_is_over),
		T(test_once_is_once_and_a_count_is_a_count),
		T(test_a_count_is_used_only_when_nothing_else_fits),
		T(test_a_count_is_of_what_is_opened),
		T(test_what_is_revoked_counts_no_more),
		T(test_a_list_is_in_the_order_of_the_numbers),
		T(test_a_session_takes_its_answers_along),
		T(test_a_full_table_keeps_its_refusals),
		T(test_room_is_made_of_processes_and_never_of_a_never),
		T(test_what_names_nobody_is_not_taken),
		T(test_of_whom_the_script_is_a_guess_a_yes_is_for_once),
		T(test_nothing_of_a_path_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
