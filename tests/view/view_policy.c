/* The policy of a view: what each rule lets through, and what nobody gets around. */
#include "policy.h"

#include "enclave/base/run.h"
/* --- rules --- */

static void test_each_letter_lets_one_kind_of_operation_through(void **state)
{
	in_force("allow session r ssh/**\n"
		 "allow session w kube/**\n"
		 "allow session cl tmp/**\n"
		 "allow session d note\n");
	assert_int_equal(member(read_it, "ssh/id"), 0);
	assert_int_equal(member(write_it, "ssh/id"), -EACCES);
	assert_int_equal(member(chmod_it, "ssh/id"), -EACCES);
	assert_int_equal(member(delete_it, "ssh/id"), -EACCES);
	assert_int_equal(member(create_it, "ssh/new"), -EACCES);
	assert_int_equal(member(list_it, "ssh"), -EACCES);
	assert_int_equal(member(read_it, "kube/config"), -EACCES);
	assert_int_equal(member(write_it, "kube/config"), 0);
	assert_int_equal(member(chmod_it, "kube/config"), 0);
	assert_int_equal(member(create_it, "tmp/new"), -EACCES); /* it also opens it for writing */
	assert_int_equal(member(list_it, "tmp"), 0);
	assert_int_equal(member(read_it, "note"), -EACCES);
	assert_int_equal(member(delete_it, "note"), 0);
}

static void test_what_no_rule_speaks_of_is_denied_and_not_listed(void **state)
{
	in_force("allow session rl ssh/**\nallow session l .\n");
	assert_int_equal(member(stat_it, "kube/config"), -EACCES);
	assert_int_equal(member(stat_it, "never/was"), -EACCES);
	assert_int_equal(member(is_listed, "ssh/id"), 1);
	assert_int_equal(member(is_listed, "ssh"), 1);
	assert_int_equal(member(is_listed, "note"), 0);
	in_force("allow session rl ssh/**\n");
	assert_int_equal(member(is_listed, "note"), -EACCES);
	assert_int_equal(member(read_it, "ssh/id"), 0);
}

static void test_what_is_hidden_does_not_exist_for_one_and_does_for_another(void **state)
{
	in_force("hide session not-under=/usr/bin/env - ssh/**\nallow session - **\n");
	assert_int_equal(member(stat_it, "ssh"), -ENOENT);
	assert_int_equal(member(read_it, "ssh/id"), -ENOENT);
	assert_int_equal(member(is_listed, "ssh"), 0);
	assert_int_equal(member(is_listed, "kube"), 1);
	in_force("allow session - **\n");
	assert_int_equal(member(is_listed, "ssh"), 1);
	assert_int_equal(member(read_it, "ssh/id"), 0);
}

static void test_a_new_policy_counts_at_once_for_processes_that_run(void **state)
{
	in_force("allow session - **\n");
	assert_int_equal(member(read_it, "note"), 0);
	in_force("deny session - **\n");
	assert_int_equal(member(read_it, "note"), -EACCES);
	in_force("allow session - **\n");
	assert_int_equal(member(read_it, "note"), 0);
}

static void test_no_rule_lets_an_outsider_in(void **state)
{
	in_force("allow any - **\nallow uid=64001 - **\n");
	assert_int_equal(as(OUTSIDER, read_it, (void *)path_in(&f, "note")), -EACCES);
	assert_int_equal(as(ROOT_OUTSIDE, read_it, (void *)path_in(&f, "note")), -EACCES);
	assert_int_equal(member(read_it, "note"), 0);
}

static void test_audit_only_refuses_nothing_to_members(void **state)
{
	in_force("audit-only\ndeny session - **\n");
	assert_int_equal(member(read_it, "ssh/id"), 0);
	assert_int_equal(as(OUTSIDER, read_it, (void *)path_in(&f, "note")), -EACCES);
}

/* --- ways around --- */

static int move_out(void *arg)
{
	return rename(path_in(&f, "ssh/id"), path_in(&f, "tmp/id")) < 0 ? -errno : 0;
}

static int move_folder_out(void *arg)
{
	return rename(path_in(&f, "ssh"), path_in(&f, "tmp/ssh")) < 0 ? -errno : 0;
}

static int link_out(void *arg)
{
	return link(path_in(&f, "ssh/id"), path_in(&f, "tmp/id")) < 0 ? -errno : 0;
}

static int exchange(void *arg)
{
	return renameat2(AT_FDCWD, path_in(&f, "ssh/id"), AT_FDCWD, path_in(&f, "note"),
			 RENAME_EXCHANGE) < 0
		       ? -errno
		       : 0;
}

static int replace(void *arg)
{
	return rename(path_in(&f, "note"), path_in(&f, "ssh/id")) < 0 ? -errno : 0;
}

static void test_a_file_cannot_be_moved_or_linked_to_where_other_rules_hold(void **state)
{
	in_force("allow session wcdl ssh/**\nallow session - tmp/** note kube/**\n");
	assert_int_equal(as(MEMBER, move_out, NULL), -EACCES);
	assert_int_equal(as(MEMBER, link_out, NULL), -EACCES);
	assert_int_equal(as(MEMBER, exchange, NULL), -EACCES);
	assert_int_equal(as(MEMBER, move_folder_out, NULL), -EACCES);
	in_force("deny session r ssh/id\nallow session - **\n");
	assert_int_equal(as(MEMBER, move_folder_out, NULL), -EACCES);
	in_force("allow session - **\n");
	assert_int_equal(as(MEMBER, move_out, NULL), 0);
	assert_int_equal(as(MEMBER, move_folder_out, NULL), 0);
}

static int make_folder(void *path)
{
	return mkdir(path, 0755) < 0 ? -errno : 0;
}

static int move_folder_in(void *arg)
{
	return rename(path_in(&f, "tmp/in"), path_in(&f, "kube/in")) < 0 ? -errno : 0;
}

static int exchange_folder_with_file(void *arg)
{
	return renameat2(AT_FDCWD, path_in(&f, "note"), AT_FDCWD, path_in(&f, "tmp/in"),
			 RENAME_EXCHANGE) < 0
		       ? -errno
		       : 0;
}

static void test_a_folder_brings_nothing_to_where_it_may_not_be_made(void **state)
{
	in_force("allow session - **\n");
	assert_int_equal(as(MEMBER, make_folder, (void *)path_in(&f, "tmp/in")), 0);
	assert_int_equal(member(create_it, "tmp/in/id"), 0);
	in_force("deny session c kube/in/id\nallow session - **\n");
	assert_int_equal(as(MEMBER, move_folder_in, NULL), -EACCES);
	in_force("deny session c note/id\nallow session - **\n");
	assert_int_equal(as(MEMBER, exchange_folder_with_file, NULL), -EACCES);
	in_force("allow session - **\n");
	assert_int_equal(as(MEMBER, move_folder_in, NULL), 0);
}

static void test_an_exchange_creates_at_both_ends(void **state)
{
	in_force("deny session c note\nallow session - **\n");
	assert_int_equal(as(MEMBER, exchange, NULL), -EACCES);
	in_force("deny session c ssh/id\nallow session - **\n");
	assert_int_equal(as(MEMBER, exchange, NULL), -EACCES);
	in_force("allow session - **\n");
	assert_int_equal(as(MEMBER, exchange, NULL), 0);
}

static void test_what_may_not_be_deleted_is_not_replaced_either(void **state)
{
	in_force("deny session d ssh/id\nallow session - **\n");
	assert_int_equal(as(MEMBER, replace, NULL), -EACCES);
	in_force("allow session - **\n");
	assert_int_equal(as(MEMBER, replace, NULL), 0);
}

/* Held by O_PATH, unlinked, and opened again by its descriptor. */
static int read_unlinked(void *path)
{
	autoclose int held = open(path, O_PATH | O_CLOEXEC);
	char again[64];

	if (held < 0 || unlink(path) < 0)
		return -errno;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", held);
	return read_it(again);
}

static void test_a_file_without_a_name_is_for_those_who_may_everything(void **state)
{
	in_force("deny session r ssh/id\nallow session - **\n");
	assert_int_equal(member(read_unlinked, "ssh/id"), -EACCES);
	in_force("allow session - **\n");
	assert_int_equal(member(read_unlinked, "note"), 0);
}

static int run_it(void *path)
{
	char *argv[] = { path, NULL };
	pid_t pid;
	int r = run_start(path, argv, NULL, NULL, 0, &pid);

	return r < 0 ? r : run_wait(pid);
}

static int copy_true(void *path)
{
	autoclose int in = open("/bin/true", O_RDONLY | O_CLOEXEC);
	autoclose int out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char buf[65536];
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, n) != n)
			return -errno;
	return n < 0 ? -errno : 0;
}

static void test_to_run_a_program_takes_x_and_not_r(void **state)
{
	in_force("allow session - **\n");
	assert_int_equal(member(copy_true, "prog"), 0);
	assert_int_equal(member(run_it, "prog"), 0);
	in_force("deny session x prog\nallow session - **\n");
	assert_int_equal(member(read_it, "prog"), 0);
	assert_int_equal(member(run_it, "prog"), -EACCES);
	in_force("deny session r prog\nallow session - **\n");
	assert_int_equal(member(read_it, "prog"), -EACCES);
	assert_int_equal(member(run_it, "prog"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_each_letter_lets_one_kind_of_operation_through),
		T(test_what_no_rule_speaks_of_is_denied_and_not_listed),
		T(test_what_is_hidden_does_not_exist_for_one_and_does_for_another),
		T(test_a_new_policy_counts_at_once_for_processes_that_run),
		T(test_no_rule_lets_an_outsider_in),
		T(test_audit_only_refuses_nothing_to_members),
		T(test_a_file_cannot_be_moved_or_linked_to_where_other_rules_hold),
		T(test_a_folder_brings_nothing_to_where_it_may_not_be_made),
		T(test_an_exchange_creates_at_both_ends),
		T(test_what_may_not_be_deleted_is_not_replaced_either),
		T(test_a_file_without_a_name_is_for_those_who_may_everything),
		T(test_to_run_a_program_takes_x_and_not_r),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
