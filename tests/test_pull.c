#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/command.h"
#include "enclave/incoming.h"
#include "enclave/place.h"
#include "enclave/pull.h"

/* A home with a plain directory for the vault, and a workspace. place_open() alone asks for a view.
 */
static char dir[64], space[96], conf_path[128];
static int root, watch;
static struct pull_result res;

static void put(const char *at, const char *name, const char *text, mode_t mode)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", at, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state)
{
	char vault[96];

	strcpy(dir, "/tmp/taz-pull-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(vault, sizeof(vault), "%s/secrets", dir);
	snprintf(space, sizeof(space), "%s/workspace", dir);
	snprintf(conf_path, sizeof(conf_path), "%s/secrets.conf", space);
	mkdir(vault, 0700);
	mkdir(space, 0755);
	root = open(vault, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(vault, "token", "old", 0600);
	return root < 0;
}

static int teardown(void **state)
{
	char cmd[100];

	close(root);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static int pull_with(struct pull *p)
{
	struct conf_file f = CONF_FILE_NONE;

	assert_int_equal(conf_file_load(conf_path, &f), 0);
	p->file = &f;
	p->root = root;
	p->watch = watch;
	p->home = dir;
	p->user = "taz";
	if (!p->timeout_sec)
		p->timeout_sec = 30;
	pull_entry(p, &f.conf->entries[0], &res);
	conf_file_done(&f);
	return res.err;
}

/* The hash of the first entry's command, as --list would show it. */
static void find_hash(char hash[HASH_HEX_MAX])
{
	struct conf_file f = CONF_FILE_NONE;
	struct program prog = PROGRAM_NONE;
	struct approval a;

	assert_int_equal(conf_file_load(conf_path, &f), 0);
	assert_int_equal(program_find(f.dirfd, f.conf->entries[0].argv[0], &prog), 0);
	assert_int_equal(approval_init(&f.conf->entries[0], &prog, f.dir, &a), 0);
	strcpy(hash, a.hash);
	approval_done(&a);
	program_done(&prog);
	conf_file_done(&f);
}

/* Confirmed, and run. */
static int pull_confirmed(unsigned timeout_sec)
{
	char hash[HASH_HEX_MAX];
	char *list[] = { hash };
	bool used[1] = { false };
	struct pull p = {
		.approve = list, .approve_used = used, .n_approve = 1, .timeout_sec = timeout_sec
	};

	find_hash(hash);
	return pull_with(&p);
}

static int pull_unasked(void)
{
	struct pull p = { 0 };

	return pull_with(&p);
}

static void declare(const char *rest)
{
	char text[2000];

	snprintf(text, sizeof(text), "entry token {\n file = 'token'\n %s\n}\n", rest);
	put(space, "secrets.conf", text, 0644);
}

static void declare_script(const char *script)
{
	put(space, "get", script, 0755);
	declare("command = {'./get'}");
}

static const char *contents(const char *path)
{
	static char buf[4096];
	autoclose int fd = place_file(root, path);
	ssize_t n = fd < 0 ? -1 : io_read_full(fd, buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	return n < 0 ? "(none)" : buf;
}

static int incoming_left(void)
{
	autoclose int fd = place_dir(root, ".taz/incoming", false);
	struct dirent *d;
	int n = 0;
	DIR *dp;

	if (fd < 0)
		return 0;
	dp = fdopendir(take_fd(&fd));
	while ((d = readdir(dp)))
		n += d->d_name[0] != '.';
	closedir(dp);
	return n;
}

/* Whatever went wrong: the old file, and nothing half made. */
static void assert_untouched(void)
{
	assert_string_equal(contents("token"), "old");
	assert_int_equal(incoming_left(), 0);
}

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
	snprintf(cmd, sizeof(cmd), "sleep 0.2; ! pgrep -f '^sleep 98765'");
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
	declare_script("#!/bin/sh\necho all\nsetsid sleep 4 &\nsleep 0.3\nexit 0\n");
	assert_int_equal(pull_confirmed(0), -ETXTBSY);
	assert_untouched();
	/* one that let go of it may live */
	declare_script("#!/bin/sh\necho all\nsetsid sleep 1 >/dev/null 2>&1 &\nexit 0\n");
	assert_int_equal(pull_confirmed(0), 0);
}

static void test_a_signal_ends_it_in_order(void **state)
{
	pid_t pid = fork();
	int status;

	declare_script("#!/bin/sh\necho half\nsleep 60\n");
	if (!pid) {
		watch = command_watch();
		_exit(pull_confirmed(0) == -ECANCELED && res.signal == SIGTERM ? 42 : 1);
	}
	usleep(500000);
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
		"#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.02; done\nexit 1\n");
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();
		int status, n;

		if (!pid) {
			pull_confirmed(0);
			_exit(0);
		}
		usleep(20000 * i);
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

/* --- the person's yes ------------------------------------------------------------------------ */

static void test_nothing_runs_without_a_yes(void **state)
{
	char ran[150];

	snprintf(ran, sizeof(ran), "%s/ran", dir);
	declare_script("#!/bin/sh\necho x > ../ran\necho new\n");
	assert_int_equal(pull_unasked(), -EPERM);
	assert_non_null(strstr(res.why, "never confirmed"));
	assert_int_equal(access(ran, F_OK), -1);
	assert_untouched();
	assert_int_equal(pull_confirmed(0), 0);
	assert_int_equal(access(ran, F_OK), 0);
}

static void test_every_change_needs_a_new_yes(void **state)
{
	static const char *const changes[] = {
		"entry token { file = token command = {'./get', 'a', 'c'} }",
		"entry token { file = token command = {'./get', 'a b'} }",
		"entry token { file = token command = {'./get', 'a', 'b', ''} }",
		"entry token { file = other command = {'./get', 'a', 'b'} }",
		"entry token { file = token mode = 0700 command = {'./get', 'a', 'b'} }",
		"entry token { file = token command = {'./get2', 'a', 'b'} }",
		"entry token { file = token command = {'./get', 'a', 'b'} pass = {X} }",
	};
	const char *same = "entry token { file = token command = {'./get', 'a', 'b'} }";
	size_t n = sizeof(changes) / sizeof(*changes);

	put(space, "get", "#!/bin/sh\necho new\n", 0755);
	put(space, "get2", "#!/bin/sh\necho new\n", 0755);
	put(space, "secrets.conf", same, 0644);
	assert_int_equal(pull_confirmed(0), 0);
	for (size_t i = 0; i < n; i++) {
		put(space, "secrets.conf", changes[i], 0644);
		assert_int_equal(pull_unasked(), -EPERM);
		assert_non_null(strstr(res.why, "has changed"));
	}
	put(space, "secrets.conf", same, 0644);
	assert_int_equal(pull_unasked(), 0);
	put(space, "get", "#!/bin/sh\necho evil\n", 0755);
	assert_int_equal(pull_unasked(), -EPERM);
	/* the same command in another directory */
	put(space, "get", "#!/bin/sh\necho new\n", 0755);
	assert_int_equal(pull_unasked(), 0);
	snprintf(conf_path, sizeof(conf_path), "%s/secrets.conf", dir);
	put(dir, "get", "#!/bin/sh\necho new\n", 0755);
	put(dir, "secrets.conf", same, 0644);
	assert_int_equal(pull_unasked(), -EPERM);
	printf("# changes of a confirmed command that were refused: %zu of %zu\n", n + 2, n + 2);
}

static void test_an_old_hash_confirms_nothing_new(void **state)
{
	char hash[HASH_HEX_MAX];
	char *list[] = { hash };
	bool used[1] = { false };
	struct pull p = { .approve = list, .approve_used = used, .n_approve = 1 };

	declare_script("#!/bin/sh\necho seen\n");
	find_hash(hash);
	declare_script("#!/bin/sh\necho evil\n");
	assert_int_equal(pull_with(&p), -EPERM);
	assert_false(used[0]);
	assert_untouched();
}

static void test_what_is_shown_is_the_whole_command_and_moves_no_cursor(void **state)
{
	struct conf_file f = CONF_FILE_NONE;
	struct program prog = PROGRAM_NONE;
	struct approval a;

	declare("command = {'printf', 'it\\'s', '\xe2\x80\xae"
		"evil', 'a  b'}");
	assert_int_equal(conf_file_load(conf_path, &f), 0);
	assert_int_equal(program_find(f.dirfd, "printf", &prog), 0);
	assert_int_equal(approval_init(&f.conf->entries[0], &prog, f.dir, &a), 0);
	assert_non_null(strstr(a.text, "word 1     'it\\x27s'\n"));
	assert_non_null(strstr(a.text, "word 2     '\\xe2\\x80\\xaeevil'\n"));
	assert_non_null(strstr(a.text, "word 3     'a  b'\n"));
	assert_non_null(strstr(a.text, "in all     4 words of 21 bytes\n"));
	assert_non_null(strstr(a.text, prog.path));
	assert_non_null(strstr(a.text, prog.hash));
	assert_non_null(strstr(a.text, space));
	for (const char *p = a.text; *p; p++)
		assert_true(*p == '\n' || (*p >= 0x20 && *p <= 0x7e));
	approval_done(&a);
	program_done(&prog);
	conf_file_done(&f);
}

/* --- the program ----------------------------------------------------------------------------- */

static void test_a_program_that_is_changed_after_the_yes_runs_as_it_was(void **state)
{
	autoclose int cwd = open(space, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int out = openat(root, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct program prog = PROGRAM_NONE;
	char *argv[] = { "./get", NULL }, *envp[] = { NULL };
	struct command c = { .program = &prog,
			     .argv = argv,
			     .envp = envp,
			     .cwd = cwd,
			     .out = out,
			     .out_max = 1000,
			     .timeout_sec = 10 };
	struct command_end end;

	put(space, "get", "#!/bin/sh\necho seen\n", 0755);
	assert_int_equal(program_find(cwd, "./get", &prog), 0);
	assert_true(prog.copied);
	put(space, "get", "#!/bin/sh\necho evil\n", 0755);
	assert_int_equal(command_run(&c, watch, &end), 0);
	assert_int_equal(end.status, 0);
	assert_string_equal(contents("out"), "seen\n");
	assert_int_equal(write(prog.fd, "x", 1), -1);
	program_done(&prog);
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void test_a_long_command_is_heard_of_each_second(void **state)
{
	autoclose int cwd = open(space, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int out = openat(root, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct program prog = PROGRAM_NONE;
	char *argv[] = { "sleep", "2.5", NULL }, *envp[] = { NULL };
	int ticks = 0;
	struct command c = { .program = &prog,
			     .argv = argv,
			     .envp = envp,
			     .cwd = cwd,
			     .out = out,
			     .out_max = 1000,
			     .timeout_sec = 60,
			     .tick = count,
			     .arg = &ticks };
	struct command_end end;

	assert_int_equal(program_find(cwd, "sleep", &prog), 0);
	assert_int_equal(command_run(&c, watch, &end), 0);
	assert_int_equal(end.status, 0);
	assert_in_range(ticks, 1, 3);
	program_done(&prog);
}

static void test_programs_are_found_where_they_should_be_and_nowhere_else(void **state)
{
	autoclose int cwd = open(space, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct program prog = PROGRAM_NONE;
	char path[200];

	setenv("PATH", space, 1);
	put(space, "only-here", "#!/bin/sh\n", 0755);
	put(space, "plain", "#!/bin/sh\n", 0644);
	assert_int_equal(program_find(cwd, "only-here", &prog), -ENOENT);
	setenv("PATH", PROGRAM_PATH, 1);
	assert_int_equal(program_find(cwd, "/no/such", &prog), -ENOENT);
	assert_int_equal(program_find(cwd, "./plain", &prog), -EACCES);
	assert_int_equal(program_find(cwd, "/dev/null", &prog), -EINVAL);
	assert_int_equal(program_find(cwd, "/tmp", &prog), -EINVAL);
	snprintf(path, sizeof(path), "%s/fifo", space);
	assert_int_equal(mkfifo(path, 0755), 0);
	assert_int_equal(program_find(cwd, "./fifo", &prog), -EINVAL);
	put(space, "huge", "#!/bin/sh\n", 0755);
	snprintf(path, sizeof(path), "%s/huge", space);
	assert_int_equal(truncate(path, 1L << 40), 0);
	assert_int_equal(program_find(cwd, "./huge", &prog), -EFBIG);
	assert_int_equal(program_find(cwd, "env", &prog), 0);
	assert_false(prog.copied);
	assert_string_equal(strrchr(prog.path, '/'), "/env");
	program_done(&prog);
}

static void test_an_entry_without_a_command_says_what_to_do(void **state)
{
	declare("");
	assert_int_equal(pull_unasked(), -EINVAL);
	assert_non_null(strstr(res.why, "yourself"));
	declare("command = {'no-such-program-of-ours'}");
	assert_int_equal(pull_unasked(), -ENOENT);
	assert_untouched();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
		T(test_nothing_runs_without_a_yes),
		T(test_every_change_needs_a_new_yes),
		T(test_an_old_hash_confirms_nothing_new),
		T(test_what_is_shown_is_the_whole_command_and_moves_no_cursor),
		T(test_a_program_that_is_changed_after_the_yes_runs_as_it_was),
		T(test_a_long_command_is_heard_of_each_second),
		T(test_programs_are_found_where_they_should_be_and_nowhere_else),
		T(test_an_entry_without_a_command_says_what_to_do),
	};
	int pair[2];

	/* Signals as they are for the tests themselves: a descriptor that never says anything. */
	if (pipe2(pair, O_CLOEXEC) < 0)
		return 1;
	watch = pair[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
