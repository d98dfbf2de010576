#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/holders.h"

/* A tmpfs of this test's own stands for the volume: its device number is nobody else's. */
static char dir[] = "/tmp/taz-holders.XXXXXX", file[64];
static dev_t dev;
static bool is_root;

static int setup(void **state)
{
	struct stat st;
	int fd;

	is_root = geteuid() == 0;
	if (!is_root)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    !mkdtemp(dir) || mount("holders", dir, "tmpfs", 0, NULL) < 0 || stat(dir, &st) < 0)
		return -1;
	dev = st.st_dev;
	snprintf(file, sizeof(file), "%s/file", dir);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 || ftruncate(fd, 4096) < 0 || close(fd) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	if (!is_root)
		return 0;
	umount2(dir, MNT_DETACH);
	return rmdir(dir);
}

/* A child that holds it in one way, and is killed with us. */
static pid_t hold(void (*how)(void))
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		how();
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void by_fds(void)
{
	for (int i = 0; i < 3; i++)
		if (open(file, O_RDONLY) < 0)
			_exit(1);
}

static void by_opath(void)
{
	if (open(file, O_PATH) < 0)
		_exit(1);
}

static void by_cwd(void)
{
	if (chdir(dir) < 0)
		_exit(1);
}

static void by_map(void)
{
	int fd = open(file, O_RDONLY);

	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED || close(fd) < 0)
		_exit(1);
}

static void by_cwd_elsewhere(void)
{
	if (unshare(CLONE_NEWNS) < 0 || chdir(dir) < 0)
		_exit(1);
}

static void find_one(void (*how)(void), struct proto_holder *ret)
{
	struct holders list = { 0 };
	pid_t pid;

	if (!is_root)
		skip();
	pid = hold(how);
	holders_find(dev, 0, NULL, 0, &list);
	end(pid);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.more, 0);
	assert_int_equal(list.held[0].pid, pid);
	assert_non_null(strstr(list.held[0].program, "test_holders"));
	*ret = list.held[0];
}

static void test_descriptors_are_one_entry_and_a_count(void **state)
{
	struct proto_holder h;

	find_one(by_fds, &h);
	assert_int_equal(h.how, HOLD_FD);
	assert_true(h.fd > 2);
	assert_int_equal(h.more, 2);
	assert_int_equal(h.mnt_ns, 0);
}

static void test_an_opath_descriptor_counts(void **state)
{
	struct proto_holder h;

	find_one(by_opath, &h);
	assert_int_equal(h.how, HOLD_FD);
}

static void test_a_working_directory_is_found(void **state)
{
	struct proto_holder h;

	find_one(by_cwd, &h);
	assert_int_equal(h.how, HOLD_CWD);
	assert_int_equal(h.fd, -1);
}

static void test_a_map_without_a_descriptor_is_found(void **state)
{
	struct proto_holder h;

	find_one(by_map, &h);
	assert_int_equal(h.how, HOLD_MAP);
}

static void test_another_mount_namespace_is_told(void **state)
{
	struct proto_holder h;

	find_one(by_cwd_elsewhere, &h);
	assert_int_equal(h.how, HOLD_CWD);
	assert_true(h.mnt_ns != 0);
}

static void test_those_that_do_not_count_are_left_out(void **state)
{
	struct holders list = { 0 };
	pid_t pid;

	if (!is_root)
		skip();
	pid = hold(by_fds);
	holders_find(dev, 0, &pid, 1, &list);
	end(pid);
	assert_int_equal(list.n, 0);
}

static void test_more_than_there_is_room_for_are_more(void **state)
{
	struct holders list = { 0 };
	pid_t pids[PROTO_HOLDERS + 2];

	if (!is_root)
		skip();
	for (size_t i = 0; i < PROTO_HOLDERS + 2; i++)
		pids[i] = hold(by_opath);
	holders_find(dev, 0, NULL, 0, &list);
	for (size_t i = 0; i < PROTO_HOLDERS + 2; i++)
		end(pids[i]);
	assert_int_equal(list.n, PROTO_HOLDERS);
	assert_int_equal(list.more, 1);
}

static void test_nobody_is_nobody(void **state)
{
	struct holders list = { 0 };

	if (!is_root)
		skip();
	holders_find(dev, 0, NULL, 0, &list);
	assert_int_equal(list.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors_are_one_entry_and_a_count),
		cmocka_unit_test(test_an_opath_descriptor_counts),
		cmocka_unit_test(test_a_working_directory_is_found),
		cmocka_unit_test(test_a_map_without_a_descriptor_is_found),
		cmocka_unit_test(test_another_mount_namespace_is_told),
		cmocka_unit_test(test_those_that_do_not_count_are_left_out),
		cmocka_unit_test(test_more_than_there_is_room_for_are_more),
		cmocka_unit_test(test_nobody_is_nobody),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
