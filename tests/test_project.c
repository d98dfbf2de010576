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

#include "launcher/project.h"

static struct opts o, defaults;
static const struct opts *base = &defaults;
static char text[4096], why[240];

static int parse_for(unsigned allowed, const char *conf)
{
	*why = '\0';
	opts_init(&defaults);
	snprintf(text, sizeof(text), "%s", conf);
	return project_parse(&o, PROJECT_FILE, text, strlen(text), allowed, base, why, sizeof(why));
}

static int parse(const char *conf)
{
	opts_init(&o);
	return parse_for(OPT_UP, conf);
}

static void test_options_are_lines_and_comments_are_none(void **state)
{
	assert_int_equal(parse("# ours\n\nlayer = k8s # tools\n  without=helm,k9s\nidle\t=\t5m\n"
			       "memory = 2G\nvault-size = 64M\nkeep = 9\nview-memory = strict\n"
			       "network = none\nleast = yes\ntimezone = Europe/Berlin\n"),
			 0);
	assert_string_equal(o.layer, "k8s");
	assert_string_equal(o.without, "helm,k9s");
	assert_int_equal(o.idle_sec, 300);
	assert_int_equal(o.memory_bytes, 2ULL << 30);
	assert_int_equal(o.vault_bytes, 64 << 20);
	assert_int_equal(o.keep, 9);
	assert_string_equal(o.view_memory, "strict");
	assert_string_equal(o.network, "none");
	assert_true(o.least);
	assert_string_equal(o.timezone, "Europe/Berlin");
	assert_int_equal(parse(""), 0);
	assert_string_equal(o.layer, "base");
}

static void test_the_command_line_wins(void **state)
{
	static char *const argv[] = { "--layer", "gemini", NULL };

	opts_init(&o);
	assert_int_equal(opts_take(&o, 2, argv, why, sizeof(why)), 2);
	assert_int_equal(parse_for(OPT_UP, "layer = k8s\nkeep = 4\n"), 0);
	assert_string_equal(o.layer, "gemini");
	assert_int_equal(o.keep, 4);
}

static void test_what_means_nothing_to_a_command_is_checked_only(void **state)
{
	opts_init(&o);
	assert_int_equal(parse_for(OPT_LAYER | OPT_WITHOUT, "layer = k8s\nidle = 5m\n"), 0);
	assert_string_equal(o.layer, "k8s");
	assert_int_equal(o.idle_sec, 900);
	assert_int_equal(o.given & OPT_IDLE, 0);
	assert_int_equal(parse_for(OPT_LAYER, "idle = soon\n"), -EINVAL);
}

static void test_a_mistake_is_named_with_its_line(void **state)
{
	static const struct {
		const char *conf, *says;
	} cases[] = {
		{ "layer = k8s\nlayr = k8s\n", "taz.conf:2: no option 'layr'; there are: layer," },
		{ "layer", "taz.conf:1: this is no 'option = value'" },
		{ "layer =\n", "taz.conf:1: layer wants a folder of images/" },
		{ "layer = ../k8s\n", "taz.conf:1: layer wants a folder of images/" },
		{ "layer = k8s\nlayer = base\n", "taz.conf:2: 'layer' is given twice" },
		{ "idle = 5 m\n", "taz.conf:1: idle wants a time such as" },
		{ "memory = 1\n", "taz.conf:1: memory wants a size from 256M" },
		{ "without = a b\n", "taz.conf:1: without wants names with commas" },
		{ "least = 1\n", "taz.conf:1: least wants yes or no" },
		{ "least = --name\n", "taz.conf:1: least wants yes or no" },
		{ "privileged = yes\n", "taz.conf:1: 'privileged' is for the command line only" },
		{ "network = host\n", "taz.conf:1: network wants none or nat" },
		{ "timezone = ../../etc/passwd\n", "taz.conf:1: timezone wants a zone such as" },
		{ "timezone = /etc/passwd\n", "taz.conf:1: timezone wants a zone such as" },
		{ "timezone = Europe/Nowhere\n", "taz.conf:1: timezone wants a zone such as" },
		{ "\033[2Jx = 1\n", "taz.conf:1: this is no 'option = value'" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(parse(cases[i].conf), -EINVAL);
		assert_non_null(strstr(why, cases[i].says));
	}
}

static void test_a_workspace_sets_nothing_that_is_the_persons(void **state)
{
	static const char *const names[] = { "name",   "engine",	 "durability", "mount",
					     "create", "passphrase-fd",	 "key-file",   "yes",
					     "json",   "accept-rollback" };
	char conf[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(conf, sizeof(conf), "%s = 1\n", names[i]);
		assert_int_equal(parse(conf), -EINVAL);
		assert_non_null(strstr(why, "is for the command line"));
	}
}

static void test_a_workspace_asks_for_no_less_protection(void **state)
{
	static const char *const weaker[] = { "idle = 16m",    "idle = 0",
					      "keep = 2",      "view-memory = cached",
					      "memory = 256M", "memory = 1279M",
					      "network = nat", "least = no" };

	for (size_t i = 0; i < sizeof(weaker) / sizeof(*weaker); i++) {
		assert_int_equal(parse(weaker[i]), -EINVAL);
		assert_non_null(strstr(why, "all else is for the command line"));
	}
}

/* What a workspace may ask for is measured by what the host's file has made of the defaults. */
static void test_the_host_s_file_may_say_all_and_a_workspace_no_less_than_it(void **state)
{
	struct opts host;

	base = NULL;
	assert_int_equal(
		parse("idle = 5m\nkeep = 9\ncpus = 3\nmemory = 512M\nnetwork = nat\nengine = vm\ndurability = lock\n"),
		0);
	assert_int_equal(o.given, 0);
	assert_string_equal(o.engine, "vm");
	assert_string_equal(o.durability, "lock");
	assert_int_equal(o.cpus, 3);
	host = o;
	base = &host;
	assert_int_equal(parse_for(OPT_UP, "idle = 6m\n"), -EINVAL);
	assert_int_equal(parse_for(OPT_UP, "keep = 8\n"), -EINVAL);
	assert_int_equal(parse_for(OPT_UP, "memory = 511M\n"), -EINVAL);
	assert_int_equal(parse_for(OPT_UP, "cpus = 3\n"), -EINVAL);
	assert_non_null(strstr(why, "a workspace may not set it"));
	assert_int_equal(parse_for(OPT_UP, "idle = 4m\nnetwork = none\n"), 0);
	assert_int_equal(o.idle_sec, 240);
	assert_string_equal(o.network, "none");
	assert_int_equal(o.keep, 9);
	host.idle_sec = 0; /* never */
	o.given = 0;
	assert_int_equal(parse_for(OPT_UP, "idle = 9h\n"), 0);
	base = &defaults;
}

static void test_the_host_s_file_takes_rights_away_and_only_who_types_gives_them_back(void **state)
{
	static char *const argv[] = { "--privileged", NULL };
	struct opts host;

	base = NULL;
	assert_int_equal(parse("least = no\n"), 0);
	assert_false(o.least);
	assert_int_equal(parse("least = yes\n"), 0);
	assert_true(o.least);
	host = o;
	base = &host;
	assert_int_equal(parse_for(OPT_UP, "least = no\n"), -EINVAL);
	assert_int_equal(parse_for(OPT_UP, "layer = k8s\n"), 0);
	assert_true(o.least);
	base = NULL;
	opts_init(&o);
	assert_int_equal(opts_take(&o, 1, argv, why, sizeof(why)), 1);
	assert_int_equal(parse_for(OPT_UP, "least = yes\n"), 0);
	assert_false(o.least);
	base = &defaults;
}

/* --- the file -------------------------------------------------------------------------------- */

static char dir[] = "/tmp/taz-project-XXXXXX";

static int enter_dir(void **state)
{
	strcpy(strrchr(dir, '-') + 1, "XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave_dir(void **state)
{
	unlink(PROJECT_FILE);
	return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

static void put(const char *conf)
{
	FILE *f = fopen(PROJECT_FILE, "w");

	assert_non_null(f);
	fputs(conf, f);
	fclose(f);
}

static void test_only_a_small_regular_file_is_read(void **state)
{
	opts_init(&o);
	assert_int_equal(project_load(&o, OPT_UP), 0);
	put("layer = k8s\n");
	assert_int_equal(project_load(&o, OPT_UP), 0);
	assert_string_equal(o.layer, "k8s");
	assert_int_equal(truncate(PROJECT_FILE, PROJECT_MAX + 1), 0);
	assert_int_equal(project_load(&o, OPT_UP), -EINVAL);
	assert_int_equal(truncate(PROJECT_FILE, 20), 0);
	assert_int_equal(project_load(&o, OPT_UP), -EINVAL); /* zero bytes */
	unlink(PROJECT_FILE);
	assert_int_equal(symlink("/etc/passwd", PROJECT_FILE), 0);
	assert_int_equal(project_load(&o, OPT_UP), -ELOOP);
	unlink(PROJECT_FILE);
	assert_int_equal(mkfifo(PROJECT_FILE, 0600), 0);
	assert_int_equal(project_load(&o, OPT_UP), -EINVAL);
}

static void test_the_host_s_file_is_roots_alone(void **state)
{
	setenv("TAZ_CONF", "host.conf", 1);
	put("layer = k8s\n");
	assert_int_equal(rename(PROJECT_FILE, "host.conf"), 0);
	opts_init(&o);
	assert_int_equal(project_load(&o, OPT_UP), 0);
	assert_string_equal(o.layer, "k8s");
	put("layer = gemini\n");
	opts_init(&o);
	assert_int_equal(project_load(&o, OPT_UP), 0);
	assert_string_equal(o.layer, "gemini");
	assert_int_equal(chmod("host.conf", 0664), 0);
	assert_int_equal(project_load(&o, OPT_UP), -EACCES);
	assert_int_equal(chmod("host.conf", 0644), 0);
	assert_int_equal(chown("host.conf", 1000, 1000), 0);
	assert_int_equal(project_load(&o, OPT_UP), -EACCES);
	unlink("host.conf");
	unsetenv("TAZ_CONF");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_are_lines_and_comments_are_none),
		cmocka_unit_test(test_the_command_line_wins),
		cmocka_unit_test(test_what_means_nothing_to_a_command_is_checked_only),
		cmocka_unit_test(test_a_mistake_is_named_with_its_line),
		cmocka_unit_test(test_a_workspace_sets_nothing_that_is_the_persons),
		cmocka_unit_test(test_a_workspace_asks_for_no_less_protection),
		cmocka_unit_test(test_the_host_s_file_may_say_all_and_a_workspace_no_less_than_it),
		cmocka_unit_test(
			test_the_host_s_file_takes_rights_away_and_only_who_types_gives_them_back),
		cmocka_unit_test_setup_teardown(test_the_host_s_file_is_roots_alone, enter_dir,
						leave_dir),
		cmocka_unit_test_setup_teardown(test_only_a_small_regular_file_is_read, enter_dir,
						leave_dir),
	};

	return cmocka_run_group_tests_name("project", tests, NULL, NULL);
}
