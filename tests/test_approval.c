#include "tests/pull_fixture.h"

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
		"entry token { file = token env = X command = {'./get', 'a', 'b'} }",
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
	struct consent consent = { .hashes = { hash }, .n = 1 };
	struct pull p = { 0 };

	declare_script("#!/bin/sh\necho seen\n");
	find_hash(hash);
	declare_script("#!/bin/sh\necho evil\n");
	assert_int_equal(pull_with(&p, &consent), -EPERM);
	assert_false(consent.used[0]);
	assert_untouched();
}

static int confirm_variable(const char *conf, const char *approve)
{
	struct consent consent = { .hashes = { approve }, .n = approve ? 1 : 0 };
	struct conf_file f = CONF_FILE_NONE;
	struct refusal no;
	struct approval a;
	int r;

	put(space, "secrets.conf", conf, 0644);
	assert_int_equal(conf_file_load(conf_path, &f), 0);
	assert_int_equal(approval_init_env(&f.conf->entries[0], &a), 0);
	r = consent_get(&consent, root, &f.conf->entries[0], &a, "looker", &no);
	snprintf(res.why, sizeof(res.why), "%s", no.why);
	approval_done(&a);
	conf_file_done(&f);
	return r;
}

/* An attacker who may write secrets.conf: the name alone decides what is loaded or started. */
static void test_a_variable_is_confirmed_with_its_command_and_asked_for_when_it_changes(
	void **state)
{
	static const char *const changes[] = {
		"entry token { file = token env = SSLKEYLOGFILE command = {'./get'} }",
		"entry token { file = other env = NOTES command = {'./get'} }",
		"entry token { file = token env = NOTES value = true command = {'./get'} }",
		"entry token { file = token env = SSLKEYLOGFILE }",
	};

	put(space, "get", "#!/bin/sh\necho new\n", 0755);
	put(space, "secrets.conf", "entry token { file = token env = NOTES command = {'./get'} }",
	    0644);
	assert_int_equal(pull_confirmed(0), 0);
	assert_int_equal(confirm_variable("entry token { file = token env = NOTES }", NULL), 0);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		assert_int_equal(confirm_variable(changes[i], NULL), -EPERM);
		assert_non_null(strstr(res.why, "variable has changed"));
		assert_non_null(strstr(res.why, "'looker'"));
	}
	assert_int_equal(confirm_variable("entry b { file = token env = NOTES }", NULL), -EPERM);
	assert_non_null(strstr(res.why, "never confirmed"));
}

static void test_the_hash_of_a_variable_confirms_that_one_only(void **state)
{
	const char *conf = "entry b { file = 'kube/config' env = KUBECONFIG }";
	struct conf_file f = CONF_FILE_NONE;
	struct approval a;

	put(space, "secrets.conf", conf, 0644);
	assert_int_equal(conf_file_load(conf_path, &f), 0);
	assert_int_equal(approval_init_env(&f.conf->entries[0], &a), 0);
	assert_non_null(strstr(a.text, "variable   'KUBECONFIG'\n"));
	assert_non_null(strstr(a.text, "it holds   the file's path\n"));
	assert_non_null(strstr(a.text, "file       'kube/config'\n"));
	assert_int_equal(confirm_variable("entry b { file = 'kube/config' env = EVIL }", a.hash),
			 -EPERM);
	assert_int_equal(confirm_variable(conf, a.hash), 0);
	assert_int_equal(confirm_variable(conf, NULL), 0);
	approval_done(&a);
	conf_file_done(&f);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing_runs_without_a_yes),
		T(test_every_change_needs_a_new_yes),
		T(test_an_old_hash_confirms_nothing_new),
		T(test_a_variable_is_confirmed_with_its_command_and_asked_for_when_it_changes),
		T(test_the_hash_of_a_variable_confirms_that_one_only),
		T(test_what_is_shown_is_the_whole_command_and_moves_no_cursor),
		T(test_a_program_that_is_changed_after_the_yes_runs_as_it_was),
		T(test_a_long_command_is_heard_of_each_second),
		T(test_programs_are_found_where_they_should_be_and_nowhere_else),
		T(test_an_entry_without_a_command_says_what_to_do),
	};

	return watch_nothing() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
