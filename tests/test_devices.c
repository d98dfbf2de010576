#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/devices.h"

static const char misc[] = " 58 device-mapper\n237 loop-control\n229 fuse\n  1 psaux-x\n";
static const char devices[] = "Character devices:\n  1 mem\n  7 vcs\n 10 misc\n 99 loop\n"
			      "\nBlock devices:\n  7 loop\n253 device-mapper\n";

static void test_numbers_are_the_kernels_own(void **state)
{
	assert_int_equal(devices_misc_minor(misc, "device-mapper"), 58);
	assert_int_equal(devices_misc_minor(misc, "fuse"), 229);
	assert_int_equal(devices_misc_minor(misc, "psaux-x"), 1);
	assert_int_equal(devices_block_major(devices, "loop"), 7);
	assert_int_equal(devices_block_major(devices, "device-mapper"), 253);
}

static void test_a_part_of_a_name_is_another_name(void **state)
{
	assert_int_equal(devices_misc_minor(misc, "device"), -ENOENT);
	assert_int_equal(devices_misc_minor(misc, "loop"), -ENOENT);
	assert_int_equal(devices_misc_minor(misc, "psaux"), -ENOENT);
	assert_int_equal(devices_block_major(devices, "misc"), -ENOENT);
}

static void test_odd_text_is_nothing(void **state)
{
	static const char *const odd[] = { "",
					   "\n",
					   "  ",
					   "fuse",
					   "229",
					   "229 ",
					   "229fuse\n",
					   "x229 fuse\n",
					   "-1 fuse\n",
					   "99999999999999 fuse\n",
					   "229 fuse x\n",
					   "229\tfuse\n" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		assert_int_equal(devices_misc_minor(odd[i], "fuse"), -ENOENT);
	assert_int_equal(devices_misc_minor("229 fuse", "fuse"), 229);
	assert_int_equal(devices_block_major("7 loop\n", "loop"), -ENOENT);
}

static void test_a_container_s_rules_have_the_kernels_own_numbers(void **state)
{
	autoargv struct argv a = { 0 }, none = { 0 };

	assert_int_equal(devices_add_rules_of(&a, misc, devices), 0);
	assert_int_equal(a.n, 5);
	assert_string_equal(a.v[0], "--device-cgroup-rule=c 10:237 rwm");
	assert_string_equal(a.v[1], "--device-cgroup-rule=b 7:* rwm");
	assert_string_equal(a.v[2], "--device-cgroup-rule=c 10:58 rwm");
	assert_string_equal(a.v[3], "--device-cgroup-rule=c 10:229 rwm");
	assert_string_equal(a.v[4], "--device-cgroup-rule=b 253:* rwm");
	assert_int_equal(devices_add_rules_of(&none, "229 fuse\n", devices), -ENODEV);
	assert_int_equal(devices_add_rules_of(&none, misc, "Block devices:\n  7 loop\n"), -ENODEV);
}

static int setup(void **state)
{
	char path[] = "/tmp/taz-devices-XXXXXX";

	if (!mkdtemp(path))
		return -1;
	*state = strdup(path);
	return 0;
}

static int teardown(void **state)
{
	char node[64];

	snprintf(node, sizeof(node), "%s/node", (char *)*state);
	unlink(node);
	rmdir(*state);
	free(*state);
	return 0;
}

static void test_a_wrong_node_is_replaced_and_a_right_one_kept(void **state)
{
	int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dev_t null = makedev(1, 3), zero = makedev(1, 5);
	struct stat before, after;

	if (geteuid() != 0)
		skip();
	assert_int_equal(devices_make_node(dir, "node", S_IFCHR | 0600, zero), 0);
	assert_int_equal(devices_make_node(dir, "node", S_IFCHR | 0666, null), 0);
	assert_int_equal(fstatat(dir, "node", &before, 0), 0);
	assert_int_equal(before.st_rdev, null);
	assert_int_equal(before.st_mode, S_IFCHR | 0666);
	assert_int_equal(devices_make_node(dir, "node", S_IFCHR | 0600, null), 0);
	assert_int_equal(fstatat(dir, "node", &after, 0), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode, S_IFCHR | 0600);
	assert_int_equal(unlinkat(dir, "node", 0), 0);
	assert_int_equal(symlinkat("/dev/zero", dir, "node"), 0);
	assert_int_equal(devices_make_node(dir, "node", S_IFCHR | 0600, null), 0);
	assert_int_equal(fstatat(dir, "node", &after, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(after.st_rdev, null);
	close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_are_the_kernels_own),
		cmocka_unit_test(test_a_part_of_a_name_is_another_name),
		cmocka_unit_test(test_odd_text_is_nothing),
		cmocka_unit_test(test_a_container_s_rules_have_the_kernels_own_numbers),
		cmocka_unit_test_setup_teardown(test_a_wrong_node_is_replaced_and_a_right_one_kept,
						setup, teardown),
	};

	return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
