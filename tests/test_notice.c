#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pty.h>
#include <sys/wait.h>

#include "enclave/notice.h"

static void test_what_is_packed_comes_out_again(void **state)
{
	static const unsigned idles[] = { 0, 1, 900, 86400 };
	struct notice n, out;

	for (int why = 0; why < NOTICE_WHYS; why++)
		for (size_t i = 0; i < sizeof(idles) / sizeof(*idles); i++)
			for (int lost = 0; lost < 2; lost++) {
				n = (struct notice){ why, lost, idles[i] };
				assert_int_equal(notice_unpack(notice_pack(&n), &out), 0);
				assert_int_equal(out.why, why);
				assert_int_equal(out.not_saved, lost);
				assert_int_equal(out.idle_sec, idles[i]);
			}
	n = (struct notice){ NOTICE_IDLE, true, UINT32_MAX };
	assert_true(notice_pack(&n) > 0);
	assert_int_equal(notice_unpack(notice_pack(&n), &out), 0);
	assert_true(out.idle_sec > 86400 * 365 && out.not_saved);
}

static void test_a_value_that_is_no_notice_is_refused(void **state)
{
	static const int wrong[] = { -1, INT32_MIN, NOTICE_WHYS, 7, 15 };
	struct notice out;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(notice_unpack(wrong[i], &out), -22);
}

static void test_the_line_says_why_and_what_to_do(void **state)
{
	static const struct {
		struct notice n;
		const char *text;
	} table[] = {
		{ { NOTICE_IDLE, false, 900 },
		  "taz: locked after 15 min without use; 'enclave unlock' opens it again" },
		{ { NOTICE_IDLE, false, 90 },
		  "taz: locked after 90 s without use; 'enclave unlock' opens it again" },
		{ { NOTICE_ASKED, false, 900 },
		  "taz: locked as somebody outside of this session asked; 'enclave unlock' opens it "
		  "again" },
		{ { NOTICE_STOP, false, 0 },
		  "taz: locked because the workshop stops; 'tazlaunch enter' starts it again" },
		{ { NOTICE_FAULT, true, 0 },
		  "taz: locked because the view is gone or stopped; NOT SAVED: do not stop the workshop; "
		  "'enclave status' tells more" },
	};
	char text[200];

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		notice_text(&table[i].n, text, sizeof(text));
		assert_string_equal(text, table[i].text);
	}
}

/* notice_show() with @fd as standard error; in a child, so that ours stays. */
static void shown_on(int fd)
{
	const struct notice n = { NOTICE_IDLE, false, 60 };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		alarm(10); /* it never blocks */
		dup2(fd, STDERR_FILENO);
		notice_show(&n);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_it_is_shown_on_a_terminal_and_never_in_a_pipe(void **state)
{
	char text[200] = "";
	int pty, tty, fds[2];
	struct termios raw;

	assert_int_equal(openpty(&pty, &tty, NULL, NULL, NULL), 0);
	tcgetattr(tty, &raw);
	cfmakeraw(&raw);
	tcsetattr(tty, TCSANOW, &raw);
	shown_on(tty);
	assert_true(read(pty, text, sizeof(text) - 1) > 0);
	assert_string_equal(
		text,
		"\r\ntaz: locked after 1 min without use; 'enclave unlock' opens it again\r\n");
	assert_int_equal(pipe(fds), 0);
	shown_on(fds[1]);
	close(fds[1]);
	assert_int_equal(read(fds[0], text, sizeof(text)), 0);
	close(fds[0]);
	close(pty);
	close(tty);
}

static void test_a_terminal_that_takes_nothing_does_not_block(void **state)
{
	int pty, tty, status;
	pid_t pid;

	assert_int_equal(openpty(&pty, &tty, NULL, NULL, NULL), 0);
	assert_int_equal(tcflow(tty, TCOOFF), 0); /* ^S */
	pid = fork();
	if (pid == 0) {
		alarm(10);
		dup2(tty, STDERR_FILENO);
		notice_show(&(struct notice){ NOTICE_ASKED, false, 0 });
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(pty);
	close(tty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_packed_comes_out_again),
		cmocka_unit_test(test_a_value_that_is_no_notice_is_refused),
		cmocka_unit_test(test_the_line_says_why_and_what_to_do),
		cmocka_unit_test(test_it_is_shown_on_a_terminal_and_never_in_a_pipe),
		cmocka_unit_test(test_a_terminal_that_takes_nothing_does_not_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
