/* Which folders of the host a workshop gets, beside what others of the same state folder have. */
#include <errno.h>
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

#include "launcher/launch.h"

static char root[64], state_root[96];
static struct launch launch;

static void make(const char *name, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s", state_root, name);
	assert_int_equal(workshop_make_dirs(ret), 0);
}

static int setup(void **state)
{
	char other[128];

	strcpy(root, "/tmp/taz-folders-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(state_root, sizeof(state_root), "%s/state", root);
	launch = (struct launch){ .o.mounts = "" };
	make("one", launch.state_dir, sizeof(launch.state_dir));
	make("two", other, sizeof(other));
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	return chdir("/") < 0 ? -1 : system(cmd);
}

/* The workspace when it is started in @dir, which is below the folder of all states. */
static const char *started_in(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", state_root, dir);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	assert_int_equal(chdir(path), 0);
	assert_int_equal(launch_choose_folders(&launch), 0);
	return launch.rec.workspace + (strncmp(launch.rec.workspace, state_root, strlen(state_root))
					       ? 0
					       : strlen(state_root));
}

static void test_no_workshops_own_folder_is_a_workspace(void **state)
{
	assert_string_equal(started_in("two"), "/one/work");
	assert_string_equal(started_in("two/vault"), "/one/work");
	assert_string_equal(started_in("two/work"), "/one/work");
	assert_string_equal(started_in("one/run"), "/one/work");
	assert_string_equal(started_in("."), "/one/work");
}

static void test_its_own_empty_one_and_one_of_nobody_are(void **state)
{
	assert_string_equal(started_in("one/work"), "/one/work");
	assert_string_equal(started_in(".workspace"), "/.workspace");
	assert_string_equal(started_in("../state-of-mine"), "-of-mine");
}

/* Nor is one more folder: no link leads there, and nothing that it is in. */
static void test_no_workshops_own_folder_is_mounted(void **state)
{
	static const char *const below[] = { "state/two", "state/two/vault", "state", "",
					     "link",	  "link/two" };
	char path[PATH_MAX], text[PATH_MAX];

	snprintf(path, sizeof(path), "%s/link", root);
	assert_int_equal(symlink(state_root, path), 0);
	assert_int_equal(chdir("/usr"), 0);
	launch.o.mounts = text;
	for (size_t i = 0; i < sizeof(below) / sizeof(*below); i++) {
		snprintf(text, sizeof(text), "%s%s%s:/mnt/x:ro", root, *below[i] ? "/" : "",
			 below[i]);
		assert_int_equal(launch_choose_folders(&launch), -EINVAL);
	}
}

/* Root of a container is root to it: what is written there would be believed at the next start. */
static void test_the_hosts_own_taz_conf_is_not_given_away(void **state)
{
	char conf[PATH_MAX], text[PATH_MAX];
	FILE *f;

	snprintf(text, sizeof(text), "%s/conf", root);
	assert_string_equal(started_in("../conf"), text);
	snprintf(conf, sizeof(conf), "%s/conf/host.conf", root);
	f = fopen(conf, "w");
	assert_non_null(f);
	fclose(f);
	setenv("TAZ_CONF", conf, 1);
	assert_string_equal(started_in("../conf"), "/one/work");
	snprintf(text, sizeof(text), "%s/conf:/mnt/x:ro", root);
	launch.o.mounts = text;
	assert_int_equal(launch_choose_folders(&launch), -EINVAL);
	unsetenv("TAZ_CONF");
}

#define WITH_STATE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STATE(test_no_workshops_own_folder_is_a_workspace),
		WITH_STATE(test_its_own_empty_one_and_one_of_nobody_are),
		WITH_STATE(test_no_workshops_own_folder_is_mounted),
		WITH_STATE(test_the_hosts_own_taz_conf_is_not_given_away),
	};

	return cmocka_run_group_tests_name("launch_folders", tests, NULL, NULL);
}
