#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tazfs/durable.h"

static struct durable d;
static struct durable_item a, b, c;
static uint64_t asked; /* of the keeper */
static unsigned n_asked;
static bool asked_changed;

static void ask(void *arg, uint64_t seq, bool changed)
{
	asked = seq;
	asked_changed = changed;
	n_asked++;
}

static int setup(void **state)
{
	durable_init(&d);
	a = b = c = (struct durable_item){ 0 };
	asked = n_asked = 0;
	return 0;
}

static int wait_for(struct durable_item *item, bool changed)
{
	return durable_wait(&d, item, changed, ask, NULL);
}

static struct durable_item *synced(uint64_t seq, int err)
{
	return durable_synced(&d, seq, err, ask, NULL);
}

/* As after a save that went well. */
static void be_clean(void)
{
	assert_null(synced(durable_quiesced(&d), 0));
}

static void test_nobody_knows_at_first_so_the_keeper_is_asked(void **state)
{
	assert_int_equal(wait_for(&a, false), 1);
	assert_int_equal(asked, 1);
	assert_false(asked_changed);
	assert_ptr_equal(synced(1, 0), &a);
	assert_int_equal(a.err, 0);
	assert_int_equal(wait_for(&a, false), 0); /* from now on it is known */
}

static void test_a_clean_fsync_is_answered_at_once(void **state)
{
	be_clean();
	assert_int_equal(wait_for(&a, false), 0);
	assert_int_equal(n_asked, 0);
}

static void test_all_that_came_before_share_one_save_and_the_later_one_the_next(void **state)
{
	be_clean();
	assert_int_equal(wait_for(&a, true), 1);
	assert_int_equal(wait_for(&b, true), 1);
	assert_int_equal(n_asked, 1);
	assert_true(asked_changed);
	assert_int_equal(durable_quiesced(&d), 2);
	assert_int_equal(wait_for(&c, true), 1); /* something was written since */
	assert_int_equal(n_asked, 2);
	assert_ptr_equal(synced(2, 0), &a);
	assert_ptr_equal(a.next, &b);
	assert_null(b.next);
	assert_int_equal(durable_quiesced(&d), 3);
	assert_ptr_equal(synced(3, 0), &c);
	assert_int_equal(n_asked, 2);
}

static void test_without_a_new_change_it_joins_the_save_that_is_under_way(void **state)
{
	be_clean();
	assert_int_equal(wait_for(&a, true), 1);
	assert_int_equal(durable_quiesced(&d), 1);
	assert_int_equal(wait_for(&b, false), 1);
	assert_int_equal(n_asked, 1);
	assert_ptr_equal(synced(1, 0), &a);
	assert_ptr_equal(a.next, &b);
	assert_int_equal(wait_for(&b, false), 0);
}

static void test_a_failed_save_is_told_to_all_and_is_not_forgotten(void **state)
{
	be_clean();
	assert_int_equal(wait_for(&a, true), 1);
	durable_quiesced(&d);
	assert_int_equal(wait_for(&b, true), 1);
	assert_ptr_equal(synced(0, -ENOSPC), &a);
	assert_ptr_equal(a.next, &b);
	assert_int_equal(a.err, -ENOSPC);
	assert_int_equal(b.err, -ENOSPC);
	assert_int_equal(wait_for(&c, false), 1); /* what was not saved is still not saved */
	assert_int_equal(n_asked, 3);
}

/* The keeper answers the number that it was asked for; more have come meanwhile. */
static void test_those_that_were_not_asked_for_are_asked_for_then(void **state)
{
	assert_int_equal(wait_for(&a, false), 1);
	assert_int_equal(wait_for(&b, true), 1);
	assert_int_equal(n_asked, 1);
	assert_ptr_equal(synced(1, 0), &a);
	assert_int_equal(n_asked, 2);
	assert_int_equal(asked, 2);
	assert_ptr_equal(synced(2, 0), &b);
}

static void test_a_lock_answers_all_and_nobody_waits_afterwards(void **state)
{
	be_clean();
	assert_int_equal(wait_for(&a, true), 1);
	assert_ptr_equal(durable_close(&d), &a);
	assert_int_equal(a.err, -EIO);
	assert_int_equal(wait_for(&b, false), -EIO);
}

static void test_a_signal_ends_the_wait_only_when_the_disk_hangs(void **state)
{
	be_clean();
	assert_int_equal(wait_for(&a, true), 1);
	assert_int_equal(wait_for(&b, true), 1);
	assert_false(durable_interrupt(&d, &a));
	assert_ptr_equal(durable_hangs(&d), &a);
	assert_int_equal(a.err, -EINTR);
	assert_true(durable_interrupt(&d, &b));
	assert_int_equal(b.err, -EINTR);
	c.interrupted = true;
	assert_int_equal(wait_for(&c, true), -EINTR);
	assert_null(synced(2, 0)); /* nobody is left, and the disk answers again */
	c = (struct durable_item){ .interrupted = true };
	assert_int_equal(wait_for(&c, true), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(test_nobody_knows_at_first_so_the_keeper_is_asked),
		T(test_a_clean_fsync_is_answered_at_once),
		T(test_all_that_came_before_share_one_save_and_the_later_one_the_next),
		T(test_without_a_new_change_it_joins_the_save_that_is_under_way),
		T(test_a_failed_save_is_told_to_all_and_is_not_forgotten),
		T(test_those_that_were_not_asked_for_are_asked_for_then),
		T(test_a_lock_answers_all_and_nobody_waits_afterwards),
		T(test_a_signal_ends_the_wait_only_when_the_disk_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
