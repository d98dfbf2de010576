#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "tazfs/node.h"

static char dir[64];
static int rootfd;
static struct nodes *t;

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/taz-test-node.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	rootfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return rootfd < 0 || nodes_new(rootfd, 8, &t) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char cmd[128];

	nodes_free(t);
	close(rootfd);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void put(const char *name, const char *text)
{
	autoclose int fd = openat(rootfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
}

static uint64_t look(uint64_t parent, const char *name)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	struct node_entry e;

	assert_int_equal(node_hold(t, node_get(t, parent), &h), 0);
	assert_int_equal(node_lookup(&h, name, &e), 0);
	return e.id;
}

/* The inode's number, through the table; 0 and @err when it can't be reached. */
static ino_t ino_of(uint64_t id, int *err)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	struct stat st;

	*err = node_hold(t, node_get(t, id), &h);
	if (*err < 0)
		return 0;
	assert_int_equal(fstat(h.fd, &st), 0);
	return st.st_ino;
}

static ino_t below(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(rootfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static void do_unlink(const char *name, int flags)
{
	autohold struct node_hold h = NODE_HOLD_NONE;

	assert_int_equal(node_hold(t, node_get(t, NODE_ROOT), &h), 0);
	assert_int_equal(node_unlink(&h, name, flags, NULL), 0);
}

static int do_rename(uint64_t from, const char *name, uint64_t to, const char *new, unsigned flags)
{
	autohold struct node_hold a = NODE_HOLD_NONE, b = NODE_HOLD_NONE;

	assert_int_equal(node_hold(t, node_get(t, from), &a), 0);
	assert_int_equal(node_hold(t, node_get(t, to), &b), 0);
	return node_rename(&a, name, &b, new, flags, NULL);
}

static void test_two_names_of_one_inode_are_one_node(void **state)
{
	put("a", "x");
	assert_int_equal(linkat(rootfd, "a", rootfd, "b", 0), 0);
	assert_true(look(NODE_ROOT, "a") == look(NODE_ROOT, "b"));
	assert_int_equal(nodes_count(t), 2);
}

static void test_a_forgotten_node_goes_and_its_number_comes_back_as_another_generation(void **state)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	struct node_entry first, second;

	put("a", "x");
	assert_int_equal(node_hold(t, node_get(t, NODE_ROOT), &h), 0);
	assert_int_equal(node_lookup(&h, "a", &first), 0);
	assert_int_equal(node_lookup(&h, "a", &first), 0);
	node_forget(t, first.id, 1);
	assert_int_equal(nodes_count(t), 2);
	node_forget(t, first.id, 1);
	assert_int_equal(nodes_count(t), 1);
	assert_int_equal(node_lookup(&h, "a", &second), 0);
	assert_true(first.id == second.id && first.generation != second.generation);
}

static void test_a_parent_stays_while_a_child_needs_it(void **state)
{
	uint64_t d, x;
	int err;

	assert_int_equal(mkdirat(rootfd, "d", 0700), 0);
	put("d/x", "x");
	d = look(NODE_ROOT, "d");
	x = look(d, "x");
	node_forget(t, d, 1);
	assert_true(ino_of(x, &err) == below("d/x"));
	node_forget(t, x, 1);
	assert_int_equal(nodes_count(t), 1);
}

static void test_descriptors_stay_within_the_limit_and_come_back(void **state)
{
	uint64_t id[100];
	char name[16];
	int err;

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(name, "x");
		id[i] = look(NODE_ROOT, name);
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++) {
			snprintf(name, sizeof(name), "f%d", i);
			assert_true(ino_of(id[i], &err) == below(name));
			assert_true(nodes_fds(t) <= 9);
		}
	}
}

static void test_deep_directories_are_reached_after_all_descriptors_gave_way(void **state)
{
	uint64_t at = NODE_ROOT, deep[40];
	char path[128] = "";
	int err;

	for (int i = 0; i < 40; i++) {
		strcat(path, i ? "/d" : "d");
		assert_int_equal(mkdirat(rootfd, path, 0700), 0);
		deep[i] = at = look(at, "d");
	}
	for (int i = 39; i >= 0; i--)
		assert_true(ino_of(deep[i], &err) != 0);
	assert_true(ino_of(deep[39], &err) == below(path));
	assert_true(nodes_fds(t) <= 9);
}

static void test_an_unlinked_node_is_reached_until_it_is_forgotten(void **state)
{
	uint64_t id;
	ino_t ino;
	int err;

	put("a", "x");
	id = look(NODE_ROOT, "a");
	ino = below("a");
	do_unlink("a", 0);
	put("a", "another");
	assert_true(look(NODE_ROOT, "a") != id);
	assert_true(ino_of(id, &err) == ino);
	node_forget(t, id, 1);
	assert_int_equal(nodes_count(t), 2);
}

static void test_a_removed_directory_is_reached_until_it_is_forgotten(void **state)
{
	uint64_t id;
	int err;

	assert_int_equal(mkdirat(rootfd, "d", 0700), 0);
	id = look(NODE_ROOT, "d");
	do_unlink("d", AT_REMOVEDIR);
	assert_true(ino_of(id, &err) != 0);
}

static void test_a_renamed_node_is_found_under_its_new_name(void **state)
{
	uint64_t a, b, d;
	ino_t ino_a, ino_b;
	int err;

	put("a", "A");
	put("b", "B");
	assert_int_equal(mkdirat(rootfd, "d", 0700), 0);
	a = look(NODE_ROOT, "a");
	b = look(NODE_ROOT, "b");
	d = look(NODE_ROOT, "d");
	ino_a = below("a");
	ino_b = below("b");
	assert_int_equal(do_rename(NODE_ROOT, "a", d, "b", 0), 0);
	assert_int_equal(do_rename(d, "b", NODE_ROOT, "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(do_rename(d, "b", NODE_ROOT, "b", 0), 0);
	assert_true(ino_of(a, &err) == ino_a && below("b") == ino_a);
	assert_true(ino_of(b, &err) == ino_b);
}

static void test_exchanged_nodes_are_found_where_the_other_was(void **state)
{
	uint64_t a, b;
	ino_t ino_a, ino_b;
	char path[64];
	int err;

	put("a", "A");
	put("b", "B");
	a = look(NODE_ROOT, "a");
	b = look(NODE_ROOT, "b");
	ino_a = below("a");
	ino_b = below("b");
	assert_int_equal(do_rename(NODE_ROOT, "a", NODE_ROOT, "b", RENAME_EXCHANGE), 0);
	assert_true(ino_of(a, &err) == ino_a && ino_of(b, &err) == ino_b);
	assert_int_equal(node_path(t, node_get(t, a), path, sizeof(path)), 0);
	assert_string_equal(path, "b");
}

static void test_a_file_swapped_behind_our_back_is_stale(void **state)
{
	uint64_t id;
	int err;

	put("a", "A");
	put("b", "B");
	id = look(NODE_ROOT, "a");
	assert_int_equal(renameat(rootfd, "b", rootfd, "a"), 0);
	assert_int_equal(ino_of(id, &err), 0);
	assert_int_equal(err, -ESTALE);
}

static void test_readers_share_a_descriptor_and_writers_do_not(void **state)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	struct node_file a, b, w;
	uint64_t id;

	put("a", "A");
	id = look(NODE_ROOT, "a");
	assert_int_equal(node_hold(t, node_get(t, id), &h), 0);
	assert_int_equal(node_open(&h, O_RDONLY, &a), 0);
	assert_int_equal(node_open(&h, O_RDONLY, &b), 0);
	assert_int_equal(node_open(&h, O_RDWR, &w), 0);
	assert_int_equal(a.file.fd, b.file.fd);
	assert_int_not_equal(a.file.fd, w.file.fd);
	node_close(t, &a);
	assert_true(fcntl(b.file.fd, F_GETFD) >= 0);
	node_unshare(t, node_get(t, id));
	assert_true(fcntl(b.file.fd, F_GETFD) >= 0);
	node_close(t, &b);
	assert_true(fcntl(b.file.fd, F_GETFD) < 0);
	node_close(t, &w);
}

static void test_an_open_file_keeps_its_node(void **state)
{
	struct node_file f;
	uint64_t id;

	put("a", "A");
	id = look(NODE_ROOT, "a");
	{
		autohold struct node_hold h = NODE_HOLD_NONE;

		assert_int_equal(node_hold(t, node_get(t, id), &h), 0);
		assert_int_equal(node_open(&h, O_RDONLY, &f), 0);
	}
	node_forget(t, id, 1);
	assert_int_equal(nodes_count(t), 2);
	node_close(t, &f);
	assert_int_equal(nodes_count(t), 1);
}

static void test_the_path_follows_renames_and_ends_with_the_name(void **state)
{
	uint64_t d, x;
	char path[64], tiny[4];

	assert_int_equal(mkdirat(rootfd, "d", 0700), 0);
	put("d/file", "x");
	d = look(NODE_ROOT, "d");
	x = look(d, "file");
	assert_int_equal(do_rename(NODE_ROOT, "d", NODE_ROOT, "e", 0), 0);
	assert_int_equal(node_path(t, node_get(t, x), path, sizeof(path)), 0);
	assert_string_equal(path, "e/file");
	assert_int_equal(node_path(t, node_get(t, x), tiny, sizeof(tiny)), -ENAMETOOLONG);
	assert_int_equal(do_rename(d, "file", NODE_ROOT, "f", 0), 0);
	do_unlink("f", 0);
	assert_int_equal(node_path(t, node_get(t, x), path, sizeof(path)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_two_names_of_one_inode_are_one_node),
		T(test_a_forgotten_node_goes_and_its_number_comes_back_as_another_generation),
		T(test_a_parent_stays_while_a_child_needs_it),
		T(test_descriptors_stay_within_the_limit_and_come_back),
		T(test_deep_directories_are_reached_after_all_descriptors_gave_way),
		T(test_an_unlinked_node_is_reached_until_it_is_forgotten),
		T(test_a_removed_directory_is_reached_until_it_is_forgotten),
		T(test_a_renamed_node_is_found_under_its_new_name),
		T(test_exchanged_nodes_are_found_where_the_other_was),
		T(test_a_file_swapped_behind_our_back_is_stale),
		T(test_readers_share_a_descriptor_and_writers_do_not),
		T(test_an_open_file_keeps_its_node),
		T(test_the_path_follows_renames_and_ends_with_the_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
