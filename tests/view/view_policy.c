/* The policy of a view: what each rule lets through, and what nobody gets around. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "help.h"
#include "tazfs/control.h"

static struct view_fixture f;

static int make_files(void *arg)
{
	int r = 0;

	if (mkdir(path_in(&f, "ssh"), 0755) < 0 || mkdir(path_in(&f, "kube"), 0755) < 0 ||
	    mkdir(path_in(&f, "tmp"), 0755) < 0)
		return -errno;
	r |= write_file(path_in(&f, "ssh/id"), "private");
	r |= write_file(path_in(&f, "kube/config"), "token");
	r |= write_file(path_in(&f, "note"), "note");
	return r;
}

static int setup(void **state)
{
	f.policy = NULL;
	f.no_audit = false;
	fixture_start(&f, CACHED);
	return as(MEMBER, make_files, NULL);
}

static int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

static void in_force(const char *policy)
{
	assert_int_equal(fixture_policy(&f, policy), 0);
}

/* --- one operation each: 0 or -errno --- */

static int read_it(void *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	return fd < 0 || read(fd, &c, 1) != 1 ? -errno : 0;
}

static int write_it(void *path)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "x", 1) != 1 ? -errno : 0;
}

static int create_it(void *path)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

static int delete_it(void *path)
{
	return unlink(path) < 0 ? -errno : 0;
}

static int stat_it(void *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -errno : 0;
}

static int chmod_it(void *path)
{
	return chmod(path, 0600) < 0 ? -errno : 0;
}

static int list_it(void *path)
{
	DIR *d = opendir(path);
	int r = 0;

	if (!d)
		return -errno;
	errno = 0;
	if (!readdir(d))
		r = -errno;
	closedir(d);
	return r;
}

static int member(int (*fn)(void *), const char *name)
{
	return as(MEMBER, fn, (void *)path_in(&f, name));
}

/* Is the name in the listing of its directory? 1, 0 or -errno. */
static int is_listed(void *arg)
{
	char dir[256], *name;
	struct dirent *e;
	int found = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s", (char *)arg);
	name = strrchr(dir, '/');
	*name++ = '\0';
	d = opendir(dir);
	if (!d)
		return -errno;
	for (errno = 0; (e = readdir(d)); errno = 0)
		found |= !strcmp(e->d_name, name);
	if (errno)
		found = -errno;
	closedir(d);
	return found;
}

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

/* --- where it is kept --- */

static void test_the_policy_is_kept_in_the_store_and_nobody_sees_it(void **state)
{
	char text[8192] = "";
	autoclose int fd = -EBADF;
	ssize_t n;

	in_force("# kept\nallow session - **\n");
	fd = open(path_below(&f, ".tazfs/policy"), O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	assert_int_equal(n, 4096);
	assert_int_equal(strncmp(text, "# kept\nallow session - **\n", 25), 0);
	assert_int_equal(strspn(text + 26, "\n"), 4096 - 26);
	assert_int_equal(member(stat_it, ".tazfs"), -ENOENT);
	assert_int_equal(member(read_it, ".tazfs/policy"), -ENOENT);
	assert_int_equal(member(create_it, ".tazfs"), -EACCES);
	assert_int_equal(member(is_listed, ".tazfs"), 0);
}

static void test_a_view_begins_with_the_policy_of_the_store(void **state)
{
	fixture_stop(&f);
	f.policy = "allow session r note\n";
	fixture_start(&f, CACHED);
	assert_int_equal(write_file(path_below(&f, "note"), "note"), 0);
	assert_int_equal(chmod(path_below(&f, "note"), 0644), 0);
	assert_int_equal(chown(path_below(&f, "note"), OWNER, OWNER), 0);
	assert_int_equal(member(read_it, "note"), 0);
	assert_int_equal(member(create_it, "other"), -EACCES);
}

static void test_a_policy_that_is_not_one_lets_nobody_in_until_there_is_another(void **state)
{
	fixture_stop(&f);
	f.policy = "allow everything to me\n";
	fixture_start(&f, CACHED);
	assert_int_equal(member(create_it, "other"), -EACCES);
	in_force("allow session - **\n");
	assert_int_equal(member(create_it, "other"), 0);
}

static void test_a_policy_with_a_mistake_changes_nothing(void **state)
{
	in_force("allow session r **\n");
	assert_int_equal(fixture_policy(&f, "alow session - **\n"), -EINVAL);
	assert_int_equal(member(read_it, "note"), 0);
	assert_int_equal(member(write_it, "note"), -EACCES);
}

static void test_a_policy_that_its_sender_could_still_change_is_refused(void **state)
{
	const struct view_plain msg = { .op = VIEW_POLICY };
	autoclose int fd = memfd_create("policy", MFD_CLOEXEC);
	const char *text = "deny session - **\n";

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(msg_send(f.keeper, &msg, sizeof(msg), &fd, 1), 0);
	assert_int_equal(fixture_wait(&f, VIEW_POLICY_SET), -EINVAL);
	assert_int_equal(member(read_it, "note"), 0);
}

static void test_a_policy_waits_while_the_store_is_being_copied(void **state)
{
	const struct view_plain msg = { .op = VIEW_POLICY };
	autoclose int fd = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const char *text = "allow session r **\n";
	struct stat st;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
	fixture_send(&f, VIEW_QUIESCE);
	assert_int_equal(fixture_wait(&f, VIEW_QUIESCED), 0);
	assert_int_equal(msg_send(f.keeper, &msg, sizeof(msg), &fd, 1), 0);
	fixture_send(&f, VIEW_ASK_IDLE);
	fixture_wait(&f, VIEW_IDLE);
	assert_int_equal(stat(path_below(&f, ".tazfs/policy"), &st), -1);
	fixture_send(&f, VIEW_RESUME);
	assert_int_equal(fixture_wait(&f, VIEW_POLICY_SET), 0);
	assert_int_equal(member(write_it, "note"), -EACCES);
}

/* --- the control channel --- */

static int ask_policy(void *want)
{
	autoclose int root = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct control c = { .op = CONTROL_POLICY };

	if (root < 0 || ioctl(root, CONTROL_ASK, &c) < 0)
		return -errno;
	return c.size == strlen(want) && !memcmp(c.data, want, c.size) ? 0 : -EILSEQ;
}

static int ask_nonsense(void *arg)
{
	autoclose int root = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct control c = { .op = 77 };

	return ioctl(root, CONTROL_ASK, &c) < 0 ? -errno : 0;
}

static int open_bait(void *path)
{
	read_it(path);
	return 0;
}

static void test_opening_a_decoy_asks_for_the_lock_and_looking_at_it_does_not(void **state)
{
	in_force("decoy session - note\nallow session - **\n");
	assert_int_equal(member(stat_it, "note"), 0);
	assert_int_equal(member(is_listed, "note"), 1);
	assert_int_equal(member(open_bait, "note"), 0);
	assert_int_equal(fixture_wait(&f, VIEW_DECOY), 0);
}

static void test_who_may_read_the_policy_gets_it_and_nobody_else(void **state)
{
	char all[] = "allow session - **\n",
	     some[] = "deny session - .tazfs/**\nallow session - **\n";

	in_force(all);
	assert_int_equal(as(MEMBER, ask_policy, all), 0);
	assert_int_equal(as(MEMBER, ask_nonsense, NULL), -EINVAL);
	assert_int_equal(as(OUTSIDER, ask_policy, all), -EACCES);
	in_force(some);
	assert_int_equal(as(MEMBER, ask_policy, some), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
		T(test_the_policy_is_kept_in_the_store_and_nobody_sees_it),
		T(test_a_view_begins_with_the_policy_of_the_store),
		T(test_a_policy_that_is_not_one_lets_nobody_in_until_there_is_another),
		T(test_a_policy_with_a_mistake_changes_nothing),
		T(test_a_policy_that_its_sender_could_still_change_is_refused),
		T(test_a_policy_waits_while_the_store_is_being_copied),
		T(test_opening_a_decoy_asks_for_the_lock_and_looking_at_it_does_not),
		T(test_who_may_read_the_policy_gets_it_and_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
