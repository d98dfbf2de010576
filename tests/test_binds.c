#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/binds.h"

static void test_a_list_has_folders_names_and_what_is_read_only(void **state)
{
	struct binds b;

	assert_int_equal(binds_parse("", &b), 0);
	assert_int_equal(b.n, 0);
	assert_int_equal(binds_parse("/home/u/a b:/mnt/a,/srv/go:/mnt/go-1:ro", &b), 0);
	assert_int_equal(b.n, 2);
	assert_string_equal(b.v[0].source, "/home/u/a b");
	assert_string_equal(b.v[0].name, "a");
	assert_false(b.v[0].read_only);
	assert_string_equal(b.v[1].source, "/srv/go");
	assert_string_equal(b.v[1].name, "go-1");
	assert_true(b.v[1].read_only);
}

static void test_anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"/a",
		"/a:",
		":/mnt/a",
		"a:/mnt/a",
		"~/a:/mnt/a",
		"/a:/mnt/",
		"/a:/mnt/a/b",
		"/a:/mnt/..",
		"/a:/mnt/A",
		"/a:/etc",
		"/a:/home/taz/secrets",
		"/a:/workspace",
		"/a:/mnt/a:rw",
		"/a:/mnt/a:",
		"/a:/mnt/a:ro:ro",
		"/a::/mnt/a",
		",",
		"/a:/mnt/a,",
		",/a:/mnt/a",
		"/a:/mnt/a,/b:/mnt/a",
		"/a\n:/mnt/a",
		"/a\033:/mnt/a",
		"/:/mnt/1,/:/mnt/2,/:/mnt/3,/:/mnt/4,/:/mnt/5,/:/mnt/6,/:/mnt/7,/:/mnt/8,/:/mnt/9",
		"/a:/mnt/a23456789012345678901234567890123",
	};
	char longest[BINDS_TEXT + 16];
	struct binds b;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (binds_parse(bad[i], &b) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	strcpy(longest + BINDS_TEXT - 1 - strlen(":/mnt/a"), ":/mnt/a");
	assert_int_equal(binds_parse(longest, &b), 0);
	strcpy(longest + BINDS_TEXT - strlen(":/mnt/a"), ":/mnt/a");
	assert_int_equal(binds_parse(longest, &b), -EINVAL);
}

static char dir[] = "/tmp/taz-binds-XXXXXX";

static int check(const char *name, const char *own)
{
	const char *const all[] = { own, NULL };
	struct binds b = { .n = 1 };

	snprintf(b.v[0].source, sizeof(b.v[0].source), "%s%s", dir, name);
	return binds_check(&b, all);
}

static void test_what_could_be_another_folder_or_is_ours_is_not_given_away(void **state)
{
	char target[64];

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("real", 0755), 0);
	assert_int_equal(mkdir("real/below", 0755), 0);
	snprintf(target, sizeof(target), "%s/real", dir);
	assert_int_equal(symlink(target, "link"), 0);
	assert_int_equal(close(creat("real/file", 0644)), 0);
	assert_int_equal(check("/real", "/bin"), 0);
	assert_int_equal(check("/real/below", "/bin"), 0);
	assert_int_equal(check("/nothing", "/bin"), -ENOENT);
	assert_int_equal(check("/link", "/bin"), -EINVAL);
	assert_int_equal(check("/link/below", "/bin"), -EINVAL);
	assert_int_equal(check("/real/../real", "/bin"), -EINVAL);
	assert_int_equal(check("/real/file", "/bin"), -EINVAL);
	assert_int_equal(check("/real", target), -EINVAL);
	assert_int_equal(check("/real/below", target), -EINVAL);
	assert_int_equal(check("", target), -EINVAL); /* ours is in it */
	unlink("real/file");
	unlink("link");
	rmdir("real/below");
	rmdir("real");
	assert_int_equal(chdir("/"), 0);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_list_has_folders_names_and_what_is_read_only),
		cmocka_unit_test(test_anything_else_is_refused),
		cmocka_unit_test(test_what_could_be_another_folder_or_is_ours_is_not_given_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
