/* A question over a program's terminal: drawn and answered by the host's end, and by nobody else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/run.h"
#include "tests/attach_fixture.h"

#include "enclave/base/question.h"

#define DRAWN	 "then Enter: "
#define QUIET_MS 1000

static void msleep(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static void next_frame(struct fixture *f, enum frame_type type, struct frame *ret)
{
	assert_int_equal(stream_wait(f->relay, ret, 5000), 1);
	assert_int_equal(ret->type, type);
}

/* A session whose program has the terminal. */
static struct fixture *running(unsigned short rows, unsigned short cols)
{
	struct winsize ws = { .ws_row = rows, .ws_col = cols };
	struct fixture *f = at_prompt(0);
	struct frame fr;

	ioctl(f->master, TIOCSWINSZ, &ws);
	TYPE(f, "correct horse\n");
	expect_box(f, "correct horse");
	verdict(f, 0, 0);
	next_frame(f, FRAME_WINCH, &fr);
	assert_int_equal(stream_send(f->relay, FRAME_STDOUT, "hello", 5), 0);
	see(f, "hello");
	return f;
}

static uint32_t offers;

static void question(struct fixture *f, uint32_t id, uint32_t over)
{
	static struct question_put put;

	put = (struct question_put){ .id = id, .over = over };
	if (!over) {
		put.q = (struct question){ .may = 1, .pid = 7, .hashed = 1, .offers = offers };
		strcpy(put.q.path, "kube/\033[31mconfig");
		strcpy(put.q.exe, "/usr/bin/kubectl");
	}
	assert_int_equal(stream_send(f->relay, FRAME_QUESTION, &put, sizeof(put)), 0);
}

static void expect_answer(struct fixture *f, uint32_t id, uint32_t answer)
{
	struct question_reply m;
	struct frame fr;

	next_frame(f, FRAME_ANSWER, &fr);
	memcpy(&m, fr.data, sizeof(m));
	assert_int_equal(m.id, id);
	assert_int_equal(m.answer, answer);
}

static void expect_nothing(struct fixture *f)
{
	struct frame fr;

	assert_int_equal(stream_wait(f->relay, &fr, 100), -ETIMEDOUT);
}

/* What is typed next is the program's again. */
static void finish(struct fixture *f)
{
	struct frame fr;

	TYPE(f, "x");
	next_frame(f, FRAME_STDIN, &fr);
	assert_int_equal(fr.len, 1);
	assert_int_equal(fr.data[0], 'x');
	assert_int_equal(stream_send_u32(f->relay, FRAME_EXIT, 42), 0);
	assert_int_equal(run_wait(f->host), 42);
	expect_echo_is_back(f);
	done(f);
}

static void test_an_answer_goes_out_and_the_program_hears_nothing_of_it(void **state)
{
	struct fixture *f = running(24, 80);

	question(f, 5, 0);
	see(f, "\033[?1049h");
	see(f, DRAWN);
	msleep(QUIET_MS);
	TYPE(f, "o\r");
	expect_answer(f, 5, QUESTION_ONCE);
	see(f, "\033[?1049l");
	question(f, 6, 0);
	see(f, DRAWN);
	msleep(QUIET_MS);
	TYPE(f, "\003");
	expect_answer(f, 6, QUESTION_NO);
	see(f, "\033[?1049l");
	finish(f);
}

static void test_what_is_offered_can_be_answered_and_nothing_else(void **state)
{
	struct fixture *f = running(24, 80);

	offers = QUESTION_OFFERS_SESSION;
	question(f, 5, 0);
	see(f, DRAWN);
	msleep(QUIET_MS);
	TYPE(f, "h\r");
	expect_nothing(f);
	TYPE(f, "s\r");
	expect_answer(f, 5, QUESTION_SESSION);
	see(f, "\033[?1049l");
	offers = QUESTION_OFFERS;
	question(f, 6, 0);
	see(f, "to this SHA-256");
	see(f, DRAWN);
	msleep(QUIET_MS);
	TYPE(f, "h\r");
	expect_answer(f, 6, QUESTION_PROGRAM);
	offers = 0;
	see(f, "\033[?1049l");
	finish(f);
}

static void test_names_are_shown_and_not_obeyed(void **state)
{
	struct fixture *f = running(24, 80);

	question(f, 5, 0);
	see(f, "kube/\\x1b[31mconfig");
	question(f, 5, 1);
	see(f, "\033[?1049l");
	finish(f);
}

static void test_what_was_typed_before_it_could_be_read_answers_nothing(void **state)
{
	struct fixture *f = running(24, 80);

	question(f, 5, 0);
	see(f, DRAWN);
	TYPE(f, "o\ro\r");
	expect_nothing(f);
	question(f, 5, 1);
	see(f, "\033[?1049l");
	finish(f);
}

static void test_what_the_program_shows_meanwhile_comes_after_the_answer(void **state)
{
	struct fixture *f = running(24, 80);

	question(f, 5, 0);
	see(f, DRAWN);
	assert_int_equal(stream_send(f->relay, FRAME_STDOUT, "for kube/other", 14), 0);
	msleep(QUIET_MS);
	TYPE(f, "p\r");
	expect_answer(f, 5, QUESTION_PROCESS);
	see(f, "\033[?1049l");
	see(f, "for kube/other");
	finish(f);
}

static void test_a_program_that_has_the_whole_terminal_is_made_to_draw_again(void **state)
{
	struct fixture *f = running(24, 80);
	struct frame fr;

	assert_int_equal(stream_send(f->relay, FRAME_STDOUT, "\033[?1049hedit", 12), 0);
	see(f, "edit");
	question(f, 5, 0);
	see(f, DRAWN);
	msleep(QUIET_MS);
	TYPE(f, "e\r");
	expect_answer(f, 5, QUESTION_NEVER);
	next_frame(f, FRAME_WINCH, &fr);
	assert_int_equal(fr.data[0], 23);
	next_frame(f, FRAME_WINCH, &fr);
	assert_int_equal(fr.data[0], 24);
	finish(f);
}

static void test_a_terminal_that_is_too_small_says_no(void **state)
{
	struct fixture *f = running(5, 30);

	question(f, 5, 0);
	expect_answer(f, 5, QUESTION_NO);
	finish(f);
}

static void test_a_question_that_is_none_says_no(void **state)
{
	struct question_put put = { .id = 9, .q.may = 1 };
	struct fixture *f = running(24, 80);

	memset(put.q.path, 'a', sizeof(put.q.path)); /* without an end */
	assert_int_equal(stream_send(f->relay, FRAME_QUESTION, &put, sizeof(put)), 0);
	expect_answer(f, 9, QUESTION_NO);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_answer_goes_out_and_the_program_hears_nothing_of_it),
		cmocka_unit_test(test_what_is_offered_can_be_answered_and_nothing_else),
		cmocka_unit_test(test_names_are_shown_and_not_obeyed),
		cmocka_unit_test(test_what_was_typed_before_it_could_be_read_answers_nothing),
		cmocka_unit_test(test_what_the_program_shows_meanwhile_comes_after_the_answer),
		cmocka_unit_test(test_a_program_that_has_the_whole_terminal_is_made_to_draw_again),
		cmocka_unit_test(test_a_terminal_that_is_too_small_says_no),
		cmocka_unit_test(test_a_question_that_is_none_says_no),
	};

	alarm(120); /* a hang is a failure */
	return cmocka_run_group_tests_name("asking", tests, NULL, NULL);
}
