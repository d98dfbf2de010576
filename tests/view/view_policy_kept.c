/* The policy of a view: where it is kept, who may change it, and the control channel. */
#include "policy.h"

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "tazfs/control.h"

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
