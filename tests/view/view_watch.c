/* "tazfs watch" on a running view and a terminal: what a person sees, and who may. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "watcher.h"

static void test_what_happens_is_seen_while_it_does_and_repeats_are_one_row(void **state)
{
	const char *row;

	refused("ssh/id", 3);
	watch();
	row = sees("ssh/id");
	assert_non_null(strstr(row, " !deny   3 "));
	assert_non_null(strstr(row, "view_watch["));
	assert_null(vt52_row(&w.shown, "note"));
	allowed("note");
	assert_non_null(strstr(sees(" note "), "  allow  1 "));
	assert_false(w.shown.strange);
	quits();
}

static void test_answers_are_listed_and_what_cannot_be_taken_back_is_said(void **state)
{
	watch();
	sees("q quit");
	type("a");
	sees("no answer of a person counts now");
	type("r7\r");
	sees("no answer has the number 7");
	sees("no answer of a person counts now");
	type(" q"); /* further, and back */
	sees("q quit");
	quits();
}

static void test_a_text_is_looked_for_and_escape_shows_all_again(void **state)
{
	refused("ssh/id", 1);
	allowed("note");
	watch();
	sees("ssh/id");
	sees(" note ");
	type("/note\r");
	sees_no_more("ssh/id");
	sees("/note  ");
	type("\033");
	sees("ssh/id");
	quits();
}

static int open_many(void *arg)
{
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "ssh/flood-%d-", i);
		if (open(path_in(&w.view, name), O_WRONLY | O_CREAT, 0600) >= 0 || errno != EACCES)
			return -errno;
	}
	return 0;
}

static void test_a_flood_is_counted_and_holds_up_no_key(void **state)
{
	watch();
	assert_int_equal(as(MEMBER, open_many, NULL), 0);
	refused("ssh/id", 5000);
	sees("ssh/id");
	sees(" 5000 ");
	type("/flood-0-\r");
	sees("1 of 10");
	quits();
}

static void test_denied_begins_with_what_was_not_allowed(void **state)
{
	refused("ssh/id", 1);
	allowed("note");
	watch_with((char *[]){ "TERM=vt52", NULL }, "--denied");
	sees("ssh/id");
	assert_null(vt52_row(&w.shown, " note "));
	quits();
}

static void test_a_row_is_told_whole_and_a_rule_is_made_of_it(void **state)
{
	allowed("note");
	watch();
	sees(" note ");
	type("/note\r\r");
	sees("view_watch["); /* of the chain */
	sees("rule 3");
	type("x");
	sees("q quit");
	type("d");
	sees("deny  session exe=");
	sees("has been changed");
	type("x?");
	sees("To watch keeps no vault open");
	type("q");
	sees("q quit");
	quits();
}

static void test_a_hostile_name_commands_no_terminal(void **state)
{
	refused("ssh/\033[2J\033]0;owned\a\xff\xe2\x80\xae", 1);
	watch();
	sees("ssh/\\x1b[2J");
	type("\r");
	sees("owned\\x07\\xff\\xe2\\x80");
	assert_false(w.shown.strange);
	type("x");
	quits();
}

static void test_a_lock_is_told_and_what_was_shown_is_forgotten(void **state)
{
	refused("ssh/id", 1);
	watch();
	sees("ssh/id");
	assert_int_equal(fixture_lock(&w.view), 0);
	sees("has been forgotten");
	sees_no_more("ssh/id");
	quits();
}

static void test_a_view_that_is_killed_is_told_too(void **state)
{
	watch();
	sees("the view starts");
	kill(w.view.view, SIGKILL);
	sees("has been forgotten");
	quits();
}

static void test_a_lock_that_nobody_does_is_told(void **state)
{
	watch();
	sees("the view starts");
	type("l");
	sees("Lock the vault now");
	type("n");
	sees("q quit");
	type("ly");
	sees("no keeper");
	quits();
}

/* Not forked to a terminal of its own. Returns less its exit code. */
static int watch_on(void *arg)
{
	const int *fds = arg;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			dup2(fds[i], i);
		alarm(10); /* on nothing it would go on for ever */
		fexecve(w.program, (char *[]){ "tazfs", "watch", w.view.mnt, NULL },
			(char *[]){ "TERM=vt52", NULL });
		_exit(126);
	}
	return waitpid(pid, &status, 0) == pid ? -WEXITSTATUS(status) : -1000;
}

static void test_without_a_terminal_it_is_refused(void **state)
{
	autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	autoclose int out = memfd_create("out", MFD_CLOEXEC);
	int fds[3] = { null, null, out };
	char text[512] = "";

	assert_int_equal(as(MEMBER, watch_on, fds), -2);
	assert_true(pread(out, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "must be a terminal; 'tazfs audit --follow'"));
}

/* On a terminal, but in no session; root is refused by the kernel, before it asks us. */
static void test_nobody_outside_watches(void **state)
{
	int slave;

	refused("ssh/id", 1);
	vt52_init(&w.shown, ROWS, COLS);
	assert_int_equal(openpty(&w.tty, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(as(OUTSIDER, watch_on, (int[]){ slave, slave, slave }), -1);
	/* Not on the screen: how long the path before it is decides where its row ends. */
	for (int i = 0; i < 50 && !was_written("may not look at it"); i++)
		look(100);
	assert_true(was_written("may not look at it"));
	assert_int_equal(as(ROOT_OUTSIDE, watch_on, (int[]){ slave, slave, slave }), -1);
	look(100);
	close(slave);
	assert_false(was_written("ssh/id"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, watcher_setup, watcher_teardown)
		T(test_what_happens_is_seen_while_it_does_and_repeats_are_one_row),
		T(test_answers_are_listed_and_what_cannot_be_taken_back_is_said),
		T(test_a_text_is_looked_for_and_escape_shows_all_again),
		T(test_a_flood_is_counted_and_holds_up_no_key),
		T(test_denied_begins_with_what_was_not_allowed),
		T(test_a_row_is_told_whole_and_a_rule_is_made_of_it),
		T(test_a_hostile_name_commands_no_terminal),
		T(test_a_lock_is_told_and_what_was_shown_is_forgotten),
		T(test_a_view_that_is_killed_is_told_too),
		T(test_a_lock_that_nobody_does_is_told),
		T(test_without_a_terminal_it_is_refused),
		T(test_nobody_outside_watches),
	};

	return cmocka_run_group_tests(tests, watcher_program, NULL);
}
