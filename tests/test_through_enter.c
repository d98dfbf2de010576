/* A person's session in a workshop elsewhere: the host's end on a real terminal, COMMAND's pipes in
 * between, and a double of the relay behind the real agent-stream. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/question.h"
#include "enclave/base/run.h"
#include "launcher/frame_io.h"
#include "launcher/question.h"
#include "launcher/through.h"
#include "tests/attach_fixture.h"
#include "tests/through_fixture.h"

#define PASS "correct horse"

static int setup(void **state)
{
	return through_begin();
}

static int teardown(void **state)
{
	return through_end();
}

static void next_frame(struct fixture *f, uint32_t type, struct frame *fr)
{
	assert_int_equal(stream_wait(f->relay, fr, 5000), 1);
	assert_int_equal(fr->type, type);
}

/* The host's end waits for a passphrase; both directions are kept. */
static struct fixture *at_prompt_through(void)
{
	uint8_t hello[FRAME_HEADER + 4] = { 0 };
	struct fixture *f;
	int sock, host, relay;

	command_is("cd ${0%/*}; tee in | agent | tee out");
	sock = msg_listen(through_sock, 0600, SOCK_STREAM);
	assert_true(sock >= 0);
	host = through_start(through_script);
	assert_true(host >= 0);
	relay = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
	assert_true(relay >= 0);
	close(sock);
	frame_header(hello, FRAME_HELLO, 4);
	memcpy(hello + FRAME_HEADER, FRAME_HELLO_TEXT, 4);
	assert_int_equal(io_write_full(relay, hello, sizeof(hello)), 0);
	assert_int_equal(frame_hello_wait(host, 5000), 0);
	f = start_on(true, -1, host, relay);
	expect_request(f);
	ask(f, 0, 1);
	see(f, "assphrase");
	wait_until_it_reads(f);
	return f;
}

static void resize(struct fixture *f, unsigned short rows, unsigned short cols)
{
	struct winsize ws = { .ws_row = rows, .ws_col = cols };

	assert_int_equal(ioctl(f->master, TIOCSWINSZ, &ws), 0);
}

static void expect_size(struct fixture *f, unsigned rows, unsigned cols)
{
	struct frame fr;

	next_frame(f, FRAME_WINCH, &fr);
	assert_int_equal(frame_u32(&fr), rows | cols << 16);
}

static struct fixture *running(void)
{
	struct fixture *f = at_prompt_through();

	resize(f, 24, 80);
	TYPE(f, PASS "\n");
	expect_box(f, PASS);
	verdict(f, 0, 0);
	expect_size(f, 24, 80);
	assert_int_equal(stream_send(f->relay, FRAME_STDOUT, "hello", 5), 0);
	see(f, "hello");
	return f;
}

static void finish(struct fixture *f)
{
	assert_int_equal(stream_send_u32(f->relay, FRAME_EXIT, 42), 0);
	assert_int_equal(run_wait(f->host), 42);
	expect_echo_is_back(f);
	done(f);
	assert_nobody_left(2000);
}

static size_t recorded(const char *name, char *buf, size_t size)
{
	char path[128];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", through_dir, name);
	n = io_read_text(AT_FDCWD, path, buf, size);
	assert_true(n > 0);
	return (size_t)n;
}

static void test_the_passphrase_crosses_as_a_box_and_what_is_typed_later_as_it_is(void **state)
{
	static char in[65536], out[65536];
	struct fixture *f = running();
	struct frame fr;
	size_t n;

	TYPE(f, "typed");
	next_frame(f, FRAME_STDIN, &fr);
	assert_memory_equal(fr.data, "typed", 5);
	finish(f);
	n = recorded("in", in, sizeof(in));
	assert_non_null(memmem(in, n, "typed", 5));
	assert_null(memmem(in, n, PASS, strlen(PASS)));
	n = recorded("out", out, sizeof(out));
	assert_non_null(memmem(out, n, "hello", 5));
	assert_null(memmem(out, n, PASS, strlen(PASS)));
}

static void test_a_wrong_one_is_asked_again_and_ctrl_c_is_a_refusal(void **state)
{
	struct fixture *f = at_prompt_through();

	TYPE(f, "wrong\n");
	expect_box(f, "wrong");
	verdict(f, -EPERM, 1);
	see(f, "wrong ?passphrase");
	ask(f, 0, 2);
	see(f, "assphrase");
	wait_until_it_reads(f);
	TYPE(f, "half\003");
	expect_refusal(f);
	assert_nobody_left(2000);
}

static void test_a_change_of_the_windows_size_goes_in(void **state)
{
	struct fixture *f = running();

	resize(f, 50, 132);
	expect_size(f, 50, 132);
	finish(f);
}

static void test_ctrl_c_is_a_key_of_the_program_and_ends_nothing_here(void **state)
{
	struct fixture *f = running();
	struct frame fr;

	TYPE(f, "\003");
	next_frame(f, FRAME_STDIN, &fr);
	assert_int_equal(fr.len, 1);
	assert_int_equal(fr.data[0], 3);
	assert_int_equal(kill(f->host, 0), 0);
	assert_true(others() > 0);
	finish(f);
}

static void test_a_question_is_asked_here_and_only_the_answer_crosses(void **state)
{
	static struct question_put put = { .id = 5, .q = { .may = 1, .pid = 7, .hashed = 1 } };
	struct fixture *f = running();
	struct question_reply m;
	struct frame fr;

	strcpy(put.q.path, "kube/config");
	strcpy(put.q.exe, "/usr/bin/kubectl");
	assert_int_equal(stream_send(f->relay, FRAME_QUESTION, &put, sizeof(put)), 0);
	see(f, "kube/config");
	msleep(QUESTION_QUIET_MS + 200);
	TYPE(f, "o\r");
	next_frame(f, FRAME_ANSWER, &fr);
	memcpy(&m, fr.data, sizeof(m));
	assert_int_equal(m.id, 5);
	assert_int_equal(m.answer, QUESTION_ONCE);
	see(f, "\033[?1049l");
	finish(f);
}

/* The stream ends, however the host's end goes; and nothing stays behind. */
static void expect_end(struct fixture *f)
{
	struct frame fr;
	int r;

	do
		r = stream_wait(f->relay, &fr, 2000);
	while (r == 1);
	assert_int_equal(r, -ECONNRESET);
	run_wait(f->host);
	done(f);
	assert_nobody_left(2000);
}

static void test_a_closed_terminal_hangs_up(void **state)
{
	struct fixture *f = running();

	close(f->slave);
	close(f->master);
	f->slave = f->master = -1;
	expect_end(f);
}

static void test_a_killed_host_hangs_up(void **state)
{
	struct fixture *f = running();

	kill(f->host, SIGKILL);
	expect_end(f);
}

/* Raw mode must not outlive the way: the terminal is as before, and a person is told. */
static void test_a_killed_command_gives_the_terminal_back(void **state)
{
	struct fixture *f = running();

	kill(command_pid(), SIGKILL);
	see(f, "has gone away");
	assert_int_equal(run_wait(f->host), 1);
	expect_echo_is_back(f);
	done(f);
	assert_nobody_left(2000);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		T(test_the_passphrase_crosses_as_a_box_and_what_is_typed_later_as_it_is),
		T(test_a_wrong_one_is_asked_again_and_ctrl_c_is_a_refusal),
		T(test_a_change_of_the_windows_size_goes_in),
		T(test_ctrl_c_is_a_key_of_the_program_and_ends_nothing_here),
		T(test_a_question_is_asked_here_and_only_the_answer_crosses),
		T(test_a_closed_terminal_hangs_up),
		T(test_a_killed_host_hangs_up),
		T(test_a_killed_command_gives_the_terminal_back),
	};

	through_role(argc, argv);
	alarm(120); /* a hang is a failure */
	if (geteuid() != 0)
		return 77; /* agent-stream serves root only */
	return cmocka_run_group_tests_name("through_enter", tests, NULL, NULL);
}
