#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/kdf.h"

/* A folder that looks like "/". */
static char root[64];

static void put(const char *path, const char *text)
{
	char full[300];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	strcpy(root, "/tmp/test-kdf-XXXXXX");
	assert_non_null(mkdtemp(root));
	put("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable:    8000000 kB\n");
	return 0;
}

static int tear_down(void **state)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	return system(cmd);
}

static uint64_t free_kib(void)
{
	int fd = open(root, O_PATH | O_DIRECTORY);
	uint64_t kib = kdf_free_kib(fd);

	close(fd);
	return kib;
}

static void test_without_limits_it_is_what_the_machine_has(void **state)
{
	put("proc/self/cgroup", "0::/\n");
	assert_int_equal(free_kib(), 8000000);
}

static void test_the_limit_of_our_own_cgroup_counts(void **state)
{
	put("proc/self/cgroup", "0::/\n");
	put("sys/fs/cgroup/memory.max", "268435456\n");
	put("sys/fs/cgroup/memory.current", "33554432\n");
	assert_int_equal(free_kib(), (256 - 32) * 1024);
}

static void test_the_limit_of_any_ancestor_counts(void **state)
{
	put("proc/self/cgroup", "1:name=systemd:/x\n0::/a/b/c\n");
	put("sys/fs/cgroup/a/memory.max", "134217728\n");
	put("sys/fs/cgroup/a/memory.current", "67108864\n");
	put("sys/fs/cgroup/a/b/memory.max", "max\n");
	put("sys/fs/cgroup/a/b/c/memory.max", "1073741824\n");
	put("sys/fs/cgroup/a/b/c/memory.current", "0\n");
	assert_int_equal(free_kib(), 64 * 1024);
}

static void test_memory_high_counts_and_page_cache_is_not_used(void **state)
{
	put("proc/self/cgroup", "0::/box\n");
	put("sys/fs/cgroup/box/memory.max", "max\n");
	put("sys/fs/cgroup/box/memory.high", "209715200\n");
	put("sys/fs/cgroup/box/memory.current", "104857600\n");
	put("sys/fs/cgroup/box/memory.stat",
	    "anon 1\nfile 62914560\nactive_file 20971520\ninactive_file 41943040\n");
	assert_int_equal(free_kib(), (200 - 100 + 60) * 1024);
}

static void test_a_cgroup_that_is_over_its_limit_has_nothing_left(void **state)
{
	put("proc/self/cgroup", "0::/\n");
	put("sys/fs/cgroup/memory.max", "1000000\n");
	put("sys/fs/cgroup/memory.current", "2000000\n");
	assert_int_equal(free_kib(), 0);
}

static void test_the_first_version_of_cgroups_counts_too(void **state)
{
	put("proc/self/cgroup", "12:cpuset:/\n4:memory:/docker/abc\n0::/\n");
	put("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "268435456\n");
	put("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "134217728\n");
	put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(free_kib(), 128 * 1024);
}

static void test_a_namespace_that_hides_our_path_still_shows_its_root(void **state)
{
	put("proc/self/cgroup", "0::/../../elsewhere\n");
	put("sys/fs/cgroup/memory.max", "268435456\n");
	put("sys/fs/cgroup/memory.current", "0\n");
	assert_int_equal(free_kib(), 256 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(test_without_limits_it_is_what_the_machine_has),
		T(test_the_limit_of_our_own_cgroup_counts),
		T(test_the_limit_of_any_ancestor_counts),
		T(test_memory_high_counts_and_page_cache_is_not_used),
		T(test_a_cgroup_that_is_over_its_limit_has_nothing_left),
		T(test_the_first_version_of_cgroups_counts_too),
		T(test_a_namespace_that_hides_our_path_still_shows_its_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
