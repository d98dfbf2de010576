#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "launcher/gc.h"
#include "launcher/layers_chain.h"
#include "launcher/workshop.h"

#define H1 "0123456789abcdef0123456789abcdef"
#define H2 "0123456789abcdef0123456789abcde0"

static char root[64];
static char removed[256];

/* The engine has every image; one of them is in use. */
static int has_image(const struct client *c, const char *tag)
{
	return 1;
}

static int remove_image(const struct client *c, const char *tag)
{
	if (!strcmp(tag, "taz/busy:" H1))
		return -EBUSY;
	strcat(strcat(removed, tag), " ");
	return 0;
}

static const struct engine engine = { .has_image = has_image, .remove_image = remove_image };

static int setup(void **state)
{
	strcpy(root, "/tmp/taz-gc-XXXXXX");
	*removed = '\0';
	if (!mkdtemp(root))
		return -1;
	setenv("TAZ_CACHE", root, 1);
	setenv("TAZ_SOURCE", TAZ_SOURCE_DIR, 1);
	return 0;
}

static int teardown(void **state)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	return system(cmd);
}

static void say(const char *tag, void *arg)
{
	strcat(strcat(arg, tag), " ");
}

static bool keeps(const struct gc *gc, const char *tag)
{
	for (size_t i = 0; i < gc->n; i++)
		if (!strcmp(gc->kept[i], tag))
			return true;
	return false;
}

static void test_an_image_in_use_keeps_no_other(void **state)
{
	struct gc gc = { .kept = { "taz/kept:" H1 }, .n = 1 };
	char images[] = "taz/old:" H1 "\ntaz/busy:" H1 "\ntaz/kept:" H1 "\ntaz/old:" H2 "\n",
	     said[256] = "";

	assert_int_equal(gc_remove(&gc, &engine, images, false, say, said), -EBUSY);
	assert_string_equal(removed, "taz/old:" H1 " taz/old:" H2 " ");
	assert_string_equal(said, removed);
}

static void test_a_dry_run_removes_nothing_and_says_all(void **state)
{
	struct gc gc = { .kept = { "taz/kept:" H1 }, .n = 1 };
	char images[] = "taz/old:" H1 "\ntaz/busy:" H1 "\ntaz/kept:" H1, said[256] = "";

	assert_int_equal(gc_remove(&gc, &engine, images, true, say, said), 0);
	assert_string_equal(removed, "");
	assert_string_equal(said, "taz/old:" H1 " taz/busy:" H1 " ");
}

/* A docker user called taz has such names at a registry, and "reference=taz/" finds them, too. */
static void test_an_image_of_somebody_else_stays(void **state)
{
	struct gc gc = { .n = 0 };
	char images[] = "taz/web:latest\ntaz/web:1.0\ntaz/web:<none>\ntaz/web:" H1 "0\ntaz/web\n"
			"taz/old:" H1 "\nlocalhost/taz-debian:" H2 "\n";
	char said[256] = "";

	assert_int_equal(gc_remove(&gc, &engine, images, false, say, said), 0);
	assert_string_equal(removed, "taz/old:" H1 " localhost/taz-debian:" H2 " ");
	assert_string_equal(said, removed);
}

static void test_what_a_build_of_any_layer_would_give_stays(void **state)
{
	static const char *const layers[] = { "base", "k8s", "gemini" };
	const struct layers_choice choice = { .without = "helm" };
	static struct gc gc;

	assert_int_equal(gc_find(&gc, &engine, "helm", root), 0);
	for (size_t i = 0; i < 3; i++) {
		struct chain c = { 0 };

		assert_true(debian_find(&engine, c.tags[0]) >= 0);
		assert_int_equal(chain_init(&c, layers[i]), 0);
		assert_int_equal(chain_tags(&c, &choice, NULL), 0);
		for (int t = 0; t <= c.n; t++)
			assert_true(keeps(&gc, c.tags[t]));
	}
}

static void test_a_workshop_keeps_its_image_also_when_it_is_down(void **state)
{
	struct record rec = { .engine = "vm",
			      .image = "taz/dotfiles:of-work",
			      .instance = "work-1" };
	static struct gc gc;
	char dir[96];

	snprintf(dir, sizeof(dir), "%s/work", root);
	assert_int_equal(workshop_make_dirs(dir), 0);
	strcpy(rec.workspace, "/w");
	assert_int_equal(record_save(dir, &rec), 0);
	assert_int_equal(gc_find(&gc, &engine, "", root), 0);
	assert_true(keeps(&gc, "taz/dotfiles:of-work"));
}

/* A layer that is not in the list would lose its image. */
static void test_a_list_of_layers_that_is_cut_short_is_an_error(void **state)
{
	char tags[2][LAYER_TAG_MAX], names[8];

	assert_int_equal(layers_current(&engine, "", tags, 2), -E2BIG);
	assert_int_equal(layers_names(TAZ_SOURCE_DIR, names, sizeof(names)), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_image_in_use_keeps_no_other, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_dry_run_removes_nothing_and_says_all, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_an_image_of_somebody_else_stays, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_a_build_of_any_layer_would_give_stays,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_workshop_keeps_its_image_also_when_it_is_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_list_of_layers_that_is_cut_short_is_an_error,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
