#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/lockstate.h"

static void test_a_lock_is_never_refused(void **state)
{
	for (int s = 0; s < LS_STATES; s++)
		assert_false(lockstate_step(s, LE_LOCK).refused);
}

/* However an open may fail, and whatever dies: a few forced steps later all is locked. */
static void test_every_state_reaches_locked_by_events_that_the_kernel_forces(void **state)
{
	static const enum lock_event forced[LS_STATES] = {
		[LS_OPENING] = LE_FAILED,   [LS_STARTING] = LE_GONE,	[LS_UNLOCKED] = LE_GONE,
		[LS_CLOSING] = LE_TIMEOUT,  [LS_DRAINING] = LE_TIMEOUT, [LS_CUTTING] = LE_PINNED,
		[LS_SAVING] = LE_NOT_SAVED,
	};

	for (int s = 0; s < LS_STATES; s++) {
		enum lock_state at = s;

		for (int steps = 0; at != LS_LOCKED; steps++) {
			struct lock_step step = lockstate_step(at, forced[at]);

			assert_false(step.refused);
			assert_true(steps < 6);
			at = step.next;
		}
	}
}

static void test_unlocked_is_entered_by_a_ready_view_only(void **state)
{
	for (int s = 0; s < LS_STATES; s++)
		for (int e = 0; e < LE_EVENTS; e++) {
			struct lock_step step = lockstate_step(s, e);

			if (step.next == LS_UNLOCKED && s != LS_UNLOCKED) {
				assert_int_equal(s, LS_STARTING);
				assert_int_equal(e, LE_READY);
			}
			/* Nobody is admitted on any other way. */
			assert_int_equal(!!(step.actions & ACT_ADMIT),
					 s == LS_STARTING && e == LE_READY);
		}
}

static void test_leaving_unlocked_shuts_the_door_first(void **state)
{
	for (int e = 0; e < LE_EVENTS; e++) {
		struct lock_step step = lockstate_step(LS_UNLOCKED, e);

		if (step.next != LS_UNLOCKED)
			assert_true(step.actions & ACT_SHUT_DOOR);
	}
}

static void test_a_refused_event_changes_nothing(void **state)
{
	for (int s = 0; s < LS_STATES; s++)
		for (int e = 0; e < LE_EVENTS; e++) {
			struct lock_step step = lockstate_step(s, e);

			if (!step.refused)
				continue;
			assert_int_equal(step.next, s);
			assert_int_equal(step.actions, ACT_NONE);
		}
}

static void test_the_image_is_forgotten_only_when_it_is_saved(void **state)
{
	for (int s = 0; s < LS_STATES; s++)
		for (int e = 0; e < LE_EVENTS; e++)
			if (lockstate_step(s, e).actions & ACT_FORGET) {
				assert_int_equal(s, LS_SAVING);
				assert_int_equal(e, LE_SAVED);
			}
}

static void test_every_end_is_reported(void **state)
{
	for (int s = 0; s < LS_STATES; s++)
		for (int e = 0; e < LE_EVENTS; e++) {
			struct lock_step step = lockstate_step(s, e);

			if (s != LS_LOCKED && step.next == LS_LOCKED)
				assert_true(step.actions & ACT_REPORT);
		}
}

/* What was seen is that the kernel is clean, or that view and key are gone. */
static void test_the_image_is_saved_only_after_the_kernel_was_looked_at(void **state)
{
	for (int s = 0; s < LS_STATES; s++)
		for (int e = 0; e < LE_EVENTS; e++) {
			struct lock_step step = lockstate_step(s, e);

			assert_int_equal(!!(step.actions & ACT_SAVE),
					 step.next == LS_SAVING && s != LS_SAVING);
			if (!(step.actions & ACT_SAVE) || s == LS_LOCKED)
				continue;
			assert_true((s == LS_DRAINING && e == LE_CLEAN) ||
				    (s == LS_CUTTING && (e == LE_CLEAN || e == LE_PINNED)));
		}
}

static void test_locked_is_reached_by_saving_only(void **state)
{
	for (int s = 0; s < LS_STATES; s++)
		for (int e = 0; e < LE_EVENTS; e++)
			if (s != LS_LOCKED && lockstate_step(s, e).next == LS_LOCKED)
				assert_int_equal(s, LS_SAVING);
}

/* A key whose table may still be there is cut again for as long as it takes. */
static void test_a_late_lock_cuts_complains_and_never_gives_up(void **state)
{
	struct lock_step step = lockstate_step(LS_DRAINING, LE_TIMEOUT);

	assert_int_equal(step.next, LS_CUTTING);
	assert_int_equal(step.actions, ACT_CUT | ACT_CHECK);
	for (int i = 0; i < 100; i++) {
		step = lockstate_step(step.next, LE_TIMEOUT);
		assert_int_equal(step.next, LS_CUTTING);
		assert_int_equal(step.actions, ACT_COMPLAIN | ACT_CUT | ACT_CHECK);
	}
}

/* Everything that has a place; all else is refused. */
static const struct {
	enum lock_state at;
	enum lock_event on;
	enum lock_state next;
} cells[] = {
	{ LS_LOCKED, LE_OPEN, LS_OPENING },	  { LS_LOCKED, LE_LOCK, LS_SAVING },
	{ LS_OPENING, LE_OPENED, LS_STARTING },	  { LS_OPENING, LE_FAILED, LS_DRAINING },
	{ LS_OPENING, LE_LOCK, LS_DRAINING },	  { LS_STARTING, LE_READY, LS_UNLOCKED },
	{ LS_STARTING, LE_FAILED, LS_DRAINING },  { LS_STARTING, LE_GONE, LS_DRAINING },
	{ LS_STARTING, LE_TIMEOUT, LS_DRAINING }, { LS_STARTING, LE_LOCK, LS_CLOSING },
	{ LS_UNLOCKED, LE_LOCK, LS_CLOSING },	  { LS_UNLOCKED, LE_GONE, LS_DRAINING },
	{ LS_CLOSING, LE_GONE, LS_DRAINING },	  { LS_CLOSING, LE_TIMEOUT, LS_DRAINING },
	{ LS_CLOSING, LE_LOCK, LS_CLOSING },	  { LS_DRAINING, LE_CLEAN, LS_SAVING },
	{ LS_DRAINING, LE_GONE, LS_DRAINING },	  { LS_DRAINING, LE_TIMEOUT, LS_CUTTING },
	{ LS_DRAINING, LE_LOCK, LS_DRAINING },	  { LS_CUTTING, LE_CLEAN, LS_SAVING },
	{ LS_CUTTING, LE_PINNED, LS_SAVING },	  { LS_CUTTING, LE_GONE, LS_CUTTING },
	{ LS_CUTTING, LE_TIMEOUT, LS_CUTTING },	  { LS_CUTTING, LE_LOCK, LS_CUTTING },
	{ LS_SAVING, LE_SAVED, LS_LOCKED },	  { LS_SAVING, LE_NOT_SAVED, LS_LOCKED },
	{ LS_SAVING, LE_LOCK, LS_SAVING },
};

static void test_every_cell_is_what_it_should_be(void **state)
{
	for (int s = 0; s < LS_STATES; s++)
		for (int e = 0; e < LE_EVENTS; e++) {
			struct lock_step step = lockstate_step(s, e);
			size_t i = 0;

			while (i < sizeof(cells) / sizeof(*cells) &&
			       (cells[i].at != (enum lock_state)s ||
				cells[i].on != (enum lock_event)e))
				i++;
			assert_int_equal(step.refused, i == sizeof(cells) / sizeof(*cells));
			if (!step.refused)
				assert_int_equal(step.next, cells[i].next);
		}
}

static void test_states_and_events_have_names(void **state)
{
	for (int s = 0; s < LS_STATES; s++)
		assert_true(strlen(lockstate_name(s)) > 2);
	for (int e = 0; e < LE_EVENTS; e++)
		assert_true(strlen(lockstate_event_name(e)) > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lock_is_never_refused),
		cmocka_unit_test(test_every_state_reaches_locked_by_events_that_the_kernel_forces),
		cmocka_unit_test(test_unlocked_is_entered_by_a_ready_view_only),
		cmocka_unit_test(test_leaving_unlocked_shuts_the_door_first),
		cmocka_unit_test(test_a_refused_event_changes_nothing),
		cmocka_unit_test(test_the_image_is_forgotten_only_when_it_is_saved),
		cmocka_unit_test(test_every_end_is_reported),
		cmocka_unit_test(test_the_image_is_saved_only_after_the_kernel_was_looked_at),
		cmocka_unit_test(test_locked_is_reached_by_saving_only),
		cmocka_unit_test(test_a_late_lock_cuts_complains_and_never_gives_up),
		cmocka_unit_test(test_every_cell_is_what_it_should_be),
		cmocka_unit_test(test_states_and_events_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
