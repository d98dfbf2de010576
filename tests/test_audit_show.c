/* What people see of a log, and which lines of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tazfs/audit_show.h"
#include "tazfs/audit_source.h"

#define NS   1000000000ULL
#define WHEN 1769847300123456789ULL /* 2026-01-31T08:15:00.123456789Z */

static char text[65536];

static const char *show(const struct audit_record *r, bool color)
{
	struct audit_out o = { .data = text, .room = sizeof(text) - 1 };

	audit_show(&o, r, color);
	text[o.n] = '\0';
	return text;
}

static int setup(void **state)
{
	setenv("TZ", "UTC-1", 1); /* an hour before UTC */
	tzset();
	return 0;
}

static struct audit_record example(void)
{
	return (struct audit_record){ .seq = 7,
				      .time_ns = WHEN,
				      .verdict = AUDIT_DENY,
				      .rule = 3,
				      .op = "open",
				      .path = "ssh/id",
				      .count = 2,
				      .last_ns = WHEN + 5 * NS,
				      .pid = 41,
				      .exe = "/usr/bin/python3",
				      .script = "/tmp/x.py",
				      .tty = "pts/3",
				      .session = 1,
				      .n_chain = 2,
				      .chain = { { 40, "/usr/bin/bash" }, { 1, NULL } } };
}

static void test_a_decision_is_one_line_that_says_all(void **state)
{
	struct audit_record r = example();

	assert_string_equal(
		show(&r, false),
		"2026-01-31 09:15:00  deny   open      ssh/id  /usr/bin/python3[41] "
		"/tmp/x.py < /usr/bin/bash[40] < ?[1]  (2 times until 09:15:05, rule 3, "
		"session 1, pts/3)");
	r = (struct audit_record){ .time_ns = WHEN,
				   .verdict = AUDIT_ALLOW,
				   .op = "list",
				   .path = "",
				   .count = 1,
				   .pid = 1,
				   .by = AUDIT_BY_GRANT };
	assert_string_equal(show(&r, false),
			    "2026-01-31 09:15:00  allow  list      .  ?[1]  (by a grant)");
	r = (struct audit_record){ .time_ns = WHEN,
				   .verdict = AUDIT_DENY,
				   .op = "rename",
				   .path = "a",
				   .to = "b",
				   .count = 1,
				   .pid = 5,
				   .exe = "/x" };
	assert_string_equal(show(&r, false),
			    "2026-01-31 09:15:00  deny   rename    a -> b  /x[5]  (no rule)");
}

static void test_counts_without_a_file_and_events_are_told_in_words(void **state)
{
	struct audit_record r = { .time_ns = WHEN,
				  .verdict = AUDIT_DENY,
				  .count = 900,
				  .last_ns = WHEN,
				  .pid = 5,
				  .exe = "/x" };

	assert_string_equal(show(&r, false),
			    "2026-01-31 09:15:00  deny   more of this process, too many to be "
			    "kept one by one  /x[5]  (900 times until 09:15:00)");
	r = (struct audit_record){ .time_ns = WHEN, .event = AUDIT_START, .torn = 17 };
	assert_string_equal(
		show(&r, false),
		"2026-01-31 09:15:00  -      the view starts  (bytes of a line that was "
		"not whole, cut off: 17)");
	r = (struct audit_record){ .time_ns = WHEN, .event = AUDIT_NOTE, .text = "a\nb" };
	assert_string_equal(show(&r, false), "2026-01-31 09:15:00  -      a\\x0ab");
}

static void test_no_name_commands_the_terminal(void **state)
{
	struct audit_record r = example();

	r.path = r.to = r.exe = r.script = r.tty = r.op = r.chain[0].exe =
		"\x1b[2J\n\r\x07\xc2\x9b\xff";
	for (const char *s = show(&r, false); *s; s++)
		assert_true((unsigned char)*s >= 32 && (unsigned char)*s < 127);
	assert_non_null(strstr(show(&r, true), "\033[31mdeny"));
}

static void test_only_what_was_not_allowed_and_only_what_is_new_enough(void **state)
{
	struct audit_filter denied = { .denied = true }, since = { .since_ns = WHEN + 3 * NS };
	struct audit_record r = example();

	assert_true(audit_filter_fits(&denied, &r));
	assert_true(audit_filter_fits(&since, &r)); /* the last of its repeats is */
	r.last_ns = 0;
	assert_false(audit_filter_fits(&since, &r));
	r.verdict = AUDIT_ALLOW;
	assert_false(audit_filter_fits(&denied, &r));
	r = (struct audit_record){ .event = AUDIT_START };
	assert_false(audit_filter_fits(&denied, &r));
	r = (struct audit_record){ .event = AUDIT_REST, .verdict = AUDIT_HIDE };
	assert_true(audit_filter_fits(&denied, &r));
}

static void test_since_takes_a_while_or_a_time_and_nothing_else(void **state)
{
	static const struct {
		const char *text;
		uint64_t sec; /* since 1970 */
	} good[] = {
		{ "10m", WHEN / NS - 600 },
		{ "2h", WHEN / NS - 7200 },
		{ "90", WHEN / NS - 90 },
		{ "2026-01-31", 1769813999 + 1 },
		{ "2026-01-31Z", 1769817600 },
		{ "2026-01-31T09:15", 1769847300 },
		{ "2026-01-31 09:15:30", 1769847330 },
		{ "2026-01-31T08:15:00Z", 1769847300 },
		{ "2026-01-31T08:15:00.000000000Z", 1769847300 },
	};
	static const char *const bad[] = { "",
					   "yesterday",
					   "10x",
					   "-5m",
					   "2026-02-30",
					   "2026-01",
					   "2026-01-31T25:00",
					   "2026-01-31T08:15 or so",
					   "1969-01-01" };
	uint64_t got = 0;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(audit_since(good[i].text, WHEN / NS * NS, &got), 0);
		if (got != good[i].sec * NS)
			fail_msg("%s is %llu", good[i].text, (unsigned long long)(got / NS));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (audit_since(bad[i], WHEN, &got) == 0)
			fail_msg("accepted: %s", bad[i]);
}

/* --- lines ------------------------------------------------------------------------------------
 */

/* A log of which each read gives a little. */
struct pieces {
	struct audit_source source;
	const char *data;
	size_t size, piece;
	uint64_t gone;	    /* bytes at the beginning that have been rotated away */
	uint64_t gone_then; /* the same, after the first read */
	unsigned waits;
};

static ssize_t read_piece(struct audit_source *s, uint64_t *at, char *buf, size_t size)
{
	struct pieces *p = (struct pieces *)(void *)s;

	if (*at < p->gone)
		*at = p->gone;
	if (size > p->piece)
		size = p->piece;
	if (size > p->size - *at)
		size = p->size - *at;
	memcpy(buf, p->data + *at, size);
	p->gone = p->gone_then;
	return (ssize_t)size;
}

static int wait_twice(struct audit_source *s)
{
	struct pieces *p = (struct pieces *)(void *)s;

	p->size += 4;
	return p->waits-- ? 0 : -EPIPE;
}

static int collect(void *arg, const char *line, size_t size)
{
	char *all = arg;

	strncat(all, line, size);
	strcat(all, "|");
	return 0;
}

static void test_lines_are_cut_wherever_the_pieces_end(void **state)
{
	const char *data = "one\n\ntwo\nthree";
	char got[64];

	for (size_t piece = 1; piece < 15; piece++) {
		struct pieces p = { .source = { .read = read_piece },
				    .data = data,
				    .size = strlen(data),
				    .piece = piece };

		*got = '\0';
		assert_int_equal(audit_lines(&p.source, false, collect, got), 0);
		assert_string_equal(got, "one|two|three|");
	}
}

static void test_who_follows_gets_what_comes_until_there_will_be_no_more(void **state)
{
	struct pieces p = { .source = { .read = read_piece, .wait = wait_twice },
			    .data = "one\ntwo\nthr\nfou\n",
			    .size = 4,
			    .piece = 64,
			    .waits = 2 };
	char got[64] = "";

	assert_int_equal(audit_lines(&p.source, true, collect, got), 0);
	assert_string_equal(got, "one|two|thr|");
}

static void test_a_line_is_not_joined_with_what_comes_after_a_gap(void **state)
{
	/* After "one\ntw" all before "three" goes. */
	struct pieces p = { .source = { .read = read_piece },
			    .data = "one\ntwo\nthree\n",
			    .size = 14,
			    .piece = 6,
			    .gone_then = 8 };
	char got[64] = "";

	assert_int_equal(audit_lines(&p.source, false, collect, got), 0);
	assert_string_equal(got, "one|three|");
}

static void test_a_line_longer_than_any_is_refused(void **state)
{
	size_t size = AUDIT_LINE_MAX + 100000;
	char *data = malloc(size);
	struct pieces p = {
		.source = { .read = read_piece }, .data = data, .size = size, .piece = 65536
	};
	char got[64] = "";

	memset(data, 'x', size);
	assert_int_equal(audit_lines(&p.source, false, collect, got), -EBADMSG);
	data[AUDIT_LINE_MAX + 1] = '\n';
	assert_int_equal(audit_lines(&p.source, false, collect, got), -EBADMSG);
	assert_string_equal(got, "");
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_decision_is_one_line_that_says_all),
		cmocka_unit_test(test_counts_without_a_file_and_events_are_told_in_words),
		cmocka_unit_test(test_no_name_commands_the_terminal),
		cmocka_unit_test(test_only_what_was_not_allowed_and_only_what_is_new_enough),
		cmocka_unit_test(test_since_takes_a_while_or_a_time_and_nothing_else),
		cmocka_unit_test(test_lines_are_cut_wherever_the_pieces_end),
		cmocka_unit_test(test_who_follows_gets_what_comes_until_there_will_be_no_more),
		cmocka_unit_test(test_a_line_is_not_joined_with_what_comes_after_a_gap),
		cmocka_unit_test(test_a_line_longer_than_any_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
