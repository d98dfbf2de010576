#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/layers.h"

static const char *const patterns[] = { "*.c", NULL };
static const struct layer_part parts[] = {
	{ "conf", "conf", NULL },
	{ "src", "src/our", patterns },
	{ NULL },
};
static const struct layer layer = { .name = "base", .dockerfile = "Dockerfile", .parts = parts };

static char source[64], stage[96];

static void put(const char *name, const char *text, mode_t mode)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", source, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void shell(const char *fmt, const char *a)
{
	char cmd[300];

	snprintf(cmd, sizeof(cmd), "cd %s && %s %s", source, fmt, a);
	assert_int_equal(system(cmd), 0);
}

static int setup(void **state)
{
	strcpy(source, "/tmp/taz-layers-XXXXXX");
	if (!mkdtemp(source))
		return -1;
	snprintf(stage, sizeof(stage), "%s-stage", source);
	mkdir(stage, 0700);
	shell("mkdir -p", "conf/.hidden src/sub");
	put("Dockerfile", "FROM x\n", 0644);
	put("conf/.bashrc", "alias ll='ls -l'\n", 0644);
	put("conf/.hidden/deep", "deep", 0600);
	put("conf/tool", "#!/bin/sh\n", 0755);
	put("src/a.c", "int a;\n", 0644);
	put("src/sub/b.c", "int b;\n", 0644);
	put("src/README.md", "words\n", 0644);
	return 0;
}

static int teardown(void **state)
{
	shell("cd / && rm -rf", stage);
	shell("cd / && rm -rf", source);
	return 0;
}

static const char *tag_of(const char *parent)
{
	static char tags[4][LAYER_TAG_MAX];
	static int i;
	char *tag = tags[i++ % 4];

	assert_int_equal(layers_tag(&layer, source, parent, NULL, NULL, tag), 0);
	return tag;
}

static void test_what_does_not_count_leaves_the_tag(void **state)
{
	const char *before = tag_of("debian");

	shell("touch -d 2001-01-01", "src/a.c conf/tool");
	assert_string_equal(tag_of("debian"), before);
	shell("chmod 0600", "src/a.c");
	assert_string_equal(tag_of("debian"), before);
	put("src/README.md", "other words\n", 0644);
	put("src/a.c.orig", "junk", 0644);
	put("conf/x~", "junk", 0644);
	assert_string_equal(tag_of("debian"), before);
	assert_memory_equal(before, "taz/base:", 9);
}

static void test_whatever_counts_changes_it(void **state)
{
	static const char *const changes[] = {
		"printf x >>src/a.c",
		"chmod +x src/a.c",
		"mv src/a.c src/c.c",
		"touch src/new.c",
		"rm conf/.hidden/deep",
		"printf x >>Dockerfile",
		"ln -sf elsewhere conf/tool",
		"ln -sfn elsewhere2 conf/tool",
		"mv conf/.bashrc conf/.hidden/",
	};
	char before[LAYER_TAG_MAX];

	strcpy(before, tag_of("debian"));
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		const char *now;

		shell(changes[i], "");
		now = tag_of("debian");
		assert_string_not_equal(now, before);
		strcpy(before, now);
	}
	assert_string_not_equal(tag_of("debian2"), before);
}

static void test_the_stage_holds_what_was_hashed(void **state)
{
	char staged[LAYER_TAG_MAX], path[200];
	struct stat st;

	assert_int_equal(layers_tag(&layer, source, "debian", stage, NULL, staged), 0);
	assert_string_equal(staged, tag_of("debian"));
	snprintf(path, sizeof(path), "%s/src/our/sub/b.c", stage);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	snprintf(path, sizeof(path), "%s/conf/tool", stage);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	snprintf(path, sizeof(path), "%s/conf/.hidden/deep", stage);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	snprintf(path, sizeof(path), "%s/src/our/README.md", stage);
	assert_int_equal(stat(path, &st), -1);
}

static void test_a_missing_source_is_an_error(void **state)
{
	char tag[LAYER_TAG_MAX] = "kept";

	shell("rm -r", "conf");
	assert_int_equal(layers_tag(&layer, source, "debian", NULL, NULL, tag), -ENOENT);
	assert_string_equal(tag, "kept");
}

static void test_names_come_sorted_or_not_at_all(void **state)
{
	struct layer_hash h;

	layer_hash_begin(&h, "base", "debian");
	assert_int_equal(layer_hash_file(&h, "b", LAYER_PLAIN, "", 0), 0);
	assert_int_equal(layer_hash_file(&h, "a", LAYER_PLAIN, "", 0), -EINVAL);
	assert_int_equal(layer_hash_file(&h, "b", LAYER_PLAIN, "", 0), -EINVAL);
	assert_int_equal(layer_hash_file(&h, "/c", LAYER_PLAIN, "", 0), -EINVAL);
	assert_int_equal(layer_hash_file(&h, "", LAYER_PLAIN, "", 0), -EINVAL);
}

static void test_fields_cannot_run_into_each_other(void **state)
{
	struct layer_hash a, b;
	char ta[LAYER_TAG_MAX], tb[LAYER_TAG_MAX];

	layer_hash_begin(&a, "base", "debian");
	layer_hash_begin(&b, "base", "debian");
	assert_int_equal(layer_hash_file(&a, "ab", LAYER_PLAIN, "c", 1), 0);
	assert_int_equal(layer_hash_file(&b, "a", LAYER_PLAIN, "bc", 2), 0);
	layer_hash_tag(&a, "base", ta);
	layer_hash_tag(&b, "base", tb);
	assert_string_not_equal(ta, tb);
	layer_hash_begin(&a, "base", "debian");
	layer_hash_begin(&b, "base", "debian");
	layer_hash_arg(&a, "BASE=x");
	layer_hash_dockerfile(&b, "BASE=x", 6);
	layer_hash_tag(&a, "base", ta);
	layer_hash_tag(&b, "base", tb);
	assert_string_not_equal(ta, tb);
}

#define WITH_SOURCE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

/* --- which layers there are ------------------------------------------------------------------ */

static void add_layer(const char *name, const char *dockerfile, const char *releases)
{
	char path[128];

	snprintf(path, sizeof(path), "images/%s", name);
	shell("mkdir -p", path);
	snprintf(path, sizeof(path), "images/%s/Dockerfile.%s", name, name);
	put(path, dockerfile, 0644);
	if (!releases)
		return;
	snprintf(path, sizeof(path), "images/%s/releases", name);
	put(path, releases, 0644);
}

static void test_a_layer_is_a_folder_that_names_its_parent(void **state)
{
	struct layer l;
	char names[64];

	add_layer("base", "FROM x\n", NULL);
	add_layer("top", "# a layer\n# parent: base\nFROM x\n", "");
	add_layer("first", "# parent: top\nFROM x\n", NULL);
	add_layer("dotfiles", "FROM x\n", NULL);
	add_layer("bad", "# parent: ../base\n", NULL);
	assert_int_equal(layer_read(source, "base", &l), 0);
	assert_string_equal(l.parent, "");
	assert_int_equal(layer_read(source, "top", &l), 0);
	assert_string_equal(l.parent, "base");
	assert_string_equal(l.dockerfile, "images/top/Dockerfile.top");
	assert_true(l.has_releases);
	assert_int_equal(layer_read(source, "first", &l), 0);
	assert_string_equal(l.parent, "top");
	assert_false(l.has_releases);
	assert_int_equal(layer_read(source, "bad", &l), -EINVAL);
	assert_int_equal(layer_read(source, "none", &l), -ENOENT);
	assert_int_equal(layer_read(source, "../top", &l), -EINVAL);
	layers_names(source, names, sizeof(names));
	assert_string_equal(names, "base first top");
	layers_names(source, names, 8);
	assert_string_equal(names, "base");
}

static void test_what_is_left_out_are_whole_names_of_the_list_in_its_order(void **state)
{
	static const char list[] = "# NAME\n\none 1 binary x - -\ntwo? 1 binary x - -\nthree 1\n";
	static const struct {
		const char *asked, *left_out;
	} cases[] = { { "", "" },
		      { "two", "two" },
		      { "three,one", "one three" },
		      { "on,tw,four", "" },
		      { "all", "one two three" },
		      { "one two", "one two" },
		      { "NAME", "" },
		      { "alls", "" } };
	struct layer l;

	add_layer("top", "# parent: base\n", list);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(layer_read(source, "top", &l), 0);
		assert_int_equal(layer_leave_out(&l, source, cases[i].asked), 0);
		assert_string_equal(l.without, cases[i].left_out);
	}
}

static void test_what_is_left_out_counts_and_what_is_in_vendor_does_not(void **state)
{
	char all[LAYER_TAG_MAX], less[LAYER_TAG_MAX], vendored[LAYER_TAG_MAX];
	struct layer l;

	shell("mkdir -p", "images/base");
	put("images/base/setup", "echo\n", 0644);
	add_layer("top", "# parent: base\n", "one 1 binary x - -\n");
	assert_int_equal(layer_read(source, "top", &l), 0);
	assert_int_equal(layers_tag(&l, source, "p", NULL, NULL, all), 0);
	shell("mkdir -p", "images/top/vendor");
	put("images/top/vendor/x", "one", 0644);
	assert_int_equal(layers_tag(&l, source, "p", NULL, NULL, vendored), 0);
	assert_string_equal(all, vendored);
	assert_int_equal(layer_leave_out(&l, source, "one"), 0);
	assert_int_equal(layers_tag(&l, source, "p", NULL, NULL, less), 0);
	assert_string_not_equal(all, less);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SOURCE(test_what_does_not_count_leaves_the_tag),
		WITH_SOURCE(test_whatever_counts_changes_it),
		WITH_SOURCE(test_the_stage_holds_what_was_hashed),
		WITH_SOURCE(test_a_missing_source_is_an_error),
		WITH_SOURCE(test_a_layer_is_a_folder_that_names_its_parent),
		WITH_SOURCE(test_what_is_left_out_are_whole_names_of_the_list_in_its_order),
		WITH_SOURCE(test_what_is_left_out_counts_and_what_is_in_vendor_does_not),
		cmocka_unit_test(test_names_come_sorted_or_not_at_all),
		cmocka_unit_test(test_fields_cannot_run_into_each_other),
	};

	return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
