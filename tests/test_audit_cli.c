/* "tazfs audit" as a user calls it, on copies of a log. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "tazfs/audit.h"
#include "tazfs/audit_log.h"

extern char **environ;

struct fixture {
	char dir[64], old[96], log[96], key[96], copy[96]; /* paths */
	int dirfd, status;
	char out[256 * 1024]; /* of the last call: both streams */
};

static void note(struct audit *a, unsigned verdict, const char *path)
{
	struct audit_record r = {
		.verdict = verdict, .op = "open", .path = path, .pid = 41, .exe = "/usr/bin/cat"
	};

	audit_note(a, &r, NULL, NULL);
}

/* A log of two files, the second of which has few lines. */
static void make_log(struct fixture *x)
{
	struct audit_limits lim = { .file_bytes = AUDIT_FILE_BYTES_MIN, .per_process = 100000 };
	struct audit *a;
	char path[32];

	assert_int_equal(audit_new(x->dirfd, &lim, &a), 0);
	for (int i = 0; faccessat(x->dirfd, "audit.1", F_OK, 0) < 0; i++) {
		snprintf(path, sizeof(path), "file-%d", i);
		note(a, AUDIT_ALLOW, path);
		if (i % 50 == 0)
			assert_int_equal(audit_flush(a), 0);
	}
	note(a, AUDIT_DENY, "ssh/\x1b[31mid");
	for (int i = 0; i < 3; i++)
		note(a, AUDIT_HIDE, "kube/config");
	assert_int_equal(audit_end(a), 0);
	audit_free(a);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	snprintf(x->dir, sizeof(x->dir), "/var/tmp/taz-audit-cli.XXXXXX");
	if (!mkdtemp(x->dir))
		return -1;
	x->dirfd = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(x->old, sizeof(x->old), "%s/audit.1", x->dir);
	snprintf(x->log, sizeof(x->log), "%s/audit.log", x->dir);
	snprintf(x->key, sizeof(x->key), "%s/audit.key", x->dir);
	snprintf(x->copy, sizeof(x->copy), "%s/copy", x->dir);
	make_log(x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	unlink(x->old);
	unlink(x->log);
	unlink(x->key);
	unlink(x->copy);
	close(x->dirfd);
	rmdir(x->dir);
	free(x);
	return 0;
}

static pid_t begin(const char *const *args, int *ret_out)
{
	char *argv[16] = { (char *)TAZFS, "audit" };
	posix_spawn_file_actions_t actions;
	int p[2];
	pid_t pid;

	for (int i = 0; args[i]; i++)
		argv[i + 2] = (char *)args[i];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, p[1], 1);
	posix_spawn_file_actions_adddup2(&actions, p[1], 2);
	assert_int_equal(posix_spawn(&pid, TAZFS, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(p[1]);
	*ret_out = p[0];
	return pid;
}

/* Returns the exit status. */
static int call(struct fixture *x, const char *const *args)
{
	autoclose int out = -EBADF;
	pid_t pid = begin(args, &out);
	ssize_t n = io_read_full(out, x->out, sizeof(x->out) - 1);

	assert_true(n >= 0);
	x->out[n] = '\0';
	assert_int_equal(waitpid(pid, &x->status, 0), pid);
	assert_true(WIFEXITED(x->status));
	return WEXITSTATUS(x->status);
}

#define CALL(x, ...) call(x, (const char *const[]){ __VA_ARGS__, NULL })

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void shows(const struct fixture *x, const char *what)
{
	if (!strstr(x->out, what))
		fail_msg("not shown: %s in: %.2000s", what, x->out);
}

static void test_a_log_is_shown_a_line_a_decision_without_colour_in_a_pipe(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(CALL(x, "--file", x->log), 0);
	shows(x, "a file of the log begins");
	shows(x, "deny   open      ssh/\\x1b[31mid  /usr/bin/cat[41]  (no rule)\n");
	shows(x, "hide   open      kube/config  /usr/bin/cat[41]  (3 times until ");
	shows(x, "the view is locked\n");
	assert_null(strchr(x->out, '\033'));
}

static void test_denied_and_since_choose_lines(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(CALL(x, "--denied", "--file", x->log), 0);
	assert_int_equal(count(x->out, "\n"), 2);
	assert_int_equal(CALL(x, "--denied", "--since", "1h", "--file", x->log), 0);
	assert_int_equal(count(x->out, "\n"), 2);
	assert_int_equal(CALL(x, "--since", "2500-01-01", "--file", x->log), 0);
	assert_string_equal(x->out, "");
	assert_int_equal(CALL(x, "--since", "tomorrow", "--file", x->log), 2);
	shows(x, "--since 'tomorrow' is no time: say 10m");
}

static void test_json_gives_the_lines_as_they_are(void **state)
{
	struct fixture *x = *state;
	static char file[256 * 1024];
	autoclose int fd = open(x->log, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, file, sizeof(file));

	while (n > 1 && file[n - 2] == '\n')
		n--;
	file[n] = '\0';
	assert_int_equal(CALL(x, "--json", "--file", x->log), 0);
	assert_string_equal(x->out, file);
}

static void test_files_that_are_whole_are_said_to_be(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(CALL(x, "verify", "--key", x->key, x->old, x->log), 0);
	shows(x, "whole: ");
	shows(x, "number 1 to ");
	assert_int_equal(CALL(x, "verify", "--key", x->key, x->log), 0);
	shows(x, "are not there: rotated away, or removed");
	assert_int_equal(CALL(x, "verify", "--json", "--key", x->key, x->log), 0);
	shows(x, "{\"whole\":true,");
}

/* What --json gives, of all files, is a log too. */
static void test_a_copy_made_with_json_can_be_checked(void **state)
{
	struct fixture *x = *state;
	autoclose int fd = open(x->copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(CALL(x, "--json", "--file", x->old), 0);
	assert_int_equal(io_write_full(fd, x->out, strlen(x->out)), 0);
	assert_int_equal(CALL(x, "--json", "--file", x->log), 0);
	assert_int_equal(io_write_full(fd, x->out, strlen(x->out)), 0);
	assert_int_equal(CALL(x, "verify", "--key", x->key, x->copy), 0);
}

static void test_a_change_is_named_with_file_and_line(void **state)
{
	struct fixture *x = *state;
	autoclose int fd = open(x->log, O_RDWR | O_CLOEXEC);
	char text[8192], *at;

	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	text[sizeof(text) - 1] = '\0';
	at = strstr(strchr(text, '\n') + 1, "allow");
	assert_int_equal(pwrite(fd, "alloy", 5, at - text), 5);
	assert_int_equal(CALL(x, "verify", "--key", x->key, x->old, x->log), 1);
	shows(x, "/audit.log, line 2: it was changed");
	assert_int_equal(CALL(x, "verify", "--json", "--key", x->key, x->old, x->log), 1);
	shows(x, "\"whole\":false");
	shows(x, "\"line\":2,");
}

static void test_a_wrong_order_of_files_a_short_log_and_a_bad_key_are_said(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(CALL(x, "verify", "--key", x->key, x->log, x->old), 1);
	shows(x, "/audit.1, line 1: it does not continue the file before it");
	assert_int_equal(CALL(x, "verify", "--until", "1000000", "--key", x->key, x->log), 1);
	shows(x, "ends too early");
	assert_int_equal(CALL(x, "verify", "--key", x->log, x->log), 1);
	shows(x, "holds no key");
	assert_int_equal(CALL(x, "verify", "--key", x->key, x->key), 1);
	shows(x, "line 1: no line of a log");
}

static void test_what_is_missing_on_the_command_line_is_said(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(CALL(x, "verify", x->log), 2);
	shows(x, "--key FILE");
	assert_int_equal(CALL(x, "--file", "/does/not/exist"), 1);
	shows(x, "/does/not/exist");
	assert_int_equal(CALL(x, "--what"), 2);
	assert_int_equal(CALL(x, "verify", "--until", "5x", "--key", x->key, x->log), 2);
	assert_int_equal(CALL(x, "a", "b"), 2);
	assert_int_equal(CALL(x, "--help"), 0);
	shows(x, "Example:");
}

static void test_lines_of_somebody_else_are_shown_without_their_bytes(void **state)
{
	struct fixture *x = *state;
	autoclose int fd = open(x->copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(io_write_full(fd, "\033[2J\xff{}\n", 8), 0);
	assert_int_equal(CALL(x, "--file", x->copy), 0);
	assert_string_equal(x->out, "not understood: \\x1b[2J\\xff{}\n");
	assert_int_equal(CALL(x, "--denied", "--file", x->copy), 0);
	assert_string_equal(x->out, "");
}

static void test_follow_shows_what_is_added(void **state)
{
	struct fixture *x = *state;
	autoclose int fd = open(x->copy, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	autoclose int out = -EBADF;
	static const char line[] =
		"{\"time\":\"2026-01-31T08:15:00.123456789Z\",\"verdict\":\"deny\","
		"\"path\":\"a\",\"count\":1}\n";
	pid_t pid = begin((const char *const[]){ "--follow", "--file", x->copy, NULL }, &out);
	char buf[512];

	for (int i = 0; i < 3; i++) {
		ssize_t n;

		assert_int_equal(io_write_full(fd, line, sizeof(line) - 1), 0);
		n = read(out, buf, sizeof(buf) - 1);
		assert_true(n > 0);
		buf[n] = '\0';
		assert_int_equal(count(buf, "deny"), 1);
	}
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &x->status, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_log_is_shown_a_line_a_decision_without_colour_in_a_pipe),
		T(test_denied_and_since_choose_lines),
		T(test_json_gives_the_lines_as_they_are),
		T(test_files_that_are_whole_are_said_to_be),
		T(test_a_copy_made_with_json_can_be_checked),
		T(test_a_change_is_named_with_file_and_line),
		T(test_a_wrong_order_of_files_a_short_log_and_a_bad_key_are_said),
		T(test_what_is_missing_on_the_command_line_is_said),
		T(test_lines_of_somebody_else_are_shown_without_their_bytes),
		T(test_follow_shows_what_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
