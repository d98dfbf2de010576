/* The lines of the log: any bytes in, the same bytes out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "enclave/base/fd.h"
#include "tazfs/audit_record.h"

#define WHEN 1769847300123456789ULL /* 2026-01-31T08:15:00.123456789Z */

static char line[AUDIT_LINE_MAX], mem[AUDIT_PARSE_MEM(AUDIT_LINE_MAX)];

static struct audit_record example(void)
{
	return (struct audit_record){
		.seq = 7,
		.time_ns = WHEN,
		.verdict = AUDIT_DENY,
		.rule = 3,
		.op = "open",
		.path = "ssh/id",
		.count = 2,
		.last_ns = WHEN + 1,
		.pid = 41,
		.exe = "/usr/bin/cat",
		.tty = "pts/3",
		.session = 1,
		.n_chain = 2,
		.chain = { { 40, "/usr/bin/bash" }, { 1, NULL } },
	};
}

static size_t format(const struct audit_record *r)
{
	ssize_t n = audit_format(r, line, sizeof(line));

	assert_true(n > 0);
	line[n] = '\0';
	return (size_t)n;
}

static void test_a_decision_is_one_object_in_one_line(void **state)
{
	struct audit_record r = example();

	format(&r);
	assert_string_equal(
		line, "{\"seq\":7,\"time\":\"2026-01-31T08:15:00.123456789Z\",\"verdict\":\"deny\","
		      "\"rule\":3,\"op\":\"open\",\"path\":\"ssh/id\",\"count\":2,"
		      "\"last\":\"2026-01-31T08:15:00.123456790Z\",\"pid\":41,"
		      "\"exe\":\"/usr/bin/cat\",\"tty\":\"pts/3\",\"session\":1,"
		      "\"chain\":[{\"pid\":40,\"exe\":\"/usr/bin/bash\"},{\"pid\":1}]}");
}

static void test_what_is_written_is_read_back_and_nothing_else_is_read(void **state)
{
	struct audit_record r = example(), got;
	size_t n = format(&r);

	assert_int_equal(audit_parse(line, n, mem, &got), 0);
	assert_int_equal(got.seq, 7);
	assert_int_equal(got.time_ns, WHEN);
	assert_int_equal(got.verdict, AUDIT_DENY);
	assert_string_equal(got.path, "ssh/id");
	assert_null(got.script);
	assert_int_equal(got.n_chain, 2);
	assert_string_equal(got.chain[0].exe, "/usr/bin/bash");
	assert_null(got.chain[1].exe);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(audit_parse(line, cut, mem, &got), -EBADMSG);
	for (size_t i = 0; i < n; i++) {
		char was = line[i];

		line[i] = (char)(was ^ 0x80);
		assert_true(audit_parse(line, n, mem, &got) == -EBADMSG ||
			    (unsigned char)was > 127);
		line[i] = was;
	}
}

static void test_the_same_may_not_be_written_in_another_way(void **state)
{
	static const char *const others[] = {
		"{\"seq\":07}",
		"{\"seq\":0}",
		"{ \"seq\":7}",
		"{\"seq\":7,\"seq\":7}",
		"{\"count\":1,\"seq\":7}",
		"{\"seq\":18446744073709551616}",
		"{\"path\":\"\\u0061\"}",
		"{\"path\":\"\\\\x61\"}",
		"{\"path\":\"\\\\x00\"}",
		"{\"path\":\"\\n\"}",
		"{\"path\":\"\n\"}",
		"{\"path\":\"\xff\"}",
		"{\"time\":\"2026-02-30T08:15:00.123456789Z\"}",
		"{\"time\":\"2026-01-31T24:15:00.123456789Z\"}",
		"{\"verdict\":\"maybe\"}",
		"{\"chain\":[]}",
		"{\"other\":1}",
		"{}",
		"",
	};
	struct audit_record got;

	assert_int_equal(audit_parse("{\"seq\":7}", 9, mem, &got), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (audit_parse(others[i], strlen(others[i]), mem, &got) == 0)
			fail_msg("accepted: %s", others[i]);
}

/* As another program reads it. */
static void check_json(const char *path)
{
	struct json_object *o = json_tokener_parse(line), *member = NULL;
	struct audit_out printed = { .data = calloc(1, 20000), .room = 19999 };

	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "path", &member));
	audit_put_name(&printed, path);
	assert_string_equal(json_object_get_string(member), printed.data);
	for (const char *s = printed.data; *s; s++)
		assert_false((unsigned char)*s < 32 || *s == 127);
	json_object_put(o);
	free(printed.data);
}

static void check_path(const char *path)
{
	struct audit_record r = example(), got;
	size_t n;

	r.path = r.exe = r.chain[0].exe = path;
	n = format(&r);
	for (size_t i = 0; i < n; i++)
		assert_true((unsigned char)line[i] >= 32);
	assert_int_equal(audit_parse(line, n, mem, &got), 0);
	assert_string_equal(got.path, path);
	assert_string_equal(got.exe, path);
	assert_string_equal(got.chain[0].exe, path);
	check_json(path);
}

static void test_whatever_a_file_is_called_the_line_is_json_and_gives_the_name_back(void **state)
{
	static const char *const names[] = {
		"new\nline",
		"quo\"te\"",
		"back\\slash\\xff",
		"\x1b[2J\x1b[31mred",
		"\xff\xfe",
		"\xc0\xaf over",
		"\xed\xa0\x80 half",
		"\xf4\x90\x80\x80",
		"\xc2",
		"h\xc3\xa4user",
		"\xe2\x80\xae txt.exe",
		"\xc2\x9b;31m",
		"\xf0\x9f\x94\x91",
		"\\",
		"\\\\",
		"\"",
		"tab\ttab",
		"\xf3\xa0\x81\x81 tag",
		"",
	};
	char *long_name = malloc(4097);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		check_path(names[i]);
	for (int c = 1; c < 256; c++) {
		memset(long_name, c, 4096);
		long_name[4096] = '\0';
		check_path(long_name);
	}
	srand(4711);
	for (int i = 0; i < 300; i++) {
		size_t n = 1 + (size_t)rand() % 200;

		for (size_t j = 0; j < n; j++)
			long_name[j] = (char)(1 + rand() % 255);
		long_name[n] = '\0';
		check_path(long_name);
	}
	free(long_name);
}

static void test_a_name_that_turns_the_text_or_commands_a_terminal_is_spelled_out(void **state)
{
	char text[64] = "";
	struct audit_out o = { .data = text, .room = sizeof(text) - 1 };

	audit_put_name(&o, "a\xe2\x80\xae"
			   "b\x1b\xc2\x9bh\xc3\xa4\xff\\");
	assert_string_equal(text, "a\\xe2\\x80\\xaeb\\x1b\\xc2\\x9bh\xc3\xa4\\xff\\\\");
}

static void test_a_line_that_does_not_fit_is_not_written_in_part(void **state)
{
	struct audit_record r = example();
	size_t n = format(&r);

	for (size_t room = 0; room < n; room++)
		assert_int_equal(audit_format(&r, line, room), -ENOSPC);
	assert_int_equal(audit_format(&r, line, n), n);
	r.verdict = AUDIT_VERDICTS;
	assert_int_equal(audit_format(&r, line, sizeof(line)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_decision_is_one_object_in_one_line),
		cmocka_unit_test(test_what_is_written_is_read_back_and_nothing_else_is_read),
		cmocka_unit_test(test_the_same_may_not_be_written_in_another_way),
		cmocka_unit_test(
			test_whatever_a_file_is_called_the_line_is_json_and_gives_the_name_back),
		cmocka_unit_test(
			test_a_name_that_turns_the_text_or_commands_a_terminal_is_spelled_out),
		cmocka_unit_test(test_a_line_that_does_not_fit_is_not_written_in_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
