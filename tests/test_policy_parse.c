#include <errno.h>

#include "tests/policy_fixture.h"

static void test_the_text_and_its_lines_come_back(void **state)
{
	static const char text[] = "# one\nallow any r **\n\nlast";
	struct policy *p = NULL;
	struct policy_error err;
	const char *line;
	size_t size;

	assert_int_equal(policy_parse(text, strlen(text) - 5, &p, &err), 0);
	assert_string_equal(policy_text(p, &size), "# one\nallow any r **\n");
	assert_int_equal(size, strlen(text) - 5);
	assert_int_equal(policy_line(p, 0, &line), 0);
	assert_int_equal(policy_line(p, 2, &line), 14);
	assert_memory_equal(line, "allow any r **", 14);
	assert_int_equal(policy_line(p, 3, &line), 0);
	assert_int_equal(policy_line(p, 99, &line), 0);
	assert_string_equal(line, "");
	assert_false(policy_audit_only(p));
	policy_free(p);
	policy_free(NULL);
}

static void test_audit_only_stands_alone(void **state)
{
	struct policy *p = parsed("audit-only # for a week\ndeny any - **\n");

	assert_true(policy_audit_only(p));
	policy_free(p);
}

static void test_recheck_always_is_a_directive_beside_the_others(void **state)
{
	struct policy *p = parsed("audit-only\nrecheck-always\nallow any r **\n");

	assert_true(policy_rechecks(p) && policy_audit_only(p) && !policy_audit_all(p));
	policy_free(p);
	p = parsed("# recheck-always\nallow any r recheck-always\n");
	assert_false(policy_rechecks(p));
	policy_free(p);
}

static void test_names_with_blanks_are_quoted_and_signs_are_escaped(void **state)
{
	struct policy *p = parsed("allow any r \"my files/**\" a\\ b 'it\"s' notes#1 \"x\"'y'\\#\n"
				  "allow exe=\"/opt/My App/run\",/opt/a\\,b w **\n");
	static const char *const paths[] = { "my files/k", "a b", "it\"s", "notes#1", "xy#" };
	const char *const *programs;

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		assert_decision(decided(p, member(p, NULL, NULL), MAY_READ, paths[i]),
				VERDICT_ALLOW, 1);
	assert_int_equal(policy_programs(p, &programs), 2);
	assert_string_equal(programs[0], "/opt/My App/run");
	assert_string_equal(programs[1], "/opt/a,b");
	policy_free(p);
}

#define HEX8  "01234567"
#define HEX56 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8

static void test_an_error_has_its_place_and_says_what_to_do(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *says;
	} rows[] = {
		{ "alow any r **", 1, 1, "did you mean 'allow'" },
		{ "\n  dney any r **", 2, 3, "did you mean 'deny'" },
		{ "permit any r **", 1, 1, "allow, deny, hide, ask or decoy" },
		{ "allow sesion r **", 1, 7, "did you mean 'session'" },
		{ "allow session undre=/a r **", 1, 15, "did you mean 'under='" },
		{ "allow exe r **", 1, 7, "did you mean 'exe='" },
		{ "allow session=1 r **", 1, 7, "did you mean 'session'" },
		{ "allow banana r **", 1, 7, "expected who" },
		{ "allow session rwz **", 1, 17, "r(ead) w(rite)" },
		{ "allow session rr **", 1, 17, "each once" },
		{ "allow session **", 1, 15, "missing before it" },
		{ "allow session ssh/id", 1, 15, "missing before it" },
		{ "allow", 1, 6, "before who, what may be done and a path" },
		{ "allow session", 1, 14, "before what may be done and a path" },
		{ "allow r **", 1, 7, "who is missing" },
		{ "allow session r", 1, 16, "before a path" },
		{ "allow session r # **", 1, 17, "before a path" },
		{ "allow session session r **", 1, 15, "given twice" },
		{ "allow exe=/a exe=/b r **", 1, 14, "with commas" },
		{ "allow any session r **", 1, 7, "any means everybody" },
		{ "allow exe=ssh r **", 1, 11, "absolute path" },
		{ "allow exe=/a,ssh r **", 1, 14, "absolute path" },
		{ "deny under=ssh r **", 1, 12, "absolute path" },
		{ "allow exe=/a/../b r **", 1, 11, "without '.'" },
		{ "allow exe=/a/ r **", 1, 11, "without '.'" },
		{ "allow exe=/usr/bin/* r **", 1, 11, "no glob" },
		{ "allow exe= r **", 1, 11, "without a value" },
		{ "allow exe=/a,,/b r **", 1, 14, "a comma too many" },
		{ "allow exe=/a, r **", 1, 14, "a comma too many" },
		{ "allow pin=abc r **", 1, 11, "sha256sum" },
		{ "allow pin=sha256:0123456x" HEX56 " r **", 1, 11, "'x' is no hexadecimal" },
		{ "allow pin=sha256:" HEX56 " r **", 1, 11, "64 digits" },
		{ "allow uid=root r **", 1, 11, "id -u" },
		{ "allow uid=4294967295 r **", 1, 11, "id -u" },
		{ "allow uid=-1 r **", 1, 11, "id -u" },
		{ "allow traced r **", 1, 7, "can't allow what is traced" },
		{ "deny clean-env r **", 1, 6, "allow or ask" },
		{ "deny exe=/bin/sh interpreter-ok r **", 1, 18, "allow or ask" },
		{ "allow exe=/bin/ssh interpreter-ok r **", 1, 20, "there is none" },
		{ "allow script=/usr/bin/aws r **", 1, 7, "its interpreter" },
		{ "ask exe=/a,/bin/bash r **", 1, 5, "/bin/bash does what any file says" },
		{ "allow any r /ssh", 1, 13, "below the root" },
		{ "allow any r ~/secrets/ssh", 1, 13, "below the root" },
		{ "allow any r a/ b", 1, 15, "an empty part" },
		{ "allow any r **.key", 1, 13, "stands alone" },
		{ "allow any r \"\"", 1, 13, "** for everything" },
		{ "allow any r \"a b", 1, 13, "not closed" },
		{ "allow any r a\\", 1, 14, "nothing after it" },
		{ "audit-only now", 1, 12, "stands alone" },
		{ "recheck-always\nrecheck-always", 2, 1, "twice" },
		{ "recheck-allways", 1, 1, "did you mean 'recheck-always'?" },
		{ "audit-only\naudit-only", 2, 1, "twice" },
		{ "audit", 1, 1, "no verdict" },
		{ "# ok\nallow any r **\r\n", 2, 15, "CR" },
		{ "allow any r \x01", 1, 13, "control character" },
		{ "allow any r \xff", 1, 13, "not UTF-8" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct policy_error err;
		struct policy *p = NULL;

		if (policy_parse(rows[i].text, strlen(rows[i].text), &p, &err) != -EINVAL)
			fail_msg("taken: %s", rows[i].text);
		assert_null(p);
		if (err.line != rows[i].line || err.column != rows[i].column ||
		    !strstr(err.text, rows[i].says))
			fail_msg("%s: %u:%u: %s", rows[i].text, err.line, err.column, err.text);
	}
}

static void test_an_interpreter_needs_its_script_to_be_given_something(void **state)
{
	static const char *const interpreters[] = {
		"/bin/sh",
		"/bin/bash",
		"/bin/dash",
		"/usr/bin/zsh",
		"/usr/bin/fish",
		"/usr/bin/python",
		"/usr/bin/python3.11",
		"/usr/bin/perl5.36",
		"/usr/bin/ruby",
		"/usr/bin/node",
		"/usr/bin/lua5.4",
		"/usr/bin/php8.2",
		"/usr/bin/awk",
		"/usr/bin/env",
		"/usr/bin/busybox",
		"/bin/bash-static",
		"/lib64/ld-linux-x86-64.so.2",
	};
	static const struct {
		const char *before, *behind;
		bool taken;
	} forms[] = {
		{ "allow session exe=", " r **", false },
		{ "ask session exe=", " r **", false },
		{ "allow session exe=", " script=/x r **", true },
		{ "allow session exe=", " interpreter-ok r **", true },
		{ "deny session exe=", " r **", true },
		{ "hide under=", " r **", true },
	};

	for (size_t i = 0; i < sizeof(interpreters) / sizeof(*interpreters); i++)
		for (size_t f = 0; f < sizeof(forms) / sizeof(*forms); f++) {
			struct policy *p = NULL;
			struct policy_error err;
			char text[128];
			int r;

			snprintf(text, sizeof(text), "%s%s%s", forms[f].before, interpreters[i],
				 forms[f].behind);
			r = policy_parse(text, strlen(text), &p, &err);
			if (r != (forms[f].taken ? 0 : -EINVAL))
				fail_msg("%s", text);
			policy_free(p);
		}
	/* Names that only begin like one. */
	policy_free(parsed("allow exe=/usr/bin/ssh,/usr/bin/envsubst,/usr/bin/shred r **"));
}

static void test_a_text_of_zeros_and_one_that_is_too_long_are_refused(void **state)
{
	char *text = calloc(1, POLICY_BYTES_MAX + 1);
	struct policy_error err;
	struct policy *p;

	assert_int_equal(policy_parse(text, 10, &p, &err), -EINVAL);
	memset(text, '\n', POLICY_BYTES_MAX + 1);
	assert_int_equal(policy_parse(text, POLICY_BYTES_MAX + 1, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "64 KiB"));
	assert_int_equal(policy_parse(text, POLICY_BYTES_MAX, &p, &err), 0);
	policy_free(p);
	free(text);
}

static int parse_many(unsigned n, const char *form, struct policy_error *err)
{
	struct policy *p = NULL;
	char *text = many(n, form);
	int r = policy_parse(text, strlen(text), &p, err);

	policy_free(p);
	free(text);
	return r;
}

static void test_rules_programs_and_paths_have_a_limit_with_a_name(void **state)
{
	static const struct {
		unsigned most;
		const char *form, *says;
	} rows[] = {
		{ POLICY_RULES_MAX, "allow session r d@/f\n", "256 rules" },
		{ POLICY_PROGRAMS_MAX / 4, "deny exe=/a@,/b@,/c@,/d@ r **\n",
		  "512 different programs" },
		{ 2048 / 16, "deny any r a b c d e f g h i j k l m n o p\n", "2048 paths" },
	};
	struct policy_error err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(parse_many(rows[i].most, rows[i].form, &err), 0);
		assert_int_equal(parse_many(rows[i].most + 1, rows[i].form, &err), -EINVAL);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_int_equal(err.line, rows[i].most + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_text_and_its_lines_come_back),
		cmocka_unit_test(test_audit_only_stands_alone),
		cmocka_unit_test(test_recheck_always_is_a_directive_beside_the_others),
		cmocka_unit_test(test_names_with_blanks_are_quoted_and_signs_are_escaped),
		cmocka_unit_test(test_an_error_has_its_place_and_says_what_to_do),
		cmocka_unit_test(test_an_interpreter_needs_its_script_to_be_given_something),
		cmocka_unit_test(test_a_text_of_zeros_and_one_that_is_too_long_are_refused),
		cmocka_unit_test(test_rules_programs_and_paths_have_a_limit_with_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
