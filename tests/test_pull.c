#include "tests/pull_fixture.h"

/* --- what a command may do ------------------------------------------------------------------- */

static void test_the_output_becomes_the_file_with_its_mode(void **state)
{
	struct stat st;

	declare("mode = 0400\n command = {'printf', '%s', 'a b;$HOME`id`'}");
	assert_int_equal(pull_confirmed(0), 0);
	assert_string_equal(contents("token"), "a b;$HOME`id`");
	assert_int_equal(fstatat(root, "token", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0400);
	assert_int_equal(res.bytes, 13);
	assert_int_equal(incoming_left(), 0);
	/* once confirmed, it needs no second yes */
	assert_int_equal(pull_unasked(), 0);
}

static void test_directories_of_the_vault_are_made_for_their_owner_alone(void **state)
{
	struct stat st;

	put(space, "secrets.conf", "entry a { file = 'x/y/z' command = {'echo', 'hi'} }", 0644);
	assert_int_equal(pull_confirmed(0), 0);
	assert_string_equal(contents("x/y/z"), "hi\n");
	assert_int_equal(fstatat(root, "x/y", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
}

static void test_the_environment_holds_what_is_documented_and_nothing_else(void **state)
{
	char want[600];

	setenv("SECRET_OF_THE_CALLER", "x", 1);
	setenv("LD_BIND_NOW", "1", 1);
	setenv("WANTED", "given", 1);
	declare("command = {'env'}\n pass = {'WANTED', 'NOT_SET'}");
	assert_int_equal(pull_confirmed(0), 0);
	snprintf(want, sizeof(want),
		 "PATH=%s\nHOME=%s\nUSER=taz\nLOGNAME=taz\nLANG=C.UTF-8\n"
		 "TMPDIR=%s/secrets/.taz/tmp\nWANTED=given\n",
		 PROGRAM_PATH, dir, dir);
	assert_string_equal(contents("token"), want);
}

static void test_it_has_three_descriptors_no_input_and_no_terminal(void **state)
{
	declare_script("#!/bin/sh\n"
		       "pwd; cat; umask; echo fds $(ls /proc/self/fd | wc -l)\n"
		       "if (exec </dev/tty) 2>/dev/null; then echo tty; fi\n"
		       "[ $(ps -o sid= $$) = $$ ] && echo own-session\n");
	assert_int_equal(pull_confirmed(0), 0);
	assert_non_null(strstr(contents("token"), space));
	assert_non_null(strstr(contents("token"), "0077"));
	/* 0 1 2, 3 for the script itself, and the directory that ls has open */
	assert_non_null(strstr(contents("token"), "fds 5\n"));
	assert_null(strstr(contents("token"), "tty\n"));
	assert_non_null(strstr(contents("token"), "own-session"));
}

/* --- what goes wrong ------------------------------------------------------------------------- */

static void test_a_command_that_fails_changes_nothing(void **state)
{
	declare_script("#!/bin/sh\necho half of it\nexit 3\n");
	assert_int_equal(pull_confirmed(0), -ECHILD);
	assert_non_null(strstr(res.why, "status 3"));
	assert_untouched();
	declare_script("#!/bin/sh\necho half of it\nkill -SEGV $$\n");
	assert_int_equal(pull_confirmed(0), -ECHILD);
	assert_non_null(strstr(res.why, "signal 11"));
	assert_untouched();
	declare_script("#!/no/such/interpreter\n");
	assert_int_equal(pull_confirmed(0), -ECHILD);
	assert_untouched();
}

static void test_no_output_and_too_much_change_nothing(void **state)
{
	declare("command = {'true'}");
	assert_int_equal(pull_confirmed(0), -ENODATA);
	assert_untouched();
	declare("command = {'head', '-c', '1073741824', '/dev/zero'}");
	assert_int_equal(pull_confirmed(0), -EFBIG);
	assert_untouched();
	/* a program that does not care what write(2) says */
	declare_script("#!/bin/sh\ntrap '' XFSZ\nhead -c 20000000 /dev/zero 2>/dev/null\nexit 0\n");
	assert_int_equal(pull_confirmed(0), -EFBIG);
	assert_untouched();
	declare("command = {'head', '-c', '16777216', '/dev/zero'}");
	assert_int_equal(pull_confirmed(0), 0);
	assert_int_equal(res.bytes, 16777216);
}

static void test_a_command_without_end_is_killed_with_its_children(void **state)
{
	char cmd[200];

	declare_script(
		"#!/bin/sh\ntrap '' TERM\necho half\nsleep 98765 &\nwhile :; do sleep 1; done\n");
	assert_int_equal(pull_confirmed(1), -ETIMEDOUT);
	assert_untouched();
	snprintf(
		cmd, sizeof(cmd),
		"for i in $(seq 100); do pgrep -f '^sleep 98765' || exit 0; sleep 0.1; done; exit 1");
	assert_int_equal(system(cmd), 0);
}

static void test_what_it_left_behind_cannot_write_on(void **state)
{
	/* of its group: killed, and what was printed counts */
	declare_script("#!/bin/sh\necho all\n(sleep 0.5; echo late) &\nexit 0\n");
	assert_int_equal(pull_confirmed(0), 0);
	assert_string_equal(contents("token"), "all\n");
	/* of a session of its own: it still holds the output */
	put(dir, "secrets/token", "old", 0600);
	declare_script("#!/bin/sh\necho all\nsetsid sh -c 'touch left; exec sleep 8' &\n"
		       "until [ -e left ]; do sleep 0.05; done\nexit 0\n");
	assert_int_equal(pull_confirmed(0), -ETXTBSY);
	assert_untouched();
	/* one that let go of it may live */
	declare_script("#!/bin/sh\necho all\nsetsid sleep 1 >/dev/null 2>&1 &\nexit 0\n");
	assert_int_equal(pull_confirmed(0), 0);
}

static void test_a_signal_ends_it_in_order(void **state)
{
	char started[150];
	int status;
	pid_t pid;

	declare_script("#!/bin/sh\necho half\ntouch started\nsleep 60\n");
	pid = fork();
	if (!pid) {
		watch = command_watch();
		_exit(pull_confirmed(0) == -ECANCELED && res.signal == SIGTERM ? 42 : 1);
	}
	snprintf(started, sizeof(started), "%s/started", space);
	for (int i = 0; i < 600 && access(started, F_OK) < 0; i++)
		usleep(50000);
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_untouched();
}

/* SIGKILL of the puller: at ten instants; the old file stays, the next one sweeps. */
static void test_a_killed_pull_leaves_the_old_file_and_no_rest(void **state)
{
	int swept = 0;

	declare_script(
		"#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.1; done\nexit 1\n");
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();
		int status, n;

		if (!pid) {
			pull_confirmed(0);
			_exit(0);
		}
		for (int tries = 0; tries < 600 && !incoming_left(); tries++)
			usleep(10000);
		usleep(10000 * i);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_string_equal(contents("token"), "old");
		n = incoming_sweep(root);
		assert_true(n >= 0);
		swept += n;
		assert_untouched();
	}
	assert_true(swept > 0);
	printf("# pulls killed with SIGKILL: 10, old file whole 10, rests swept %d\n", swept);
}

static void test_two_at_once_wait_for_each_other(void **state)
{
	int one = incoming_lock(root, false), two;

	assert_true(one >= 0);
	assert_int_equal(incoming_lock(root, false), -EWOULDBLOCK);
	close(one);
	two = incoming_lock(root, false);
	assert_true(two >= 0);
	close(two);
}

/* --- the vault's own tree -------------------------------------------------------------------- */

static void test_links_in_the_vault_lead_nowhere(void **state)
{
	char outside[100];
	struct stat st;

	snprintf(outside, sizeof(outside), "%s/outside", dir);
	mkdir(outside, 0700);
	assert_int_equal(symlinkat(outside, root, "link"), 0);
	put(space, "secrets.conf", "entry a { file = 'link/x' command = {'echo', 'hi'} }", 0644);
	assert_int_equal(pull_confirmed(0), -ELOOP);
	assert_int_equal(rmdir(outside), 0); /* it is empty */

	assert_int_equal(unlinkat(root, "token", 0), 0);
	assert_int_equal(symlinkat("/tmp/taz-pull-evil", root, "token"), 0);
	declare("command = {'echo', 'hi'}");
	assert_int_equal(pull_confirmed(0), -EEXIST);
	assert_int_equal(fstatat(root, "token", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(incoming_left(), 0);
	assert_int_equal(access("/tmp/taz-pull-evil", F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_output_becomes_the_file_with_its_mode),
		T(test_directories_of_the_vault_are_made_for_their_owner_alone),
		T(test_the_environment_holds_what_is_documented_and_nothing_else),
		T(test_it_has_three_descriptors_no_input_and_no_terminal),
		T(test_a_command_that_fails_changes_nothing),
		T(test_no_output_and_too_much_change_nothing),
		T(test_a_command_without_end_is_killed_with_its_children),
		T(test_what_it_left_behind_cannot_write_on),
		T(test_a_signal_ends_it_in_order),
		T(test_a_killed_pull_leaves_the_old_file_and_no_rest),
		T(test_two_at_once_wait_for_each_other),
		T(test_links_in_the_vault_lead_nowhere),
	};

	return watch_nothing() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
