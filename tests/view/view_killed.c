/* A view that is killed: what is left of it is a mount without an answer, and no process. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
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

static int write_held(void *arg)
{
	return write_file(path_in(&f, "held"), "text");
}

static void test_a_killed_view_leaves_a_mount_that_answers_enotconn(void **state)
{
	struct stat st;

	assert_int_equal(as(MEMBER, write_held, NULL), 0);
	kill(f.view, SIGKILL);
	assert_int_equal(run_wait(f.view), 128 + SIGKILL);
	f.view = 0;
	errno = 0;
	assert_int_equal(stat(path_in(&f, "held"), &st), -1);
	assert_true(errno == ENOTCONN || errno == EACCES);
}

static int stat_held(void *arg)
{
	struct stat st;

	return stat(path_in(&f, "held"), &st) < 0 ? -errno : 0;
}

static void test_a_member_of_a_killed_view_gets_enotconn(void **state)
{
	kill(f.view, SIGKILL);
	run_wait(f.view);
	f.view = 0;
	assert_int_equal(as(MEMBER, stat_held, NULL), -ENOTCONN);
}

/* Each time somebody whom the view does not know yet, so that it looks at its rules' programs. */
static int ask_as_many(void *arg)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(stat_held(NULL) == -EINVAL);
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			return -errno;
	}
}

/* Is a thread of the view waiting for the view's own answer? */
static bool waits_for_itself(void)
{
	char path[64], where[64] = "";
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", f.view);
	d = opendir(path);
	while (d && !strstr(where, "request_wait") && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/wchan", f.view, e->d_name);
		io_read_text(AT_FDCWD, path, where, sizeof(where));
	}
	if (d)
		closedir(d);
	return strstr(where, "request_wait");
}

static bool has_ended(pid_t pid)
{
	for (int i = 0; i < 40; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		usleep(50000);
	}
	return false;
}

static void test_a_view_that_looks_at_its_own_files_can_be_killed(void **state)
{
	char policy[256];
	bool caught = false, ended;
	int done;
	pid_t pid;

	snprintf(policy, sizeof(policy), "allow exe=%s - **\nallow session - **\n",
		 path_in(&f, "program"));
	assert_int_equal(fixture_policy(&f, policy), 0);
	pid = child_start(MEMBER, ask_as_many, NULL, &done);
	for (int i = 0; i < 10000 && !caught; i++) {
		kill(f.view, SIGCONT);
		usleep(1000 + i % 7 * 300);
		kill(f.view, SIGSTOP);
		usleep(1000);
		caught = waits_for_itself();
	}
	kill(f.view, SIGKILL);
	ended = has_ended(f.view);
	umount2(f.mnt, MNT_FORCE);
	if (!ended)
		has_ended(f.view);
	f.view = 0;
	kill(pid, SIGKILL);
	run_wait(pid);
	close(done);
	assert_true(caught);
	assert_true(ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_killed_view_leaves_a_mount_that_answers_enotconn),
		T(test_a_member_of_a_killed_view_gets_enotconn),
		T(test_a_view_that_looks_at_its_own_files_can_be_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
