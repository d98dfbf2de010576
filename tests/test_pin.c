#include "tests/callers_fixture.h"

/* What sha256sum(1) says of a file. */
static void sum_of(const char *path, unsigned char hash[FACTS_HASH_BYTES])
{
	char cmd[128];
	unsigned byte;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "sha256sum %s", path);
	f = popen(cmd, "r");
	assert_non_null(f);
	for (int i = 0; i < FACTS_HASH_BYTES; i++) {
		assert_int_equal(fscanf(f, "%2x", &byte), 1);
		hash[i] = byte;
	}
	pclose(f);
}

static int setup_pin(void **state)
{
	if (setup(state) < 0)
		return -1;
	callers_set_classifier(c, FACT_EXE | FACT_HASH, note, NULL);
	lead(getpid(), 0);
	return 0;
}

static void assert_hash(pid_t pid, const char *path)
{
	unsigned char hash[FACTS_HASH_BYTES];

	sum_of(path, hash);
	memset(&seen, 0, sizeof(seen));
	caller_look(c, pid);
	assert_true(seen.chain[0].hashed);
	assert_memory_equal(seen.chain[0].hash, hash, sizeof(hash));
}

static void test_the_hash_is_that_of_sha256sum(void **state)
{
	pid_t pid = start("/bin/sleep");

	assert_hash(pid, "/bin/sleep");
	/* It has not been changed lately: then the answer is kept. */
	caller_look(c, pid);
	assert_int_equal(asked, 1);
	end(pid);
}

static void test_two_processes_of_one_file_have_one_hash(void **state)
{
	pid_t one = start("/bin/sleep"), two = start("/bin/sleep");

	assert_hash(one, "/bin/sleep");
	assert_hash(two, "/bin/sleep");
	end(one);
	end(two);
}

static void test_a_file_that_was_just_changed_is_hashed_each_time(void **state)
{
	pid_t pid;

	copy("/bin/sleep", "a");
	pid = start("./a");
	assert_hash(pid, "a");
	assert_hash(pid, "a");
	assert_int_equal(asked, 2);
	end(pid);
}

static void test_another_content_under_the_same_name_is_another_hash(void **state)
{
	pid_t one, two;

	copy("/bin/sleep", "a");
	one = start("./a");
	assert_int_equal(rename("a", "old"), 0);
	copy("/bin/sleep", "a");
	assert_int_equal(system("echo x >> a"), 0);
	two = start("./a");
	assert_hash(one, "old");
	assert_hash(two, "a");
	end(one);
	end(two);
}

static void test_a_deleted_program_is_hashed_all_the_same(void **state)
{
	pid_t pid;

	copy("/bin/sleep", "a");
	pid = start("./a");
	assert_int_equal(unlink("a"), 0);
	assert_hash(pid, "/bin/sleep");
	end(pid);
}

static void test_a_program_that_is_too_large_has_no_hash(void **state)
{
	pid_t pid;

	copy("/bin/sleep", "a");
	assert_int_equal(truncate("a", 600LL * 1024 * 1024), 0);
	pid = start("./a");
	caller_look(c, pid);
	assert_true(seen.chain[0].known);
	assert_false(seen.chain[0].hashed);
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup_pin, teardown)
		T(test_the_hash_is_that_of_sha256sum),
		T(test_two_processes_of_one_file_have_one_hash),
		T(test_a_file_that_was_just_changed_is_hashed_each_time),
		T(test_another_content_under_the_same_name_is_another_hash),
		T(test_a_deleted_program_is_hashed_all_the_same),
		T(test_a_program_that_is_too_large_has_no_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
