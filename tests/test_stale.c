#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/stale.h"

#define HOME UINT64_C(0x0123456789abcdef)

static void test_a_name_of_ours_is_known_again(void **state)
{
	char name[DM_NAME_MAX];

	stale_name("default", HOME, 0xbeef, name);
	assert_string_equal(name, "taz-default-0123456789abcdef0000beef");
	assert_true(stale_is_ours(name, "default", HOME));
}

static void test_the_longest_instance_has_a_whole_name(void **state)
{
	char name[DM_NAME_MAX], instance[64];

	memset(instance, 'i', 63);
	instance[63] = '\0';
	stale_name(instance, HOME, 0xffffffff, name);
	assert_true(stale_is_ours(name, instance, HOME));
	assert_string_equal(name + strlen(name) - 8, "ffffffff");
}

static void test_what_is_not_exactly_ours_is_somebody_else_s(void **state)
{
	static const char *const others[] = {
		"taz-default-0123456789abcdee0000beef",	  /* another home */
		"taz-other-0123456789abcdef0000beef",	  /* another instance */
		"taz-default-0123456789abcdef0000bee",	  /* cut short */
		"taz-default-0123456789abcdef0000beef0",  /* longer */
		"taz-default-0123456789abcdef0000beeX",	  /* not a number */
		"taz-default-0123456789ABCDEF0000beef",	  /* not as we write it */
		"taz-default-x-0123456789abcdef0000beef", /* an instance that begins like ours */
		"taz-default-",
		"vg-root",
		"",
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(stale_is_ours(others[i], "default", HOME));
}

static void test_a_home_is_made_once_and_a_torn_one_anew(void **state)
{
	char dir[] = "/tmp/taz-stale.XXXXXX", path[64];
	uint64_t one, two, three;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/home", dir);
	assert_int_equal(stale_home(path, &one), 0);
	assert_int_equal(stale_home(path, &two), 0);
	assert_true(one == two);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("0123", f);
	fclose(f);
	assert_int_equal(stale_home(path, &two), 0);
	assert_true(one != two);
	assert_int_equal(stale_home(path, &three), 0);
	assert_true(two == three);
	unlink(path);
	rmdir(dir);
	assert_true(stale_home(path, &one) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_of_ours_is_known_again),
		cmocka_unit_test(test_the_longest_instance_has_a_whole_name),
		cmocka_unit_test(test_what_is_not_exactly_ours_is_somebody_else_s),
		cmocka_unit_test(test_a_home_is_made_once_and_a_torn_one_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
