/* What "tazfs watch" writes: cut to the width, escaped, and a rule that the parser takes. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "enclave/proto.h"
#include "tazfs/watch_text.h"

#define NS   1000000000ULL
#define WHEN (1769847300 * NS) /* 2026-01-31T08:15:00Z */

static char text[WATCH_LINE_MAX];

static int setup(void **state)
{
	setenv("TZ", "UTC-1", 1); /* an hour before UTC */
	tzset();
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static struct audit_out out(void)
{
	return (struct audit_out){ .data = text, .room = sizeof(text) - 1 };
}

static const char *fit(const char *name, size_t cols, enum watch_keep keep)
{
	struct audit_out o = out();

	watch_fit(&o, name, cols, keep);
	text[o.n] = '\0';
	return text;
}

static const char *line(const struct audit_record *r, uint64_t count, size_t cols)
{
	struct watch_model m;
	struct audit_out o = out();

	assert_int_equal(watch_model_init(&m), 0);
	assert_int_equal(watch_model_add(&m, r), 0);
	m.rows[0]->count = count;
	watch_line(&o, m.rows[0], cols, WHEN + NS);
	watch_model_done(&m);
	text[o.n] = '\0';
	return text;
}

static struct audit_record opened(uint32_t verdict)
{
	return (struct audit_record){ .time_ns = WHEN,
				      .verdict = verdict,
				      .op = "r",
				      .path = "ssh/id",
				      .pid = 41,
				      .exe = "/usr/bin/cat" };
}

static void test_a_text_is_filled_or_cut_at_either_end(void **state)
{
	assert_string_equal(fit("abc", 5, WATCH_BEGIN), "abc  ");
	assert_string_equal(fit("abcde", 5, WATCH_BEGIN), "abcde");
	assert_string_equal(fit("abcdef", 5, WATCH_BEGIN), "abcd>");
	assert_string_equal(fit("abcdef", 5, WATCH_END), "<cdef");
	assert_string_equal(fit("abc", 0, WATCH_END), "");
}

static void test_it_is_cut_between_characters_and_never_within_an_escape(void **state)
{
	assert_string_equal(fit("ab\\x1bcd", 6, WATCH_BEGIN), "ab>   ");
	assert_string_equal(fit("ab\\x1bcd", 6, WATCH_END), "<cd   ");
	assert_string_equal(fit("\xe6\xbc\xa2\xe5\xad\x97", 4, WATCH_BEGIN),
			    "\xe6\xbc\xa2\xe5\xad\x97"); /* of two columns each */
	assert_string_equal(fit("\xe6\xbc\xa2\xe5\xad\x97", 3, WATCH_BEGIN), "\xe6\xbc\xa2>");
}

static void test_what_has_no_width_is_shown_as_bytes(void **state)
{
	assert_string_equal(fit("e\xcc\x81", 9, WATCH_BEGIN), "e\\xcc\\x81"); /* an accent */
	assert_string_equal(fit("\xff", 4, WATCH_BEGIN), "\\xff");
}

static void test_a_line_says_who_may_what_and_how_often(void **state)
{
	struct audit_record r = opened(AUDIT_ALLOW);

	assert_string_equal(line(&r, 3, 80), "09:15:00  allow  3      r      "
					     "/usr/bin/cat[41]   ssh/id                        ");
}

static void test_a_verdict_has_a_mark_that_is_no_colour(void **state)
{
	static const struct {
		uint32_t verdict, by;
		const char *shown;
	} all[] = {
		{ AUDIT_DENY, 0, "!deny " },  { AUDIT_HIDE, 0, "!hide " },
		{ AUDIT_DECOY, 0, "!decoy" }, { AUDIT_ASK, 0, "?ask  " },
		{ AUDIT_ALLOW, 0, " allow" }, { AUDIT_DENY, AUDIT_BY_NOBODY, "~deny " },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct audit_record r = opened(all[i].verdict);

		r.by = all[i].by;
		assert_memory_equal(line(&r, 1, 80) + WATCH_VERDICT_AT, all[i].shown,
				    WATCH_VERDICT_COLS);
	}
}

static void test_a_hostile_name_commands_nothing_at_any_width(void **state)
{
	struct audit_record r = opened(AUDIT_ALLOW);

	r.path = "\033[2J\r\n\x9b\xe2\x80\xae\xff";
	r.exe = r.script = "/tmp/\033]0;x\a";
	for (size_t cols = 0; cols < 200; cols++) {
		const char *s = line(&r, 1, cols);
		size_t used;

		for (const char *c = s; *c; c++)
			assert_true(*c >= ' ' && *c <= '~');
		assert_int_equal(watch_cut(s, SIZE_MAX, &used), strlen(s));
		assert_int_equal(strlen(s), cols);
	}
}

static void test_a_name_that_looks_like_an_escape_is_told_from_the_byte(void **state)
{
	struct audit_record r = opened(AUDIT_ALLOW);

	r.path = "a\\x1b";
	assert_non_null(strstr(line(&r, 1, 80), " a\\\\x1b "));
	r.path = "a\033";
	assert_non_null(strstr(line(&r, 1, 80), " a\\x1b "));
}

static void test_the_title_says_sessions_and_the_time_to_lock(void **state)
{
	struct watch_status st = {
		.lock = PROTO_UNLOCKED, .sessions = 2, .idle_limit_sec = 900, .idle_left_sec = 125
	};
	struct audit_out o = out();

	watch_title(&o, &st, 80);
	text[o.n] = '\0';
	assert_non_null(strstr(text, "vault unlocked  2 sessions  locks in 2 min 5 s"));
	st.err = -1;
	o = out();
	watch_title(&o, &st, 80);
	text[o.n] = '\0';
	assert_non_null(strstr(text, "the keeper does not answer"));
	assert_null(strstr(text, "unlocked"));
}

static void test_a_rule_refuses_what_was_allowed(void **state)
{
	struct audit_record r = opened(AUDIT_ALLOW);
	struct audit_out o = out();

	assert_null(watch_rule(&o, &r));
	text[o.n] = '\0';
	assert_string_equal(text, "deny  session exe=/usr/bin/cat  r  ssh/id");
}

static void test_where_there_is_no_rule_it_is_said_why(void **state)
{
	struct audit_record refused = opened(AUDIT_DENY), note = { .event = AUDIT_NOTE };
	struct audit_record unknown = opened(AUDIT_ALLOW);
	struct audit_record look = unknown, all = unknown;
	struct audit_out o = out();

	unknown.exe = NULL;
	look.op = "look";
	all.op = "-";
	assert_non_null(strstr(watch_rule(&o, &refused), "refuses it already"));
	assert_non_null(strstr(watch_rule(&o, &note), "no decision"));
	assert_non_null(strstr(watch_rule(&o, &unknown), "program is not known"));
	assert_non_null(strstr(watch_rule(&o, &look), "no rule names"));
	assert_non_null(strstr(watch_rule(&o, &all), "no rule names"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_text_is_filled_or_cut_at_either_end),
		cmocka_unit_test(test_it_is_cut_between_characters_and_never_within_an_escape),
		cmocka_unit_test(test_what_has_no_width_is_shown_as_bytes),
		cmocka_unit_test(test_a_line_says_who_may_what_and_how_often),
		cmocka_unit_test(test_a_verdict_has_a_mark_that_is_no_colour),
		cmocka_unit_test(test_a_hostile_name_commands_nothing_at_any_width),
		cmocka_unit_test(test_a_name_that_looks_like_an_escape_is_told_from_the_byte),
		cmocka_unit_test(test_the_title_says_sessions_and_the_time_to_lock),
		cmocka_unit_test(test_a_rule_refuses_what_was_allowed),
		cmocka_unit_test(test_where_there_is_no_rule_it_is_said_why),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
