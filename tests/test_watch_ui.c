/* "tazfs watch" without a terminal: what keys do, and that every line fits on any paper. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/proto.h"
#include "tazfs/watch_ui.h"

#define NS   1000000000ULL
#define ROWS 20

static struct watch_ui u;

static struct {
	char text[ROWS][WATCH_LINE_MAX];
	enum watch_style style[ROWS];
	unsigned drawn[ROWS], verdicts;
	size_t rows, cols;
} paper;

static int setup(void **state)
{
	return setlocale(LC_CTYPE, "C.UTF-8") ? watch_ui_init(&u) : -1;
}

static int teardown(void **state)
{
	watch_ui_done(&u);
	return 0;
}

static void on_line(void *arg, size_t row, const char *text, enum watch_style style)
{
	size_t cols;

	assert_true(row < paper.rows);
	assert_int_equal(paper.drawn[row]++, 0);
	assert_int_equal(watch_cut(text, SIZE_MAX, &cols), strlen(text));
	assert_int_equal(cols, paper.cols);
	for (const char *c = text; *c; c++)
		assert_true((unsigned char)*c >= ' ' && *c != 127);
	strcpy(paper.text[row], text);
	paper.style[row] = style;
}

static void on_verdict(void *arg, size_t row, size_t col, size_t cols, uint32_t verdict)
{
	assert_int_equal(paper.drawn[row], 1);
	assert_true(cols && col + cols <= paper.cols);
	assert_true(verdict && verdict < AUDIT_VERDICTS);
	paper.verdicts++;
}

static void draw(size_t rows, size_t cols)
{
	const struct watch_paper p = {
		.rows = rows, .cols = cols, .line = on_line, .verdict = on_verdict
	};

	memset(&paper, 0, sizeof(paper));
	paper.rows = rows;
	paper.cols = cols;
	watch_ui_draw(&u, &p, 1000 * NS);
}

/* On an ordinary paper. Returns the row, or -1. */
static int shown(const char *text)
{
	draw(ROWS, 80);
	for (int i = 0; i < ROWS; i++)
		if (strstr(paper.text[i], text))
			return i;
	return -1;
}

static void feed(const char *path, uint32_t verdict)
{
	static char mem[AUDIT_PARSE_MEM(4096)];
	char line[4096];
	int n = snprintf(line, sizeof(line),
			 "{\"seq\":7,\"time\":\"2026-01-31T08:15:00.000000000Z\","
			 "\"verdict\":\"%s\",\"op\":\"r\",\"path\":\"%s\",\"pid\":41,"
			 "\"exe\":\"/usr/bin/cat\",\"mac\":\"%064d\"}",
			 audit_verdict_text[verdict], path, 0);
	struct audit_record r;

	assert_int_equal(audit_parse(line, (size_t)n, mem, &r), 0);
	assert_int_equal(watch_ui_line(&u, line, (size_t)n, mem), 0);
}

static void feed_many(int n)
{
	char path[32];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "file-%d-", i);
		feed(path, AUDIT_DENY);
	}
}

static enum watch_want type(const char *keys)
{
	enum watch_want last = WANT_NOTHING;

	for (; *keys; keys++)
		last = watch_ui_key(&u, *keys == '\r' ? KEY_IS_ENTER : (unsigned char)*keys);
	return last;
}

static int chosen(void)
{
	draw(ROWS, 80);
	for (int i = 0; i < ROWS; i++)
		if (paper.style[i] == WATCH_CHOSEN)
			return i;
	return -1;
}

static void test_every_line_fits_on_any_paper_in_every_mode(void **state)
{
	static const char *const modes[] = { "", "?", "jd", "\r", "l", "/fi", "!", "G" };

	feed_many(40);
	feed("a\\\\x1b[2J\\\\xff\xe6\xbc\xa2\xe5\xad\x97", AUDIT_ALLOW);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		type(modes[i]);
		for (size_t rows = 0; rows <= ROWS; rows++)
			for (size_t cols = 0; cols < 130; cols++)
				draw(rows, cols);
		watch_ui_key(&u, KEY_IS_ESCAPE);
		u.mode = MODE_LIST;
	}
	watch_ui_off(&u, "the \033[2J view is locked");
	for (size_t cols = 0; cols < 130; cols++)
		draw(ROWS, cols);
	draw(ROWS, WATCH_COLS_MAX);
}

static void test_what_is_chosen_is_on_the_paper(void **state)
{
	feed_many(100);
	assert_int_equal(chosen(), 2);
	assert_true(shown("file-99-") == 2);
	type("jjj");
	assert_int_equal(chosen(), 5);
	type("G");
	assert_int_equal(chosen(), ROWS - 2);
	assert_int_equal(shown("file-0-"), ROWS - 2);
	for (size_t rows = 1; rows <= ROWS; rows++) {
		bool found = false;

		draw(rows, 80);
		for (size_t i = 0; i < rows; i++)
			found |= paper.style[i] == WATCH_CHOSEN;
		assert_true(found);
	}
	type("g");
	assert_int_equal(chosen(), 2);
	type(" ");
	assert_int_equal(chosen(), ROWS - 2);
}

static void test_the_newest_stays_chosen_until_another_is(void **state)
{
	feed_many(3);
	assert_int_equal(chosen(), 2);
	feed("later", AUDIT_DENY);
	assert_int_equal(chosen(), 2);
	type("j"); /* file-2- */
	feed("latest", AUDIT_DENY);
	assert_int_equal(chosen(), 4);
	assert_int_equal(shown("file-2-"), 4);
}

static void test_a_lock_takes_two_keys(void **state)
{
	assert_int_equal(type("l"), WANT_NOTHING);
	assert_int_equal(paper.style[shown("Lock the vault now")], WATCH_QUESTION);
	assert_int_equal(type("n"), WANT_NOTHING);
	assert_int_equal(shown("Lock the vault now"), -1);
	assert_int_equal(type("y"), WANT_NOTHING);
	assert_int_equal(type("ly"), WANT_LOCK);
	assert_int_equal(type("q"), WANT_QUIT);
}

static void test_the_filter_follows_what_is_typed_and_escape_brings_the_old_one_back(void **state)
{
	feed_many(12);
	feed("other", AUDIT_ALLOW);
	type("/file-1");
	assert_int_equal(shown("other"), -1);
	assert_true(shown("/file-1_") == ROWS - 1);
	watch_ui_key(&u, KEY_IS_BACKSPACE);
	type("7\r"); /* a q would be typed, too */
	assert_true(shown("1 of 13 rows") == ROWS - 1);
	type("/q");
	watch_ui_key(&u, KEY_IS_ESCAPE);
	assert_string_equal(u.m.filter, "file-7");
	watch_ui_key(&u, KEY_IS_ESCAPE);
	assert_true(shown("other") > 0);
	type("/");
	for (int i = 0; i < 1000; i++)
		type("x\001");
	assert_int_equal(strlen(u.m.filter), WATCH_FILTER - 1);
	type("\025"); /* ^U */
	assert_string_equal(u.m.filter, "");
}

static void test_a_filter_has_whole_characters(void **state)
{
	feed("\xe6\xbc\xa2", AUDIT_DENY);
	type("/");
	watch_ui_key(&u, 0x6f22);
	watch_ui_key(&u, 0x5b57);
	assert_string_equal(u.m.filter, "\xe6\xbc\xa2\xe5\xad\x97");
	watch_ui_key(&u, KEY_IS_BACKSPACE);
	assert_string_equal(u.m.filter, "\xe6\xbc\xa2");
	watch_ui_key(&u, 0x202e); /* turns the order of what follows */
	assert_string_equal(u.m.filter, "\xe6\xbc\xa2");
	assert_true(shown("\xe6\xbc\xa2  ") >= 2);
}

static void test_only_what_was_not_allowed(void **state)
{
	feed("good", AUDIT_ALLOW);
	feed("bad", AUDIT_DENY);
	feed("asked", AUDIT_ASK);
	type("!");
	assert_int_equal(shown(" good"), -1);
	assert_true(shown(" bad") > 0 && shown(" asked") > 0);
	assert_int_equal(paper.verdicts, 2);
	feed("good again", AUDIT_ALLOW);
	assert_int_equal(shown("good again"), -1);
	type("!");
	assert_true(shown("good again") > 0);
}

static void test_a_rule_is_shown_or_why_there_is_none(void **state)
{
	feed("ssh/id", AUDIT_ALLOW);
	type("d");
	assert_true(shown("deny  session exe=/usr/bin/cat  r  ssh/id") == 2);
	type("x");
	feed("ssh/other", AUDIT_DENY);
	type("gd");
	assert_true(shown("refuses it already") == ROWS - 1);
	type("j");
	assert_int_equal(shown("refuses it already"), -1);
}

static void test_an_answer_is_taken_back_by_its_number(void **state)
{
	assert_int_equal(type("a"), WANT_ANSWERS);
	assert_int_equal(u.number, 0);
	watch_ui_answers(&u, "  ID  ANSWER\n   1  allow \033[2Jx\n");
	assert_true(shown("   1  allow ?[2Jx") > 0);
	assert_true(shown("r: take one back") > 0);
	assert_int_equal(type("r"), WANT_NOTHING);
	assert_int_equal(type("x12"), WANT_NOTHING);
	assert_true(shown("Take back which answer?  12_") > 0);
	assert_true(shown("   1  allow") > 0); /* it is read while that is typed */
	assert_int_equal(watch_ui_key(&u, KEY_IS_BACKSPACE), WANT_NOTHING);
	assert_int_equal(type("\r"), WANT_ANSWERS);
	assert_int_equal(u.number, 1);
	/* No number, or Escape: none. */
	assert_int_equal(type("r\r"), WANT_NOTHING);
	assert_int_equal(type("r7"), WANT_NOTHING);
	assert_int_equal(watch_ui_key(&u, KEY_IS_ESCAPE), WANT_NOTHING);
	assert_int_equal(shown("Take back"), -1);
	type("r99999999999999999999");
	assert_true(shown("which answer?  999999999_") > 0);
	/* Of a locked vault nothing is left. */
	watch_ui_off(&u, "locked");
	assert_int_equal(shown("   1  allow"), -1);
	assert_int_equal(type("r"), WANT_NOTHING);
	assert_int_equal(shown("Take back"), -1);
}

/* Another page has no answers. */
static void test_only_the_list_of_answers_takes_one_back(void **state)
{
	watch_ui_answers(&u, "   1  allow\n");
	type("q?");
	assert_int_equal(shown("r: take one back"), -1);
	assert_int_equal(type("r"), WANT_NOTHING);
	assert_int_equal(shown("Take back"), -1);
}

static void test_a_lock_forgets_all_and_a_new_look_begins_anew(void **state)
{
	feed("ssh/id", AUDIT_ALLOW);
	type("\r");
	assert_true(shown("ssh/id") > 0);
	watch_ui_off(&u, "the view is locked");
	assert_int_equal(shown("ssh/id"), -1);
	assert_int_equal(shown("the view is locked"), 2);
	assert_int_equal(u.m.n, 0);
	assert_null(u.page);
	assert_int_equal(type("d"), WANT_NOTHING);
	assert_int_equal(type("\r"), WANT_RETRY);
	type("?");
	watch_ui_off(&u, "still"); /* and help stays */
	assert_true(shown("Each row is") == 2);
	type("x");
	watch_ui_on(&u);
	feed("new", AUDIT_ALLOW);
	assert_int_equal(shown(" new"), 2);
	assert_int_equal(type("\r"), WANT_NOTHING);
}

static void test_a_long_page_is_scrolled_to_its_end_and_no_further(void **state)
{
	type("?");
	draw(6, 40);
	for (int i = 0; i < 500; i++)
		type("j");
	draw(6, 40);
	assert_non_null(strstr(paper.text[4], "goes on."));
	type("k");
	draw(6, 40);
	assert_null(strstr(paper.text[4], "goes on."));
	type("g");
	draw(6, 40);
	assert_non_null(strstr(paper.text[2], "Each row"));
}

static void test_the_title_tells_the_time_to_lock(void **state)
{
	assert_int_equal(shown("asking the keeper"), 0);
	u.st = (struct watch_status){
		.lock = PROTO_UNLOCKED, .sessions = 2, .idle_limit_sec = 900, .idle_left_sec = 61
	};
	u.has_status = true;
	assert_int_equal(shown("unlocked  2 sessions  locks in 1 min 1 s"), 0);
}

static void test_what_is_no_record_is_left_out(void **state)
{
	char mem[AUDIT_PARSE_MEM(64)];

	assert_int_equal(watch_ui_line(&u, "{\"later\":1}", 11, mem), 0);
	assert_int_equal(u.m.n, 0);
	assert_true(shown("Nothing has been recorded yet") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_every_line_fits_on_any_paper_in_every_mode),
		T(test_what_is_chosen_is_on_the_paper),
		T(test_the_newest_stays_chosen_until_another_is),
		T(test_a_lock_takes_two_keys),
		T(test_the_filter_follows_what_is_typed_and_escape_brings_the_old_one_back),
		T(test_a_filter_has_whole_characters),
		T(test_only_what_was_not_allowed),
		T(test_a_rule_is_shown_or_why_there_is_none),
		T(test_an_answer_is_taken_back_by_its_number),
		T(test_only_the_list_of_answers_takes_one_back),
		T(test_a_lock_forgets_all_and_a_new_look_begins_anew),
		T(test_a_long_page_is_scrolled_to_its_end_and_no_further),
		T(test_the_title_tells_the_time_to_lock),
		T(test_what_is_no_record_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
