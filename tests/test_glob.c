#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tazfs/glob.h"

static struct glob compiled(const char *pattern)
{
	struct glob_error err;
	struct glob g;

	if (glob_init(&g, pattern, strlen(pattern), &err) < 0)
		fail_msg("%s: %s", pattern, err.why);
	return g;
}

static bool fits(const char *pattern, const char *path)
{
	struct glob g = compiled(pattern);
	bool yes = glob_fits(&g, path, strlen(path));
	int bucket = glob_bucket(&g);

	/* A bucket that hides what fits would hide a rule. */
	if (yes && bucket >= 0)
		assert_int_equal(bucket, glob_path_bucket(path, strlen(path)));
	glob_done(&g);
	return yes;
}

static bool below(const char *pattern, const char *path)
{
	struct glob g = compiled(pattern);
	bool yes = glob_below(&g, path, strlen(path));

	glob_done(&g);
	return yes;
}

static bool covers(const char *one, const char *other)
{
	struct glob a = compiled(one), b = compiled(other);
	bool yes = glob_covers(&a, &b);

	glob_done(&a);
	glob_done(&b);
	return yes;
}

struct row {
	const char *pattern;
	const char *path;
	bool yes;
};

static void check(bool (*what)(const char *, const char *), const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (what(rows[i].pattern, rows[i].path) != rows[i].yes)
			fail_msg("'%s' and '%s': expected %s", rows[i].pattern, rows[i].path,
				 rows[i].yes ? "yes" : "no");
}

#define CHECK(what, rows) check(what, rows, sizeof(rows) / sizeof(*(rows)))

static void test_a_literal_path_fits_itself_only(void **state)
{
	static const struct row rows[] = {
		{ "kube/config", "kube/config", true },
		{ "kube/config", "kube", false },
		{ "kube/config", "kube/config2", false },
		{ "kube/config", "kube/config/x", false },
		{ "kube/config", "xkube/config", false },
		{ "kube/config", "", false },
		{ ".env", ".env", true },
		{ "a b", "a b", true },
		{ "\\*", "*", true },
		{ "\\*", "x", false },
		{ "a\\[1\\].txt", "a[1].txt", true },
		{ "\\a\\b", "ab", true },
		{ ".", "", true },
		{ ".", "a", false },
	};

	CHECK(fits, rows);
}

static void test_two_stars_fit_any_depth_and_the_root(void **state)
{
	static const struct row rows[] = {
		{ "**", "", true },
		{ "**", "a", true },
		{ "**", "a/b/c/.d", true },
		{ "ssh/**", "ssh", true },
		{ "ssh/**", "ssh/id_rsa", true },
		{ "ssh/**", "ssh/a/b/c", true },
		{ "ssh/**", "sshd", false },
		{ "ssh/**", "sshd/x", false },
		{ "ssh/**", "", false },
		{ "ssh/**", "x/ssh", false },
		{ "**/id_rsa", "id_rsa", true },
		{ "**/id_rsa", "a/b/id_rsa", true },
		{ "**/id_rsa", "a/id_rsa/b", false },
		{ "a/**/z", "a/z", true },
		{ "a/**/z", "a/b/c/z", true },
		{ "a/**/z", "a/b/c/z/y", false },
		{ "a/**/z/**", "a/b/z/c", true },
		{ "**/a/**/b/**", "x/a/y/b", true },
		{ "**/a/**/b/**", "b/a", false },
		{ "**/**", "", true },
		{ "**/*.key", "a/b.key", true },
		{ "**/*.key", "b.key", true },
		{ "**/*.key", "b.key/a", false },
		{ "**/*.key", "", false },
		{ "**/*", "", false },
		{ "**/*", "a/b", true },
	};

	CHECK(fits, rows);
}

static void test_a_star_and_a_question_mark_stay_in_their_part(void **state)
{
	static const struct row rows[] = {
		{ "*", "a", true },
		{ "*", ".hidden", true },
		{ "*", "a/b", false },
		{ "*", "", false },
		{ "*.key", ".key", true },
		{ "*.key", "a.key", true },
		{ "*.key", "d/a.key", false },
		{ "s*h/*", "ssh/x", true },
		{ "s*h/*", "ssh", false },
		{ "a*b*c", "abc", true },
		{ "a*b*c", "aXbYc", true },
		{ "a*b*c", "aXcYb", false },
		{ "a?c", "abc", true },
		{ "a?c", "a/c", false },
		{ "a?c", "ac", false },
		{ "id_*", "id_", true },
		{ "*a", "aba", true },
		{ "*ab", "aab", true },
	};

	CHECK(fits, rows);
}

static void test_what_is_no_path_fits_only_what_fits_everything(void **state)
{
	static const struct row rows[] = {
		{ "**", "/", true }, { "*", "/", false },    { "**/*", "/", false },
		{ ".", "/", false }, { "a/**", "/", false }, { "?*", "/", false },
	};

	CHECK(fits, rows);
}

static void test_a_set_fits_one_of_its_characters(void **state)
{
	static const struct row rows[] = {
		{ "[abc]", "b", true },	      { "[abc]", "d", false },
		{ "[a-c]x", "cx", true },     { "[!a-c]", "d", true },
		{ "[!a-c]", "a", false },     { "[^a]", "b", true },
		{ "[]]", "]", true },	      { "[!]]", "]", false },
		{ "[a-]", "-", true },	      { "[\\]]", "]", true },
		{ "[*]", "*", true },	      { "[*]", "a", false },
		{ "[!a]", "a/b", false },     { "[a-z]*", "key", true },
		{ "[0-9][0-9]", "42", true }, { "[0-9][0-9]", "4", false },
	};

	CHECK(fits, rows);
}

static void test_a_character_is_one_of_utf_8_and_else_a_byte(void **state)
{
	static const struct row rows[] = {
		{ "?", "\xc3\xa9", true },
		{ "??", "\xc3\xa9", false },
		{ "[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true },
		{ "[\xc3\xa0-\xc3\xbf]", "e", false },
		{ "?", "\xff", true },
		{ "?", "\xc3", true },
		{ "??", "\xc3\x28", true },
		{ "a*?", "a\xf0\x9f\x94\x91", true },
		{ "[!a]", "\xff", true },
	};

	CHECK(fits, rows);
}

static void test_what_can_be_below_a_directory_is_told(void **state)
{
	static const struct row rows[] = {
		{ "ssh/id_rsa", "", true },
		{ "ssh/id_rsa", "ssh", true },
		{ "ssh/id_rsa", "ssh/id_rsa", false },
		{ "ssh/id_rsa", "s", false },
		{ "ssh/id_rsa", "kube", false },
		{ "ssh/**", "", true },
		{ "ssh/**", "ssh", true },
		{ "ssh/**", "ssh/a/b", true },
		{ "ssh/**", "sshd", false },
		{ "**", "", true },
		{ "**", "a/b", true },
		{ "*", "", true },
		{ "*", "a", false },
		{ "*/id", "a", true },
		{ "*/id", "a/b", false },
		{ "**/id", "a/b", true },
		{ "**/id", "", true },
		{ "**/id", "id", true },
		{ "**/*.k", "a.k", true },
		{ "a*/b/**", "ab", true },
		{ "a*/b/**", "x", false },
		{ ".", "", false },
		{ ".", "a", false },
	};

	CHECK(below, rows);
}

static void test_a_pattern_that_another_covers_is_told(void **state)
{
	static const struct row rows[] = {
		{ "**", "ssh/**", true },
		{ "**", "*", true },
		{ "**", ".", true },
		{ "ssh/**", "ssh/id_*", true },
		{ "ssh/**", "ssh/a/**", true },
		{ "ssh/**", "**", false },
		{ "ssh/**", "s*/id", false },
		{ "id_*", "id_rsa", true },
		{ "*", "ssh/**", false },
		{ "**/x", "a/x", true },
		{ "s*/**", "ssh/**", true },
		{ "a/*", "a/*", true },
		{ "a/*", "a/?", false },
		{ "ssh/id", "ssh/**", false },
	};

	CHECK(covers, rows);
}

static void test_a_bad_pattern_is_refused_where_it_is_bad(void **state)
{
	static const struct {
		const char *pattern;
		size_t at;
		const char *why;
	} rows[] = {
		{ "", 0, "empty" },
		{ "/ssh", 0, "empty part" },
		{ "ssh/", 4, "empty part" },
		{ "a//b", 2, "empty part" },
		{ "a/./b", 2, "'..'" },
		{ "a/../b", 2, "'..'" },
		{ "..", 0, "'..'" },
		{ "**.key", 0, "'**' stands alone" },
		{ "a/b**", 3, "'**' stands alone" },
		{ "a/[bc", 2, "not closed" },
		{ "[a/b]", 0, "not closed" },
		{ "[]", 0, "not closed" },
		{ "x[z-a]", 1, "backwards" },
		{ "[[:alpha:]]", 0, "[:alpha:]" },
		{ "a\\", 1, "backslash" },
		{ "a\\/b", 1, "backslash" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct glob_error err = { 0 };
		struct glob g;

		if (glob_init(&g, rows[i].pattern, strlen(rows[i].pattern), &err) != -EINVAL)
			fail_msg("'%s' was taken", rows[i].pattern);
		if (err.at != rows[i].at || !strstr(err.why, rows[i].why))
			fail_msg("'%s': %zu: %s", rows[i].pattern, err.at, err.why);
	}
}

static void test_a_pattern_has_no_more_parts_and_bytes_than_it_may(void **state)
{
	char text[GLOB_BYTES_MAX + 2] = "a";
	struct glob_error err;
	struct glob g;

	for (unsigned i = 1; i < GLOB_PARTS_MAX; i++)
		strcat(text, "/*");
	g = compiled(text);
	assert_true(glob_fits(&g, text, strlen(text)));
	glob_done(&g);
	strcat(text, "/b");
	assert_int_equal(glob_init(&g, text, strlen(text), &err), -EINVAL);
	memset(text, 'a', sizeof(text) - 1);
	assert_int_equal(glob_init(&g, text, GLOB_BYTES_MAX, &err), 0);
	glob_done(&g);
	assert_int_equal(glob_init(&g, text, GLOB_BYTES_MAX + 1, &err), -EINVAL);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* With a way tried twice these take longer than the universe; a second is for a slow machine. */
static void test_no_pattern_takes_exponential_time(void **state)
{
	static const char *const units[] = { "a*", "*a", "[a]*", "?*" };
	char pattern[GLOB_BYTES_MAX + 1], path[256];
	double start = seconds();

	memset(path, 'a', 255);
	path[255] = '\0';
	for (size_t u = 0; u < sizeof(units) / sizeof(*units); u++) {
		*pattern = '\0';
		for (unsigned i = 0; i < 60; i++)
			strcat(pattern, units[u]);
		assert_false(fits(strcat(pattern, "b"), path));
	}
	for (unsigned i = 1; i < 255; i += 2)
		path[i] = '/';
	*pattern = '\0';
	for (unsigned i = 0; i < 31; i++)
		strcat(pattern, "**/a/");
	assert_false(fits(strcat(pattern, "b"), path));
	assert_true(seconds() - start < 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_literal_path_fits_itself_only),
		cmocka_unit_test(test_two_stars_fit_any_depth_and_the_root),
		cmocka_unit_test(test_a_star_and_a_question_mark_stay_in_their_part),
		cmocka_unit_test(test_what_is_no_path_fits_only_what_fits_everything),
		cmocka_unit_test(test_a_set_fits_one_of_its_characters),
		cmocka_unit_test(test_a_character_is_one_of_utf_8_and_else_a_byte),
		cmocka_unit_test(test_what_can_be_below_a_directory_is_told),
		cmocka_unit_test(test_a_pattern_that_another_covers_is_told),
		cmocka_unit_test(test_a_bad_pattern_is_refused_where_it_is_bad),
		cmocka_unit_test(test_a_pattern_has_no_more_parts_and_bytes_than_it_may),
		cmocka_unit_test(test_no_pattern_takes_exponential_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
