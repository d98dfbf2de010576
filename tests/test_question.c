#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "launcher/question.h"

#define MS   1000000ULL
#define ROWS 24
#define COLS 80

/* --- a terminal --------------------------------------------------------------------------------
 */

static struct {
	unsigned rows, cols, row, col;
	char cell[80][200];
} term;

static const char *obey(const char *at)
{
	int n = 0;

	if (!strncmp(at, "\033[2J", 4)) {
		memset(term.cell, ' ', sizeof(term.cell));
		return at + 4;
	}
	if (sscanf(at, "\033[%u;%uH%n", &term.row, &term.col, &n) == 2 && n)
		return at + n;
	fail_msg("a sequence that is none of ours");
	return NULL;
}

/* Draws it there; nothing but printable ASCII, and nothing outside. */
static ssize_t show(const struct question *q, unsigned rows, unsigned cols)
{
	static char buf[16384];
	ssize_t n = question_draw(q, rows, cols, 30, 0, buf, sizeof(buf));
	const char *end = buf + (n > 0 ? n : 0);

	term.rows = rows;
	term.cols = cols;
	for (const char *at = buf; at < end;) {
		if (*at == '\033') {
			at = obey(at);
			continue;
		}
		assert_in_range((unsigned char)*at, 0x20, 0x7e);
		assert_in_range(term.row, 1, rows);
		assert_in_range(term.col, 1, cols);
		term.cell[term.row - 1][term.col++ - 1] = *at++;
	}
	return n;
}

/* All rows, without the left margin and what is blank at the end, as one text. */
static char *seen(void)
{
	static char text[80 * 201];
	char *at = text;

	for (unsigned r = 0; r < term.rows; r++) {
		unsigned end = term.cols, from = 1;

		while (end > from && term.cell[r][end - 1] == ' ')
			end--;
		if (!memcmp(term.cell[r], "             ", 13)) /* a line goes on: no label */
			from = 13;
		while (from < end)
			*at++ = term.cell[r][from++];
	}
	*at = '\0';
	return text;
}

static bool sees(const char *what)
{
	return strstr(seen(), what);
}

static struct question kubectl(void)
{
	struct question q = { .may = 1, .pid = 4242, .hashed = 1, .n_chain = 2 };

	memset(q.hash, 0xab, sizeof(q.hash));
	strcpy(q.path, "kube/config");
	strcpy(q.exe, "/usr/bin/kubectl");
	strcpy(q.args, "kubectl get nodes");
	strcpy(q.chain[0], "/usr/bin/bash");
	strcpy(q.chain[1], "/usr/bin/enclave");
	return q;
}

static void test_it_names_who_wants_what(void **state)
{
	struct question q = kubectl();

	strcpy(q.script, "/workspace/deploy");
	q.may = 1 | 2 | 32;
	assert_int_equal(question_check(&q), 0);
	assert_true(show(&q, ROWS, COLS) > 0);
	assert_true(sees("read, write, list"));
	assert_true(sees("'kube/config'"));
	assert_true(sees("'/usr/bin/kubectl'"));
	assert_true(sees("'/workspace/deploy'"));
	assert_true(sees("4242"));
	assert_true(sees("ababababababababababababababababababababababababababababababab"));
	assert_true(sees("'kubectl get nodes'"));
	assert_true(sees("'/usr/bin/bash'"));
	assert_true(sees("'/usr/bin/enclave'"));
	assert_true(sees("Without an answer in 30 s: no."));
	q.hashed = 0;
	show(&q, ROWS, COLS);
	assert_true(sees("not known") && !sees("abab"));
}

static void test_all_answers_are_offered_however_narrow(void **state)
{
	static const char *const choices[] = { "o  yes, this once", "p  yes, to this process",
					       "n  no, not this process",
					       "e  never, until the lock" };
	static const unsigned cols[] = { 40, 51, 52, 80, 200 };
	struct question q = kubectl();

	for (size_t i = 0; i < sizeof(cols) / sizeof(*cols); i++) {
		assert_true(show(&q, ROWS, cols[i]) > 0);
		for (int c = 0; c < 4; c++)
			assert_true(sees(choices[c]));
	}
}

static void test_what_is_not_for_every_program_is_offered_where_it_is(void **state)
{
	static const unsigned cols[] = { 40, 51, 52, 80, 200 };
	struct question q = kubectl();

	for (size_t i = 0; i < sizeof(cols) / sizeof(*cols); i++)
		for (uint32_t o = 0; o < 4; o++) {
			q.offers = o;
			assert_true(show(&q, ROWS, cols[i]) > 0);
			assert_int_equal(sees("s  yes, to it in this session, 15 min"), o & 1);
			assert_int_equal(sees("2-9  yes, to it so many times"), o & 1);
			assert_int_equal(sees("h  yes, to this SHA-256, until the lock"), o >> 1);
			assert_true(sees("e  never, until the lock") && sees("then Enter:"));
		}
}

static void test_a_name_cannot_steer_the_terminal_nor_look_like_another(void **state)
{
	struct question q = kubectl();

	strcpy(q.path, "\033[2J\033[1;1Hfine'\r\n\\x41\302\233\316\277");
	assert_true(show(&q, ROWS, COLS) > 0);
	assert_true(sees("'\\x1b[2J\\x1b[1;1Hfine\\x27\\x0d\\x0a\\x5cx41\\xc2\\x9b\\xce\\xbf'"));
	for (int b = 1; b < 256; b++) { /* show() looks at each byte that comes out */
		memset(q.args, b, 40);
		memset(q.chain[0], b, 40);
		memset(q.script, b, 40);
		assert_true(show(&q, ROWS, COLS) > 0);
	}
}

static void test_what_is_asked_about_is_shown_whole_or_not_at_all(void **state)
{
	struct question q = kubectl();
	char want[1100];

	for (int i = 0; i < 600; i++)
		q.path[i] = (char)('a' + i % 26);
	q.path[600] = '\0';
	snprintf(want, sizeof(want), "'%s'", q.path);
	assert_true(show(&q, ROWS, COLS) > 0);
	assert_true(sees(want));
	assert_true(sees("Without an answer"));
	memset(q.path, 'a', 1023);
	assert_int_equal(show(&q, ROWS, COLS), -ENOSPC);
	assert_true(show(&q, 60, COLS) > 0);
	memset(q.path, 1, 600); /* each is four wide */
	q.path[600] = '\0';
	assert_int_equal(show(&q, ROWS, COLS), -ENOSPC);
}

static struct question all_offered(void)
{
	struct question q = kubectl();

	q.offers = QUESTION_OFFERS;
	return q;
}

static void test_what_helps_gives_way(void **state)
{
	struct question q = all_offered();

	memset(q.args, 'x', sizeof(q.args) - 1);
	memset(q.chain[0], 'y', sizeof(q.chain[0]) - 1);
	assert_true(show(&q, 18, COLS) > 0);
	assert_true(sees("'kube/config'") && sees("...") && sees("e  never") && !sees("yyy"));
	/* Nobody in the chain is passed over. */
	q = all_offered();
	memset(q.chain[0], 'y', sizeof(q.chain[0]) - 1);
	assert_true(show(&q, 21, COLS) > 0);
	assert_true(sees("started by") && !sees("yyy") && !sees("'/usr/bin/enclave'"));
	q = all_offered();
	q.more_args = q.more_chain = 1;
	assert_true(show(&q, ROWS, COLS) > 0);
	assert_true(sees("'kubectl get nodes' ...") && sees("'/usr/bin/enclave' ..."));
}

static void test_on_no_terminal_a_line_is_torn_or_lost(void **state)
{
	struct question q = kubectl();

	q.may = 63;
	q.offers = QUESTION_OFFERS;
	for (unsigned rows = 0; rows < 60; rows++)
		for (unsigned cols = 0; cols < 130; cols += 3)
			if (show(&q, rows, cols) > 0) {
				assert_true(sees("'kube/config'") && sees("'/usr/bin/kubectl'"));
				assert_true(sees("Without an answer") && sees("then Enter:"));
				assert_true(sees("s  yes") && sees("h  yes") && sees("e  never"));
				assert_true(sees("create,") && sees("execute,") && sees("list"));
			}
	/* Also where a text, or its last quote, is at the edge. */
	memset(q.path, 0, sizeof(q.path));
	for (int n = 0; n < 200; n++) {
		q.path[n] = n % 7 ? 'a' : '\n';
		assert_true(show(&q, 40, 50) > 0);
		assert_true(sees(n % 7 ? "a'program" : "\\x0a'program"));
	}
	q = kubectl();
	assert_int_equal(show(&q, ROWS, 39), -ENOSPC);
	assert_int_equal(show(&q, 6, COLS), -ENOSPC);
	assert_true(show(&q, ROWS, 40) > 0);
}

static void test_a_buffer_that_is_too_small_is_said(void **state)
{
	struct question q = kubectl();
	static char buf[16384];
	ssize_t n = question_draw(&q, ROWS, COLS, 30, 0, buf, sizeof(buf));

	assert_true(n > 0);
	for (ssize_t size = 0; size <= n; size++) {
		char *exact = malloc(size + 1); /* ASan looks */

		assert_int_equal(question_draw(&q, ROWS, COLS, 30, 0, exact, size), -ENOSPC);
		free(exact);
	}
}

static void test_what_is_no_question_is_refused(void **state)
{
	struct question q = kubectl();

	assert_int_equal(question_check(&q), 0);
#define REFUSED(change)                                         \
	do {                                                    \
		q = kubectl();                                  \
		change;                                         \
		assert_int_equal(question_check(&q), -EBADMSG); \
	} while (0)
	REFUSED(q.may = 0);
	REFUSED(q.may = 64);
	REFUSED(q.hashed = 2);
	REFUSED(q.more_args = 2);
	REFUSED(q.more_chain = 2);
	REFUSED(q.n_chain = QUESTION_CHAIN + 1);
	REFUSED(q.offers = QUESTION_OFFERS + 1);
	REFUSED((q.offers = QUESTION_OFFERS_PROGRAM, q.hashed = 0));
	REFUSED(q.path[0] = '\0');
	REFUSED(q.exe[0] = '\0');
	REFUSED(memset(q.path, 'a', sizeof(q.path)));
	REFUSED(memset(q.exe, 'a', sizeof(q.exe)));
	REFUSED(memset(q.script, 'a', sizeof(q.script)));
	REFUSED(memset(q.args, 'a', sizeof(q.args)));
	REFUSED(memset(q.chain[1], 'a', sizeof(q.chain[1])));
	q = kubectl();
	memset(q.chain[2], 'a', sizeof(q.chain[2])); /* nobody looks at it */
	assert_int_equal(question_check(&q), 0);
}

/* --- the keys ----------------------------------------------------------------------------------
 */

static struct question_keys keys;
static uint32_t offers;

static enum question_answer type(const char *text, uint64_t ms)
{
	return question_keys_feed(&keys, (const uint8_t *)text, strlen(text), ms * MS);
}

/* At 0 it is drawn; at a second keys count. */
static enum question_answer typed(const char *text)
{
	question_keys_begin(&keys, offers, 0);
	return type(text, 1000);
}

static void test_a_letter_and_enter_is_an_answer(void **state)
{
	assert_int_equal(typed("o\r"), QUESTION_ONCE);
	assert_int_equal(typed("p\r"), QUESTION_PROCESS);
	assert_int_equal(typed("n\n"), QUESTION_NO);
	assert_int_equal(typed("e\r"), QUESTION_NEVER);
	assert_int_equal(typed("o"), QUESTION_OPEN);
	assert_int_equal(type("\r", 1100), QUESTION_ONCE);
	assert_int_equal(typed("\003"), QUESTION_NO);
	assert_int_equal(typed("\004"), QUESTION_NO);
}

static void test_a_letter_that_is_not_offered_is_none(void **state)
{
	assert_int_equal(typed("s\r"), QUESTION_OPEN);
	assert_int_equal(typed("5\r"), QUESTION_OPEN);
	assert_int_equal(typed("h\r"), QUESTION_OPEN);
	offers = QUESTION_OFFERS_SESSION;
	assert_int_equal(typed("s\r"), QUESTION_SESSION);
	assert_int_equal(typed("2\r"), QUESTION_TIMES + 2);
	assert_int_equal(typed("9\r"), QUESTION_TIMES + 9);
	assert_int_equal(typed("1\r"), QUESTION_OPEN);
	assert_int_equal(typed("0\r"), QUESTION_OPEN);
	assert_int_equal(typed("22\r"), QUESTION_OPEN);
	assert_int_equal(typed("h\r"), QUESTION_OPEN);
	assert_int_equal(type("\033", 1100), QUESTION_OPEN); /* they are as before after that */
	assert_int_equal(type("s\r", 1900), QUESTION_SESSION);
	offers = QUESTION_OFFERS;
	assert_int_equal(typed("h\r"), QUESTION_PROGRAM);
	offers = 0;
	for (uint32_t a = 0; a < QUESTION_ANSWERS + 2; a++)
		assert_int_equal(question_offers(0, a), a != QUESTION_OPEN && a < QUESTION_SESSION);
	for (uint32_t a = 0; a < QUESTION_ANSWERS + 2; a++) {
		bool counts = a >= QUESTION_TIMES + 2 && a <= QUESTION_TIMES + QUESTION_TIMES_MAX;

		assert_int_equal(question_times(a), counts ? a - QUESTION_TIMES : 0);
		if (a >= QUESTION_TIMES)
			assert_int_equal(question_offers(QUESTION_OFFERS, a), counts);
	}
}

static void test_nothing_else_is_one(void **state)
{
	static const char *const lines[] = { "\r",   "y\r",  "yes\r", "O\r",  "op\r",	"oo\r",
					     " o\r", "o \r", "no\r",  "xo\r", "\377o\r" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_int_equal(typed(lines[i]), QUESTION_OPEN);
	assert_int_equal(typed("yes\rp\r"), QUESTION_PROCESS); /* a new line */
	assert_int_equal(typed("x\177p\r"), QUESTION_PROCESS);
	assert_int_equal(typed("o\bp\r"), QUESTION_PROCESS);
	assert_int_equal(typed("n\ro\r"), QUESTION_NO); /* the first one counts */
}

static void test_what_was_typed_before_is_no_answer(void **state)
{
	question_keys_begin(&keys, offers, 0);
	assert_int_equal(type("o\r", 0), QUESTION_OPEN);
	assert_int_equal(type("o\r", 699), QUESTION_OPEN);
	assert_int_equal(type("\003", 800), QUESTION_OPEN); /* for the program, too */
	assert_int_equal(type("o", 1400), QUESTION_OPEN);
	assert_int_equal(type("\r", 2100), QUESTION_OPEN); /* that letter was not taken */
	assert_int_equal(type("o\r", 2101), QUESTION_ONCE);
}

/* Who types on at his editor answers nothing, however long it takes. */
static void test_a_keyboard_that_is_never_silent_answers_nothing(void **state)
{
	question_keys_begin(&keys, offers, 0);
	for (uint64_t ms = 0; ms < 30000; ms += 600)
		assert_int_equal(type("o\r", ms), QUESTION_OPEN);
}

static void test_the_terminals_own_reports_are_no_answer(void **state)
{
	static const char *const reports[] = { "\033[24;80R",	   "\033[?1;2c",
					       "\033]lo\033\\o\r", "\033[200~o\r\033[201~",
					       "\033OP\ro\r",	   "o\r\033" };

	for (size_t i = 0; i < sizeof(reports) / sizeof(*reports); i++) {
		assert_int_equal(typed(reports[i]), QUESTION_OPEN);
		assert_int_equal(type("o\r", 1699), QUESTION_OPEN); /* the rest of it */
	}
	assert_int_equal(typed("\033[A"), QUESTION_OPEN);
	assert_int_equal(type("o\r", 1700), QUESTION_ONCE);
	assert_int_equal(typed("o"), QUESTION_OPEN);
	assert_int_equal(type("\033[A", 1100), QUESTION_OPEN);
	assert_int_equal(type("\r", 1800), QUESTION_OPEN); /* the letter went with it */
}

static void test_the_letter_is_shown_until_enter(void **state)
{
	struct question q = kubectl();
	char buf[16384];

	typed("p");
	assert_int_equal(question_typed(&keys), 'p');
	assert_true(question_draw(&q, ROWS, COLS, 9, question_typed(&keys), buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "then Enter: p"));
	assert_non_null(strstr(buf, "in 9 s"));
	typed("px");
	assert_int_equal(question_typed(&keys), '?');
	type("\r", 1100);
	assert_int_equal(question_typed(&keys), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_names_who_wants_what),
		cmocka_unit_test(test_all_answers_are_offered_however_narrow),
		cmocka_unit_test(test_what_is_not_for_every_program_is_offered_where_it_is),
		cmocka_unit_test(test_a_name_cannot_steer_the_terminal_nor_look_like_another),
		cmocka_unit_test(test_what_is_asked_about_is_shown_whole_or_not_at_all),
		cmocka_unit_test(test_what_helps_gives_way),
		cmocka_unit_test(test_on_no_terminal_a_line_is_torn_or_lost),
		cmocka_unit_test(test_a_buffer_that_is_too_small_is_said),
		cmocka_unit_test(test_what_is_no_question_is_refused),
		cmocka_unit_test(test_a_letter_and_enter_is_an_answer),
		cmocka_unit_test(test_a_letter_that_is_not_offered_is_none),
		cmocka_unit_test(test_nothing_else_is_one),
		cmocka_unit_test(test_what_was_typed_before_is_no_answer),
		cmocka_unit_test(test_a_keyboard_that_is_never_silent_answers_nothing),
		cmocka_unit_test(test_the_terminals_own_reports_are_no_answer),
		cmocka_unit_test(test_the_letter_is_shown_until_enter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
