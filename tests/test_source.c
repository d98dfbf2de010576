#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/source.h"

static char top[64], exe[96], found[200];

static void put(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void folder(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state)
{
	strcpy(top, "/tmp/taz-source-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(exe, sizeof(exe), "%s/bin/tazlaunch", top);
	folder("bin");
	put("bin/tazlaunch", "");
	strcpy(found, "untouched");
	return 0;
}

static int teardown(void **state)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -r %s", top);
	return system(cmd);
}

static void install(void)
{
	folder("share");
	folder("share/taz");
	folder("share/taz/images");
	put("share/taz/images/lib.sh", "");
}

static void test_an_installed_program_has_its_own(void **state)
{
	char want[200];

	install();
	snprintf(want, sizeof(want), "%s/bin/../share/taz", top);
	assert_int_equal(source_beside(exe, found, sizeof(found)), 0);
	assert_string_equal(found, want);
}

static void test_one_in_a_build_folder_has_the_checkout(void **state)
{
	put("bin/source-tree", "/home/me/a checkout\n");
	assert_int_equal(source_beside(exe, found, sizeof(found)), 0);
	assert_string_equal(found, "/home/me/a checkout");
}

static void test_one_that_lies_alone_has_none(void **state)
{
	assert_int_equal(source_beside(exe, found, sizeof(found)), -ENOENT);
	put("bin/source-tree", "relative\n");
	assert_int_equal(source_beside(exe, found, sizeof(found)), -ENOENT);
	put("bin/source-tree", "");
	assert_int_equal(source_beside(exe, found, sizeof(found)), -ENOENT);
	assert_int_equal(source_beside("tazlaunch", found, sizeof(found)), -ENOENT);
}

static void test_a_link_or_a_pipe_in_its_place_is_not_read(void **state)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/bin/source-tree", top);
	put("elsewhere", "/home/me/other\n");
	assert_int_equal(symlink("../elsewhere", path), 0);
	assert_int_equal(source_beside(exe, found, sizeof(found)), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(source_beside(exe, found, sizeof(found)), -ENOENT);
}

static void test_what_somebody_else_has_put_there_is_not_believed(void **state)
{
	char path[200];

	if (geteuid())
		skip();
	snprintf(path, sizeof(path), "%s/bin/source-tree", top);
	put("bin/source-tree", "/home/me/other\n");
	assert_int_equal(chown(path, 1000, 1000), 0);
	assert_int_equal(source_beside(exe, found, sizeof(found)), -ENOENT);
	/* His own program may have it. */
	assert_int_equal(chown(exe, 1000, 1000), 0);
	assert_int_equal(source_beside(exe, found, sizeof(found)), 0);
	assert_int_equal(chown(exe, 0, 0), 0);
	assert_int_equal(unlink(path), 0);
	install();
	snprintf(path, sizeof(path), "%s/share/taz/images/lib.sh", top);
	assert_int_equal(chown(path, 1000, 1000), 0);
	assert_int_equal(source_beside(exe, found, sizeof(found)), -ENOENT);
}

static void test_what_does_not_fit_is_said(void **state)
{
	put("bin/source-tree", "/home/me/a checkout\n");
	assert_int_equal(source_beside(exe, found, 10), -ENAMETOOLONG);
}

static void test_what_the_environment_names_wins(void **state)
{
	assert_int_equal(setenv("TAZ_SOURCE", "/named", 1), 0);
	assert_string_equal(layers_source(), "/named");
	assert_int_equal(unsetenv("TAZ_SOURCE"), 0);
	/* The tests lie in a folder that has neither. */
	assert_string_equal(layers_source(), "/usr/share/taz");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_installed_program_has_its_own),
		TEST(one_in_a_build_folder_has_the_checkout),
		TEST(one_that_lies_alone_has_none),
		TEST(a_link_or_a_pipe_in_its_place_is_not_read),
		TEST(what_somebody_else_has_put_there_is_not_believed),
		TEST(what_does_not_fit_is_said),
		TEST(what_the_environment_names_wins),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
