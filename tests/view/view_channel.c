/* The keeper's channel: the gate, what counts as a change, and the clock of use. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "help.h"

static struct view_fixture f;

static int setup(void **state)
{
	fixture_start(&f, CACHED);
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

static int write_one(void *arg)
{
	return write_file(path_in(&f, "one"), arg ? arg : "text");
}

static int read_one(void *arg)
{
	return check_file(path_in(&f, "one"), arg ? arg : "text");
}

static bool has_message(int timeout_ms)
{
	struct pollfd p = { .fd = f.keeper, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static void test_the_first_change_is_announced_once(void **state)
{
	assert_int_equal(as(MEMBER, write_one, NULL), 0);
	fixture_wait(&f, VIEW_DIRTY);
	assert_int_equal(as(MEMBER, write_one, NULL), 0);
	assert_int_equal(as(MEMBER, read_one, NULL), 0);
	assert_false(has_message(100));
}

static void test_looking_and_being_denied_is_no_change(void **state)
{
	assert_int_equal(write_file(path_below(&f, "one"), "text"), 0);
	assert_int_equal(as(MEMBER, read_one, NULL), 0);
	assert_int_equal(as(OUTSIDER, write_one, NULL), -EACCES);
	assert_false(has_message(100));
}

static void test_a_change_after_quiet_is_announced_again(void **state)
{
	assert_int_equal(as(MEMBER, write_one, NULL), 0);
	fixture_wait(&f, VIEW_DIRTY);
	fixture_send(&f, VIEW_QUIESCE);
	assert_int_equal(fixture_wait(&f, VIEW_QUIESCED), 0);
	fixture_send(&f, VIEW_RESUME);
	fixture_wait(&f, VIEW_RESUMED);
	assert_false(has_message(100));
	assert_int_equal(as(MEMBER, write_one, NULL), 0);
	fixture_wait(&f, VIEW_DIRTY);
}

static void test_writers_wait_and_readers_do_not(void **state)
{
	int done[8];
	pid_t pid[8];

	assert_int_equal(as(MEMBER, write_one, NULL), 0);
	fixture_send(&f, VIEW_QUIESCE);
	assert_int_equal(fixture_wait(&f, VIEW_QUIESCED), 0);
	/* More writers than the view has workers. */
	for (int i = 0; i < 8; i++)
		pid[i] = child_start(MEMBER, write_one, "later", &done[i]);
	usleep(200000);
	assert_int_equal(as(MEMBER, read_one, NULL), 0);
	assert_int_equal(check_file(path_below(&f, "one"), "text"), 0);
	fixture_send(&f, VIEW_RESUME);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(child_result(done[i]), 0);
		run_wait(pid[i]);
	}
	assert_int_equal(as(MEMBER, read_one, "later"), 0);
}

static uint64_t last_use(void)
{
	struct view_idle msg = { 0 };

	fixture_send(&f, VIEW_ASK_IDLE);
	while (msg.op != VIEW_IDLE)
		assert_true(msg_recv(f.keeper, &msg, sizeof(msg), NULL, 0) > 0);
	return msg.last_ns;
}

static void test_only_what_was_allowed_counts_as_use(void **state)
{
	uint64_t before, now;

	assert_int_equal(as(MEMBER, write_one, NULL), 0);
	before = last_use();
	assert_true(before <= io_boottime_ns());
	assert_int_equal(as(OUTSIDER, read_one, NULL), -EACCES);
	assert_int_equal(as(ROOT_OUTSIDE, read_one, NULL), -EACCES);
	assert_true(last_use() == before);
	assert_int_equal(as(MEMBER, read_one, NULL), 0);
	now = last_use();
	assert_true(now > before && now <= io_boottime_ns());
}

static void test_a_deleted_session_is_denied(void **state)
{
	struct view_session del = { .op = VIEW_SESSION_DEL, .pid = getpid(), .start = 1 };

	assert_int_equal(as(MEMBER, write_one, NULL), 0);
	/* Another start time is another process. */
	assert_int_equal(msg_send(f.keeper, &del, sizeof(del), NULL, 0), 0);
	last_use();
	assert_int_equal(as(MEMBER, read_one, NULL), 0);
}

static void test_a_pulse_is_answered_and_keeps_the_view_alive(void **state)
{
	for (int i = 0; i < VIEW_PULSES + 1; i++) {
		fixture_send(&f, VIEW_PULSE);
		fixture_wait(&f, VIEW_ALIVE);
		sleep(VIEW_PULSE_SEC);
	}
	assert_int_equal(as(MEMBER, write_one, NULL), 0);
}

/* As one that is stopped: its end of the channel stays open, and nothing comes. */
static void test_a_keeper_that_says_nothing_more_ends_the_view(void **state)
{
	uint64_t begin = io_boottime_ns();

	assert_int_equal(as(MEMBER, write_one, NULL), 0);
	assert_int_equal(run_wait(f.view), 1);
	f.view = 0;
	assert_true(io_boottime_ns() - begin > (VIEW_PULSES - 1) * VIEW_PULSE_SEC * 1000000000ULL);
	assert_int_equal(as(MEMBER, read_one, NULL), -ENOTCONN);
}

#define FLOODERS  4
#define FLOOD_SEC (VIEW_PULSES * VIEW_PULSE_SEC + 10)

/* 0 when the view has ended in time. */
static int flood(void *arg)
{
	uint64_t until = io_boottime_ns() + FLOOD_SEC * 1000000000ULL;

	while (io_boottime_ns() < until)
		if (read_one(NULL) == -ENOTCONN)
			return 0;
	return -ETIMEDOUT;
}

/* Each refusal is an event for the audit, which the same thread writes. */
static void test_refused_requests_do_not_hold_up_the_end_of_a_view_without_a_keeper(void **state)
{
	int done[FLOODERS];
	pid_t pid[FLOODERS];

	assert_int_equal(write_file(path_below(&f, "one"), "text"), 0);
	for (int i = 0; i < FLOODERS; i++)
		pid[i] = child_start(OUTSIDER, flood, NULL, &done[i]);
	for (int i = 0; i < FLOODERS; i++) {
		assert_int_equal(child_result(done[i]), 0);
		run_wait(pid[i]);
	}
	assert_int_equal(run_wait(f.view), 1);
	f.view = 0;
}

/* As with "docker pause": nobody speaks to a view that is stopped itself. */
static void test_a_pause_of_both_is_no_silence(void **state)
{
	assert_int_equal(as(MEMBER, write_one, NULL), 0);
	for (int i = 0; i < 2; i++) {
		kill(f.view, SIGSTOP);
		sleep((VIEW_PULSES + 1) * VIEW_PULSE_SEC);
		kill(f.view, SIGCONT);
		usleep(300000); /* its turn comes before the keeper's */
		fixture_send(&f, VIEW_PULSE);
		fixture_wait(&f, VIEW_ALIVE);
	}
	assert_int_equal(as(MEMBER, read_one, NULL), 0);
}

static void test_a_message_that_proto_does_not_know_ends_the_view(void **state)
{
	fixture_send(&f, 4711);
	assert_int_equal(run_wait(f.view), 1);
	f.view = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_the_first_change_is_announced_once),
		T(test_looking_and_being_denied_is_no_change),
		T(test_a_change_after_quiet_is_announced_again),
		T(test_writers_wait_and_readers_do_not),
		T(test_only_what_was_allowed_counts_as_use),
		T(test_a_deleted_session_is_denied),
		T(test_a_pulse_is_answered_and_keeps_the_view_alive),
		T(test_a_keeper_that_says_nothing_more_ends_the_view),
		T(test_refused_requests_do_not_hold_up_the_end_of_a_view_without_a_keeper),
		T(test_a_pause_of_both_is_no_silence),
		T(test_a_message_that_proto_does_not_know_ends_the_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
