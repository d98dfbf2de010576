/* Fsyncs that are answered when the keeper says that a save is durable; closes that wait for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "help.h"

static struct view_fixture f;

static int setup(void **state)
{
	fixture_start(&f, CACHED | FSYNC_SAVES);
	return 0;
}

static int setup_strict(void **state)
{
	fixture_start(&f, STRICT | FSYNC_SAVES);
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

static int write_and_fsync(void *arg)
{
	autoclose int fd = open(path_in(&f, "one"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || (arg && write(fd, arg, strlen(arg)) < 0) || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int write_sync(void *arg)
{
	autoclose int fd = open(path_in(&f, "one"), O_WRONLY | O_CREAT | O_SYNC | O_CLOEXEC, 0600);

	return fd < 0 || write(fd, "text", 4) != 4 ? -errno : 0;
}

static int fsync_dir(void *arg)
{
	autoclose int fd = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int read_one(void *arg)
{
	return check_file(path_in(&f, "one"), "text");
}

static uint64_t get_u64(uint32_t op)
{
	union {
		uint32_t op;
		struct view_quiesced quiesced;
		struct view_sync sync;
		struct view_session others;
	} m = { 0 };

	while (m.op != op) {
		struct pollfd p = { .fd = f.keeper, .events = POLLIN };

		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_true(msg_recv(f.keeper, &m, sizeof(m), NULL, 0) > 0);
	}
	return op == VIEW_SYNC ? m.sync.seq : m.quiesced.covers;
}

static void synced(uint64_t seq, int err)
{
	struct view_synced msg = { .op = VIEW_SYNCED, .err = err, .seq = seq };

	assert_int_equal(msg_send(f.keeper, &msg, sizeof(msg), NULL, 0), 0);
}

static uint64_t quiesce(void)
{
	uint64_t covers;

	fixture_send(&f, VIEW_QUIESCE);
	covers = get_u64(VIEW_QUIESCED);
	fixture_send(&f, VIEW_RESUME);
	return covers;
}

static bool is_done(int done, int timeout_ms)
{
	struct pollfd p = { .fd = done, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static void test_an_fsync_waits_for_the_save_and_reads_do_not(void **state)
{
	enum { N = 8 }; /* more than the view has workers */
	int done[N];
	pid_t pid[N];
	uint64_t covers;

	for (int i = 0; i < N; i++)
		pid[i] = child_start(MEMBER, i % 4 == 3 ? fsync_dir : write_and_fsync,
				     i % 4 == 3 ? NULL : "text", &done[i]);
	get_u64(VIEW_SYNC);
	usleep(200000);
	for (int i = 0; i < N; i++)
		assert_false(is_done(done[i], 0));
	assert_int_equal(as(MEMBER, read_one, NULL), 0);
	covers = quiesce();
	assert_int_equal(as(MEMBER, read_one, NULL), 0);
	assert_false(is_done(done[0], 100));
	synced(covers, 0);
	/* The kernel lets one fsync of a file pass at a time: the others may come only now. */
	for (int i = 0; i < N; i++) {
		while (!is_done(done[i], 100))
			synced(quiesce(), 0);
		assert_int_equal(child_result(done[i]), 0);
		run_wait(pid[i]);
	}
}

static void test_a_failed_save_is_what_fsync_says(void **state)
{
	int done;
	pid_t pid = child_start(MEMBER, write_and_fsync, "text", &done);

	get_u64(VIEW_SYNC);
	quiesce();
	synced(0, -ENOSPC);
	assert_int_equal(child_result(done), -ENOSPC);
	run_wait(pid);
	/* It is still not saved: nobody is told otherwise. */
	pid = child_start(MEMBER, write_and_fsync, NULL, &done);
	get_u64(VIEW_SYNC);
	assert_false(is_done(done, 100));
	synced(quiesce(), 0);
	assert_int_equal(child_result(done), 0);
	run_wait(pid);
	assert_int_equal(as(MEMBER, write_and_fsync, NULL), 0); /* clean: at once */
}

static void test_o_sync_waits_too(void **state)
{
	int done;
	pid_t pid = child_start(MEMBER, write_sync, NULL, &done);

	get_u64(VIEW_SYNC);
	assert_false(is_done(done, 100));
	while (!is_done(done, 100))
		synced(quiesce(), 0);
	assert_int_equal(child_result(done), 0);
	run_wait(pid);
}

static void test_a_lock_answers_what_waits_and_is_not_held_up(void **state)
{
	int done;
	pid_t pid = child_start(MEMBER, write_and_fsync, "text", &done);

	get_u64(VIEW_SYNC);
	assert_int_equal(fixture_lock(&f), 0);
	assert_int_equal(child_result(done), -EIO);
	run_wait(pid);
}

static void test_a_killed_process_is_free_when_the_disk_hangs(void **state)
{
	int done;
	pid_t pid = child_start(MEMBER, write_and_fsync, "text", &done);

	get_u64(VIEW_SYNC);
	fixture_send(&f, VIEW_SYNC_HANGS);
	usleep(100000);
	kill(pid, SIGKILL);
	run_wait(pid);
	assert_int_equal(as(MEMBER, read_one, NULL), 0);
	synced(quiesce(), 0);
}

static int deleted_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 200; fd++) {
		char path[64], target[256];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", f.view, fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		count += strstr(target, "(deleted)") && strstr(target, f.src);
	}
	return count;
}

static int unlink_and_wait(void *arg)
{
	int fd = open(path_in(&f, "gone"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "text", 4) != 4 || unlink(path_in(&f, "gone")) < 0)
		return -errno;
	kill(getpid(), SIGSTOP);
	close(fd);
	return 0;
}

/* Its blocks are freed by the last close: that must not happen while the store is copied. */
static void test_an_unlinked_file_is_closed_when_the_gate_is_open(void **state)
{
	int done, waited = 0;
	pid_t pid = child_start(MEMBER, unlink_and_wait, NULL, &done);

	while (deleted_fds() == 0 && waited++ < 100)
		usleep(50000);
	assert_true(deleted_fds() > 0);
	usleep(100000);
	fixture_send(&f, VIEW_QUIESCE);
	get_u64(VIEW_QUIESCED);
	while (!is_done(done, 50)) /* it may not have stopped yet */
		kill(pid, SIGCONT);
	assert_int_equal(child_result(done), 0);
	run_wait(pid);
	usleep(200000);
	assert_true(deleted_fds() > 0);
	fixture_send(&f, VIEW_RESUME);
	for (waited = 0; deleted_fds() > 0 && waited < 100; waited++)
		usleep(50000);
	assert_int_equal(deleted_fds(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_an_fsync_waits_for_the_save_and_reads_do_not),
		T(test_a_failed_save_is_what_fsync_says),
		T(test_o_sync_waits_too),
		cmocka_unit_test_setup_teardown(test_o_sync_waits_too, setup_strict, teardown),
		T(test_a_lock_answers_what_waits_and_is_not_held_up),
		T(test_a_killed_process_is_free_when_the_disk_hangs),
		T(test_an_unlinked_file_is_closed_when_the_gate_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
