/* "tazfs policy" as a person calls it: what it prints, and its exit code. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "tazfs/cmd.h"

enum { ARGS_MAX = 10 };

static char out[65536], err[65536];
static char dir[] = "/tmp/taz-policy-cmd.XXXXXX";

static const struct cmd *const cmds[] = { &cmd_policy, NULL };
static const struct cmd_program program = { .name = "tazfs", .summary = "x", .cmds = cmds };

static int capture(FILE *stream, int *ret_saved)
{
	int fd = memfd_create("out", MFD_CLOEXEC);

	fflush(stream);
	*ret_saved = dup(fileno(stream));
	dup2(fd, fileno(stream));
	return fd;
}

static void release(FILE *stream, int fd, int saved, char *buf, size_t size)
{
	ssize_t n;

	fflush(stream);
	dup2(saved, fileno(stream));
	close(saved);
	n = io_pread_full(fd, buf, size - 1, 0);
	buf[n > 0 ? n : 0] = '\0';
	close(fd);
}

/* Blanks separate the words of @line, which begins below "tazfs". */
static int call(const char *line)
{
	char copy[512], *argv[ARGS_MAX] = { "tazfs" };
	int argc = 1, r, o, e, saved_o, saved_e;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	optind = 0;
	o = capture(stdout, &saved_o);
	e = capture(stderr, &saved_e);
	r = cmd_main(&program, argc, argv);
	release(stdout, o, saved_o, out, sizeof(out));
	release(stderr, e, saved_e, err, sizeof(err));
	return r;
}

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

#define assert_says(text, part)                                      \
	do {                                                         \
		if (!strstr(text, part))                             \
			fail_msg("'%s' is not in:\n%s", part, text); \
	} while (0)

static void test_a_good_policy_is_counted(void **state)
{
	put("p", "allow session r **\n");
	assert_int_equal(call("policy check p"), 0);
	assert_string_equal(out, "p: 1 rule, no error\n");
	assert_string_equal(err, "");
	put("p", "audit-only\n");
	assert_int_equal(call("policy check p"), 0);
	assert_says(out, "everything is denied");
	assert_says(out, "nothing is refused");
}

static void test_an_error_shows_its_line_and_a_mark_below_its_column(void **state)
{
	put("p", "# \xc3\xa9\n\tallow sesion r k\xc3\xbc\n");
	assert_int_equal(call("policy check p"), 1);
	assert_string_equal(out, "");
	assert_string_equal(err, "tazfs: p:2:8: 'sesion' is unknown: did you mean 'session'?\n"
				 "   allow sesion r k??\n"
				 "         ^\n");
}

static void test_a_check_as_json_has_the_error_or_the_warnings(void **state)
{
	put("p", "deny");
	assert_int_equal(call("policy check --json p"), 1);
	assert_says(out, "{\"ok\":false,\"rules\":0,\"audit_only\":false,\"error\":{\"line\":1,"
			 "\"column\":5,\"text\":\"the line ends");
	put("p", "allow any - **\ndeny tty r a/b\n");
	assert_int_equal(call("policy check --json p"), 0);
	assert_says(out, "\"ok\":true,\"rules\":2");
	assert_says(out, "\"error\":null,\"warnings\":[{\"line\":2,\"column\":1,\"text\":\"this "
			 "rule never decides: line 1");
}

static void test_what_programs_are_on_this_machine_is_said(void **state)
{
	char policy[1024];

	put("script", "#!/bin/sh\n");
	unlink("tool");
	assert_int_equal(symlink("/bin/sh", "tool"), 0);
	snprintf(policy, sizeof(policy),
		 "allow session exe=%s/script r a\n"
		 "allow session exe=%s/tool r b\n"
		 "hide under=%s/none - c\n"
		 "allow session not-under=%s/none,%s/nor - d\n"
		 "allow session exe=%s/none,/proc/self/exe r e\n",
		 dir, dir, dir, dir, dir, dir);
	put("p", policy);
	assert_int_equal(call("policy check p"), 0);
	assert_says(out, "p:1: here: exe=");
	assert_says(out, "never fits: it is a script");
	assert_says(out, "p:2: here: ");
	assert_says(out, "which does what any file says");
	assert_says(out, "p:3: here: under=");
	assert_says(out, "fits nobody");
	assert_says(out, "none is on this machine now: it fits everybody");
	assert_null(strstr(out, "p:5:"));
}

static void test_a_file_that_can_not_be_read_is_named(void **state)
{
	assert_int_equal(call("policy check nothing"), 1);
	assert_string_equal(err, "tazfs: read nothing: No such file or directory\n");
	assert_int_equal(call("policy test t --policy nothing"), 1);
	assert_int_equal(call("policy test nothing --preset ask"), 1);
	assert_says(err, "read nothing");
}

static void test_a_table_that_holds_is_counted(void **state)
{
	put("p", "allow session r a\n");
	put("t", "allow session r a\ndeny outsider r a b\n");
	assert_int_equal(call("policy test t --policy p"), 0);
	assert_string_equal(out, "3 verdicts, 0 not as expected\n");
	assert_int_equal(call("policy test t --policy p --json"), 0);
	assert_string_equal(out, "{\"ok\":true,\"verdicts\":3,\"failed\":0,\"error\":null,"
				 "\"mismatches\":[]}\n");
}

static void test_a_mismatch_is_printed_with_its_rule_and_the_reason(void **state)
{
	put("p", "hide  under=/usr/bin/gemini - ssh/**\n"
		 "allow session exe=/usr/bin/ssh r ssh/**\n"
		 "deny  any - ssh/**\n"
		 "allow session - **\n");
	put("t", "allow session exe=/bin/cat r ssh/id\n"
		 "deny session under=/usr/bin/gemini look .\n"
		 "deny outsider r .\n");
	assert_int_equal(call("policy test t --policy p"), 1);
	assert_string_equal(
		out,
		"t:1: ssh/id: expected allow, but it is deny\n"
		"    by line 3 of p: deny  any - ssh/**\n"
		"    line 2 says allow, but not for this caller: exe=: its program is none of those\n"
		"    line 4 says allow, but comes later\n"
		"t:2: .: expected deny, but it is allow\n"
		"    by line 4 of p: allow session - **\n"
		"    no rule says deny for that path and operation\n"
		"3 verdicts, 2 not as expected\n");
	assert_int_equal(call("policy test --json --policy p t"), 1);
	assert_says(out,
		    "{\"line\":1,\"path\":\"ssh/id\",\"expected\":\"allow\",\"verdict\":"
		    "\"deny\",\"rule_line\":3,\"rule\":\"deny  any - ssh/**\",\"why\":[\"line");
}

static void test_an_error_in_either_file_of_a_test_is_a_failure(void **state)
{
	put("p", "allow session r a\n");
	put("t", "allow session r a\nalow session r a\n");
	assert_int_equal(call("policy test t --policy p"), 1);
	assert_says(err, "t:2:1: 'alow' is no verdict: did you mean 'allow'?");
	assert_int_equal(call("policy test t --policy t --json"), 1);
	assert_says(err, "t:2:1: 'alow'");
}

static void test_presets_are_listed_and_printed(void **state)
{
	assert_int_equal(call("policy presets"), 0);
	assert_says(out, "session   the members");
	assert_says(out, "agent ");
	assert_int_equal(call("policy presets --json"), 0);
	assert_says(out, "[{\"name\":\"session\",");
	assert_says(out, "\"default\":true}");
	assert_int_equal(call("policy show --preset tools"), 0);
	put("p", out);
	assert_int_equal(call("policy check p"), 0);
	assert_int_equal(call("policy show --preset toolz"), 1);
	assert_says(err, "'tazfs policy presets' lists them");
}

static void test_wrong_usage_is_2_and_says_how(void **state)
{
	static const char *const lines[] = {
		"policy",
		"policy check a b",
		"policy check --jsn p",
		"policy test p",
		"policy test --preset ask",
		"policy test p --policy p --preset ask",
		"policy presets x",
		"policy show x y",
		"policy cheque p",
		"policy test - --policy -",
		"policy suggest --file log",
		"policy suggest --file log --policy p dir",
		"policy suggest --since tomorrow",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		assert_int_equal(call(lines[i]), 2);
		assert_string_not_equal(err, "");
		assert_string_equal(out, "");
	}
}

/* The log is one of any version: what is not understood is passed over. */
static void test_rules_are_suggested_from_a_copy_of_an_audit(void **state)
{
	put("p", "audit-only\n");
	put("t",
	    "{\"seq\":1,\"time\":\"2026-01-31T08:15:00.000000000Z\",\"verdict\":\"deny\",\"by\":"
	    "\"audit-only\",\"op\":\"r\",\"path\":\"ssh/id\",\"count\":3,\"last\":\"2026-01-31T08:"
	    "16:00.000000000Z\",\"pid\":41,\"exe\":\"/proc/version\",\"session\":1}\nnew\n");
	assert_int_equal(call("policy suggest --policy p --file t"), 0);
	assert_says(out, "\n# 3 times, last 2026-01-31T08:16:00Z\n"
			 "allow  session exe=/proc/version  r  ssh/id\n");
	put("script", out);
	assert_int_equal(call("policy check script"), 0);
	assert_int_equal(call("policy suggest --policy p --file t --since 2026-01-31T08:16:01Z"),
			 0);
	assert_says(out, "nothing was refused");
	assert_int_equal(call("policy suggest --json --policy p --file t"), 0);
	assert_says(out, "{\"refused\":3,\"since\":\"2026-01-31T08:15:00.000000000Z\"");
	assert_says(
		out,
		"\"kind\":\"rule\",\"rule\":\"allow  session exe=/proc/version  r  ssh/id\","
		"\"exe\":\"/proc/version\",\"script\":null,\"paths\":[\"ssh/id\"],\"count\":3,");
	put("t", "no log\n");
	assert_int_equal(call("policy suggest --policy p --file t"), 1);
	assert_says(err, "t is no copy of an audit");
	assert_int_equal(call("policy suggest --policy none --file t"), 1);
	assert_says(err, "none");
}

static void test_each_command_has_help_with_an_example(void **state)
{
	static const char *const lines[] = {
		"policy --help",	 "policy check --help", "policy test -h",
		"policy show --help",	 "help policy presets", "help policy",
		"policy suggest --help",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		assert_int_equal(call(lines[i]), 0);
		assert_says(out, "Usage: tazfs policy");
		assert_says(out, "Example:\n  tazfs policy");
	}
}

static int enter(void **state)
{
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	static const char *const names[] = { "p", "t", "script", "tool" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(names[i]);
	return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_policy_is_counted),
		cmocka_unit_test(test_an_error_shows_its_line_and_a_mark_below_its_column),
		cmocka_unit_test(test_a_check_as_json_has_the_error_or_the_warnings),
		cmocka_unit_test(test_what_programs_are_on_this_machine_is_said),
		cmocka_unit_test(test_a_file_that_can_not_be_read_is_named),
		cmocka_unit_test(test_a_table_that_holds_is_counted),
		cmocka_unit_test(test_a_mismatch_is_printed_with_its_rule_and_the_reason),
		cmocka_unit_test(test_an_error_in_either_file_of_a_test_is_a_failure),
		cmocka_unit_test(test_presets_are_listed_and_printed),
		cmocka_unit_test(test_rules_are_suggested_from_a_copy_of_an_audit),
		cmocka_unit_test(test_wrong_usage_is_2_and_says_how),
		cmocka_unit_test(test_each_command_has_help_with_an_example),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
