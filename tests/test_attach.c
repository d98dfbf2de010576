/* The host's prompt on a real terminal, against a double of the relay: A14's list. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "enclave/base/run.h"
#include "tests/attach_fixture.h"

static void test_the_right_words_open_and_a_terminal_is_relayed(void **state)
{
	struct fixture *f = at_prompt(0);
	struct frame fr;

	TYPE(f, "correct horse\n");
	expect_box(f, "correct horse");
	verdict(f, 0, 0);
	assert_int_equal(stream_wait(f->relay, &fr, 5000), 1);
	assert_int_equal(fr.type, FRAME_WINCH);
	assert_int_equal(stream_send(f->relay, FRAME_STDOUT, "hello", 5), 0);
	see(f, "hello");
	TYPE(f, "\003");
	assert_int_equal(stream_wait(f->relay, &fr, 5000), 1);
	assert_int_equal(fr.type, FRAME_STDIN);
	assert_int_equal(fr.data[0], 3);
	assert_int_equal(stream_send_u32(f->relay, FRAME_EXIT, 42), 0);
	assert_int_equal(run_wait(f->host), 42);
	expect_echo_is_back(f);
	assert_null(strstr(f->seen, "correct"));
	done(f);
}

static void test_a_new_vault_is_asked_twice_and_they_must_match(void **state)
{
	struct fixture *f = at_prompt(1);

	TYPE(f, "one\n");
	see(f, "again");
	TYPE(f, "two\n");
	see(f, "not the same");
	see(f, "assphrase");
	TYPE(f, "three\n");
	see(f, "again");
	TYPE(f, "three\n");
	expect_box(f, "three");
	verdict(f, -EPERM, 0);
	assert_int_equal(run_wait(f->host), 1);
	expect_echo_is_back(f);
	done(f);
}

static void test_three_mismatches_give_up(void **state)
{
	struct fixture *f = at_prompt(1);

	for (int i = 0; i < 3; i++) {
		TYPE(f, "one\n");
		see(f, "again");
		TYPE(f, "two\n");
		see(f, "not the same");
		if (i < 2)
			see(f, "assphrase");
	}
	expect_refusal(f);
}

static void test_a_wrong_one_is_asked_again_while_the_other_side_says_so(void **state)
{
	struct fixture *f = at_prompt(0);

	TYPE(f, "wrong\n");
	expect_box(f, "wrong");
	verdict(f, -EPERM, 1);
	see(f, "wrong ?passphrase");
	ask(f, 0, 2);
	see(f, "Passphrase");
	TYPE(f, "wrong too\n");
	expect_box(f, "wrong too");
	verdict(f, -EPERM, 0);
	assert_int_equal(run_wait(f->host), 1);
	expect_echo_is_back(f);
	done(f);
}

static void test_ctrl_c_is_a_refusal(void **state)
{
	struct fixture *f = at_prompt(0);

	TYPE(f, "half\003");
	expect_refusal(f);
}

static void test_ctrl_d_is_a_refusal(void **state)
{
	struct fixture *f = at_prompt(0);

	TYPE(f, "\004");
	expect_refusal(f);
}

static void test_an_empty_line_is_a_refusal(void **state)
{
	struct fixture *f = at_prompt(1);

	TYPE(f, "\n");
	expect_refusal(f);
}

static void test_a_nul_inside_is_a_refusal(void **state)
{
	struct fixture *f = at_prompt(0);

	TYPE(f, "be\0fore\n");
	expect_refusal(f);
}

static void test_a_line_of_a_megabyte_is_a_refusal(void **state)
{
	struct fixture *f = at_prompt(0);
	static char line[4000];

	/* A terminal keeps 4095 bytes of a line at most; what comes after is dropped by it. */
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 260; i++)
		type(f, line, sizeof(line));
	TYPE(f, "\n");
	expect_refusal(f);
}

static void test_513_bytes_are_a_refusal_and_512_are_not(void **state)
{
	char line[514];

	for (int n = 512; n <= 513; n++) {
		struct fixture *f = at_prompt(0);

		memset(line, 'x', n);
		line[n] = '\0';
		type(f, line, n);
		TYPE(f, "\n");
		if (n == 513) {
			expect_refusal(f);
			continue;
		}
		expect_box(f, line);
		verdict(f, -EPERM, 0);
		assert_int_equal(run_wait(f->host), 1);
		done(f);
	}
}

static void test_a_terminal_that_hangs_up_is_a_refusal(void **state)
{
	struct fixture *f = at_prompt(0);

	TYPE(f, "half");
	close(f->slave);
	close(f->master);
	f->slave = f->master = -1;
	expect_box(f, NULL);
	assert_int_not_equal(run_wait(f->host), 0);
	done(f);
}

static void test_signals_at_the_prompt_restore_the_echo(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGQUIT, SIGINT };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct fixture *f = at_prompt(0);

		kill(f->host, signals[i]);
		assert_int_equal(run_wait(f->host), 128 + signals[i]);
		expect_echo_is_back(f);
		done(f);
	}
}

static void test_ctrl_z_at_the_prompt_is_no_way_past_it(void **state)
{
	struct fixture *f = at_prompt(0);
	int status;

	signal(SIGTTOU, SIG_IGN);
	TYPE(f, "\032");
	/* An orphaned process group does not stop (setpgid(2)); either way nothing is sealed. */
	if (waitpid(f->host, &status, WUNTRACED | WNOHANG) == f->host && WIFSTOPPED(status))
		kill(f->host, SIGCONT);
	see(f, "assphrase");
	wait_until_it_reads(f);
	TYPE(f, "\003");
	expect_refusal(f);
}

static void test_without_a_terminal_nothing_is_asked(void **state)
{
	struct fixture *f = start(false, -1);

	expect_request(f);
	ask(f, 0, 1);
	expect_box(f, NULL);
	assert_int_equal(run_wait(f->host), 1);
	done(f);
}

static int pipe_with(const void *text, size_t n)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(io_write_full(p[1], text, n), 0);
	close(p[1]);
	return p[0];
}

static void test_a_descriptor_gives_one_attempt(void **state)
{
	int fd = pipe_with("from a pipe\n", 12);
	struct fixture *f = start(false, fd);

	close(fd);
	expect_request(f);
	ask(f, 1, 1);
	expect_box(f, "from a pipe");
	verdict(f, -EPERM, 1);
	assert_int_equal(run_wait(f->host), 1);
	done(f);
}

static void test_bad_contents_of_a_descriptor_send_nothing(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} bad[] = { { "", 0 }, { "\n", 1 }, { "a\0b", 3 }, { "a\nb\n", 4 } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int fd = pipe_with(bad[i].text, bad[i].n);
		struct fixture *f = start(false, fd);
		struct frame fr;

		close(fd);
		assert_int_equal(stream_wait(f->relay, &fr, 5000), -ECONNRESET);
		assert_int_equal(run_wait(f->host), 1);
		done(f);
	}
}

static void test_a_relay_that_goes_away_is_an_error(void **state)
{
	struct fixture *f = at_prompt(0);

	TYPE(f, "right\n");
	expect_box(f, "right");
	stream_free(f->relay);
	f->relay = NULL;
	assert_int_equal(run_wait(f->host), 1);
	expect_echo_is_back(f);
	done(f);
}

static void test_an_ask_after_the_start_is_refused(void **state)
{
	struct fixture *f = at_prompt(0);

	TYPE(f, "right\n");
	expect_box(f, "right");
	verdict(f, 0, 0);
	ask(f, 0, 1);
	assert_int_equal(run_wait(f->host), 1);
	expect_echo_is_back(f);
	done(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_right_words_open_and_a_terminal_is_relayed),
		cmocka_unit_test(test_a_new_vault_is_asked_twice_and_they_must_match),
		cmocka_unit_test(test_three_mismatches_give_up),
		cmocka_unit_test(test_a_wrong_one_is_asked_again_while_the_other_side_says_so),
		cmocka_unit_test(test_ctrl_c_is_a_refusal),
		cmocka_unit_test(test_ctrl_d_is_a_refusal),
		cmocka_unit_test(test_an_empty_line_is_a_refusal),
		cmocka_unit_test(test_a_nul_inside_is_a_refusal),
		cmocka_unit_test(test_a_line_of_a_megabyte_is_a_refusal),
		cmocka_unit_test(test_513_bytes_are_a_refusal_and_512_are_not),
		cmocka_unit_test(test_a_terminal_that_hangs_up_is_a_refusal),
		cmocka_unit_test(test_signals_at_the_prompt_restore_the_echo),
		cmocka_unit_test(test_ctrl_z_at_the_prompt_is_no_way_past_it),
		cmocka_unit_test(test_without_a_terminal_nothing_is_asked),
		cmocka_unit_test(test_a_descriptor_gives_one_attempt),
		cmocka_unit_test(test_bad_contents_of_a_descriptor_send_nothing),
		cmocka_unit_test(test_a_relay_that_goes_away_is_an_error),
		cmocka_unit_test(test_an_ask_after_the_start_is_refused),
	};

	alarm(120); /* a hang is a failure */
	return cmocka_run_group_tests_name("attach", tests, NULL, NULL);
}
