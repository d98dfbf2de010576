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

#include <pthread.h>

#include "tazfs/gate.h"

static struct gate g;

static int setup(void **state)
{
	gate_init(&g);
	return 0;
}

static int teardown(void **state)
{
	gate_done(&g);
	return 0;
}

static void test_an_open_gate_lets_everybody_in_and_parks_nobody(void **state)
{
	struct gate_item item;

	assert_true(gate_enter(&g));
	assert_true(gate_enter(&g));
	assert_false(gate_park(&g, &item));
	gate_leave(&g);
	gate_leave(&g);
	assert_null(gate_unpark(&g));
}

static void test_a_closed_gate_gives_back_in_order_what_was_parked(void **state)
{
	struct gate_item a, b;

	assert_int_equal(gate_close(&g, 0), 0);
	assert_false(gate_enter(&g));
	assert_true(gate_park(&g, &a));
	assert_true(gate_park(&g, &b));
	gate_open(&g);
	assert_ptr_equal(gate_unpark(&g), &a);
	assert_ptr_equal(gate_unpark(&g), &b);
	assert_null(gate_unpark(&g));
}

static void test_a_gate_tells_whether_anybody_was_inside(void **state)
{
	uint64_t mark = gate_mark(&g);

	assert_true(gate_quiet_since(&g, mark));
	assert_true(gate_enter(&g));
	assert_false(gate_quiet_since(&g, mark));
	assert_false(gate_quiet_since(&g, gate_mark(&g))); /* somebody still is */
	gate_leave(&g);
	assert_false(gate_quiet_since(&g, mark));
	assert_true(gate_quiet_since(&g, gate_mark(&g)));
	assert_int_equal(gate_close(&g, 0), 0);
	assert_false(gate_enter(&g));
	assert_true(gate_quiet_since(&g, gate_mark(&g)));
}

static void *leave_later(void *arg)
{
	usleep(50000);
	gate_leave(&g);
	return NULL;
}

static void test_closing_waits_for_those_inside_but_not_for_ever(void **state)
{
	pthread_t t;

	assert_true(gate_enter(&g));
	assert_int_equal(gate_close(&g, 10), -ETIMEDOUT);
	assert_false(gate_enter(&g));
	assert_int_equal(pthread_create(&t, NULL, leave_later, NULL), 0);
	assert_int_equal(gate_close(&g, 5000), 0);
	pthread_join(t, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_an_open_gate_lets_everybody_in_and_parks_nobody),
		T(test_a_closed_gate_gives_back_in_order_what_was_parked),
		T(test_a_gate_tells_whether_anybody_was_inside),
		T(test_closing_waits_for_those_inside_but_not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
