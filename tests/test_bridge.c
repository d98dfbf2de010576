#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/bridge.h"
#include "enclave/place.h"

static char dir[64];
static int home, vault;

static int setup(void **state)
{
	strcpy(dir, "/tmp/taz-bridge-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	home = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(home, "secrets", 0700);
	vault = openat(home, "secrets", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return home < 0 || vault < 0;
}

static int teardown(void **state)
{
	char cmd[100];

	close(home);
	close(vault);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static int count(void)
{
	int n = 0;

	while (bridges[n].name)
		n++;
	return n;
}

static const char *link_of(const char *name)
{
	static char buf[200];
	ssize_t n = readlinkat(home, name, buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static void test_what_is_missing_is_made_and_leads_into_the_vault(void **state)
{
	struct stat st;

	assert_int_equal(bridge_repair_at(home, vault), count());
	for (int i = 0; bridges[i].name; i++) {
		assert_string_equal(link_of(bridges[i].name), bridges[i].target);
		assert_int_equal(fstatat(home, bridges[i].name, &st, 0), 0);
		assert_int_equal(st.st_mode, S_IFDIR | 0700);
	}
	assert_int_equal(bridge_repair_at(home, vault), count());
}

static void test_without_a_vault_only_the_links_are_made(void **state)
{
	assert_int_equal(bridge_repair_at(home, -1), count());
	assert_string_equal(link_of(".kube"), "secrets/kube");
	assert_int_equal(openat(home, ".kube/config", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
	assert_int_equal(errno, ENOENT);
}

static void test_a_real_directory_a_file_and_another_link_stay(void **state)
{
	struct stat st;

	mkdirat(home, ".ssh", 0755);
	close(openat(home, ".aws", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	assert_int_equal(symlinkat("/tmp", home, ".kube"), 0);
	assert_int_equal(bridge_repair_at(home, vault), count() - 3);
	assert_int_equal(fstatat(home, ".ssh", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(fstatat(home, ".aws", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_string_equal(link_of(".kube"), "/tmp");
	/* The place to move it to is there. */
	assert_int_equal(fstatat(vault, "ssh", &st, 0), 0);
}

static void test_the_image_makes_the_same_links(void **state)
{
	char want[200] = "\tfor dir in", line[200];
	bool found = false;
	FILE *f;

	for (int i = 0; bridges[i].name; i++) {
		strcat(want, " ");
		strcat(want, bridges[i].name + 1);
	}
	strcat(want, "; do\n");
	snprintf(line, sizeof(line), "%s/images/base/setup", TAZ_SOURCE_DIR);
	f = fopen(line, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		found |= !strcmp(line, want);
	fclose(f);
	assert_true(found);
}

static void test_a_plain_directory_is_not_taken_for_the_vault(void **state)
{
	assert_int_equal(place_open(dir), -ENOTCONN);
	assert_int_equal(unlinkat(home, "secrets", AT_REMOVEDIR), 0);
	assert_int_equal(place_open(dir), -ENOENT);
	assert_non_null(place_why(-ENOTCONN));
	assert_int_equal(symlinkat("/proc", home, "secrets"), 0);
	assert_int_equal(place_open(dir), -ENOTDIR);
}

static void test_a_path_in_the_vault_is_never_followed_out_of_it(void **state)
{
	const char *name;
	int fd;

	assert_int_equal(symlinkat("/etc", vault, "out"), 0);
	assert_int_equal(symlinkat(".", vault, "self"), 0);
	mkfifoat(vault, "fifo", 0600);
	assert_int_equal(place_file(vault, "out/passwd"), -ELOOP);
	assert_int_equal(place_file(vault, "out"), -ELOOP);
	assert_int_equal(place_file(vault, "self/x"), -ELOOP);
	assert_int_equal(place_file(vault, "../x"), -EXDEV);
	assert_int_equal(place_file(vault, "/etc/passwd"), -EXDEV);
	assert_int_equal(place_file(vault, "fifo"), -EINVAL);
	assert_int_equal(place_dir(vault, "out/a", true), -ELOOP);
	assert_int_equal(place_dir(vault, "a/../../b", true), -EXDEV);
	fd = place_parent(vault, "a/b/c", true, &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "c");
	close(fd);
	fd = place_dir(vault, "a/b", false);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(place_file(vault, "a/b"), -EISDIR);
	fd = place_parent(vault, "c", false, &name);
	assert_true(fd >= 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_what_is_missing_is_made_and_leads_into_the_vault, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_a_vault_only_the_links_are_made, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_real_directory_a_file_and_another_link_stay,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_image_makes_the_same_links, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_plain_directory_is_not_taken_for_the_vault,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_path_in_the_vault_is_never_followed_out_of_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
