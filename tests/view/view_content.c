/* What goes in comes out, whatever way it went in. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "help.h"

#define PAGE 4096

static struct view_fixture f;
static int how;

static int setup(void **state)
{
	fixture_start(&f, how);
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

/* The tests run in a member, so these say where it went wrong and end it. */
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "# line %d: %s (%s)\n", __LINE__, #cond, strerror(errno)); \
			return -EPROTO;                                                            \
		}                                                                                  \
	} while (0)

#define MEMBER_TEST(name)                                           \
	static int name##_body(void *arg);                          \
	static void name(void **state)                              \
	{                                                           \
		assert_int_equal(as(MEMBER, name##_body, NULL), 0); \
	}                                                           \
	static int name##_body(void *arg)

MEMBER_TEST(test_a_file_of_any_odd_size_keeps_its_size_and_bytes)
{
	static const int sizes[] = { 0, 1, 511, 4095, 4096, 4097, 8191, 100000, 1 << 20 };
	char *buf = malloc(1 << 20), *got = malloc((1 << 20) + 1);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		int fd = open(path_in(&f, "odd"), O_RDWR | O_CREAT | O_TRUNC, 0600);
		struct stat st;

		for (int k = 0; k < sizes[i]; k++)
			buf[k] = (char)(k * 31 + i);
		CHECK(io_write_full(fd, buf, sizes[i]) == 0 && fsync(fd) == 0);
		CHECK(fstat(fd, &st) == 0 && st.st_size == sizes[i]);
		CHECK(stat(path_below(&f, "odd"), &st) == 0 && st.st_size == sizes[i]);
		CHECK(io_pread_full(fd, got, sizes[i] + 1, 0) == sizes[i]);
		CHECK(!memcmp(buf, got, sizes[i]));
		close(fd);
	}
	free(buf);
	free(got);
	return 0;
}

#define FSX_BYTES 200000

struct fsx {
	int fd, fd2, ref;
	unsigned seed;
	char a[FSX_BYTES], b[FSX_BYTES];
};

static int fsx_step(struct fsx *x, int op)
{
	off_t at = rand_r(&x->seed) % (FSX_BYTES / 2);
	size_t n = 1 + rand_r(&x->seed) % (rand_r(&x->seed) % 4 ? 5000 : FSX_BYTES / 2);
	char *map;

	switch (op) {
	case 0:
	case 1:
		for (size_t i = 0; i < n; i++)
			x->a[i] = (char)rand_r(&x->seed);
		CHECK(io_pwrite_full(x->fd, x->a, n, at) == 0);
		CHECK(io_pwrite_full(x->ref, x->a, n, at) == 0);
		return 0;
	case 2:
		CHECK(ftruncate(x->fd, at) == 0 && ftruncate(x->ref, at) == 0);
		return 0;
	case 3:
		CHECK(fallocate(x->fd, 0, at, (off_t)n) == 0);
		CHECK(fallocate(x->ref, 0, at, (off_t)n) == 0);
		return 0;
	case 4:
		CHECK(fallocate(x->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)n) ==
		      0);
		CHECK(fallocate(x->ref, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)n) ==
		      0);
		return 0;
	case 5:
		if (how & STRICT || lseek(x->ref, 0, SEEK_END) < 1)
			return 0;
		n = lseek(x->ref, 0, SEEK_END);
		map = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, x->fd, 0);
		CHECK(map != MAP_FAILED);
		map[at % (off_t)n] = 'm';
		CHECK(pwrite(x->ref, "m", 1, at % (off_t)n) == 1);
		CHECK(munmap(map, n) == 0);
		return 0;
	default: {
		ssize_t want = io_pread_full(x->ref, x->a, n, at);

		CHECK(io_pread_full(rand_r(&x->seed) % 2 ? x->fd : x->fd2, x->b, n, at) == want);
		CHECK(!memcmp(x->a, x->b, want));
		return 0;
	}
	}
}

MEMBER_TEST(test_three_thousand_random_operations_match_a_plain_file)
{
	static struct fsx x = { .seed = 42 };
	char name[] = "/tmp/taz-view-ref.XXXXXX";

	x.fd = open(path_in(&f, "fsx"), O_RDWR | O_CREAT, 0600);
	x.fd2 = open(path_in(&f, "fsx"), O_RDONLY);
	x.ref = mkstemp(name);
	CHECK(x.fd >= 0 && x.fd2 >= 0 && x.ref >= 0);
	unlink(name);
	for (int i = 0; i < 3000; i++) {
		int op = rand_r(&x.seed) % 10;

		if (fsx_step(&x, op) < 0) {
			fprintf(stderr, "# step %d, operation %d\n", i, op);
			return -EPROTO;
		}
	}
	/* The same must lie below, as a plain file. */
	close(x.fd2);
	CHECK(fsync(x.fd) == 0);
	x.fd2 = open(path_below(&f, "fsx"), O_RDONLY);
	CHECK(lseek(x.fd2, 0, SEEK_END) == lseek(x.ref, 0, SEEK_END));
	CHECK(io_pread_full(x.fd2, x.a, FSX_BYTES, 0) == io_pread_full(x.ref, x.b, FSX_BYTES, 0));
	CHECK(!memcmp(x.a, x.b, lseek(x.ref, 0, SEEK_END)));
	return 0;
}

MEMBER_TEST(test_appending_and_truncating)
{
	const char *path = path_in(&f, "log");
	int a = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int b = open(path, O_WRONLY | O_APPEND);

	for (int i = 0; i < 100; i++)
		CHECK(write(i % 2 ? a : b, "0123456789", 10) == 10);
	CHECK(lseek(a, 0, SEEK_END) == 1000);
	CHECK(truncate(path, 15) == 0);
	CHECK(check_file(path, "012345678901234") == 0);
	CHECK(write(a, "x", 1) == 1);
	CHECK(check_file(path, "012345678901234x") == 0);
	CHECK(ftruncate(a, 0) == 0 && check_file(path, "") == 0);
	return 0;
}

MEMBER_TEST(test_a_write_only_file_is_written_and_not_read)
{
	const char *path = path_in(&f, "drop");

	CHECK(write_file(path, "0123456789") == 0 && chmod(path, 0200) == 0);
	int fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && pwrite(fd, "x", 1, 3) == 1);
	CHECK(open(path, O_RDONLY) < 0 && errno == EACCES);
	CHECK(chmod(path, 0400) == 0 && check_file(path, "012x456789") == 0);
	CHECK(open(path, O_WRONLY) < 0 && errno == EACCES);
	return 0;
}

MEMBER_TEST(test_an_unlinked_open_file_lives_until_it_is_closed)
{
	const char *path = path_in(&f, "gone");
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	struct stat st;
	char c;

	CHECK(write(fd, "abc", 3) == 3 && unlink(path) == 0);
	CHECK(access(path, F_OK) < 0 && errno == ENOENT);
	CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0 && st.st_size == 3);
	CHECK(pwrite(fd, "X", 1, 1) == 1 && pread(fd, &c, 1, 1) == 1 && c == 'X');
	CHECK(fchmod(fd, 0400) == 0 && ftruncate(fd, 1) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 1 && (st.st_mode & 0777) == 0400);
	CHECK(write_file(path, "new") == 0 && check_file(path, "new") == 0);
	return 0;
}

MEMBER_TEST(test_renaming_over_an_open_file_keeps_both)
{
	const char *old = path_in(&f, "config"), *new = path_in(&f, "config.new");
	char buf[4] = "";
	int fd;

	CHECK(write_file(old, "old") == 0 && write_file(new, "new") == 0);
	fd = open(old, O_RDONLY);
	CHECK(rename(new, old) == 0);
	CHECK(pread(fd, buf, 3, 0) == 3 && !strcmp(buf, "old"));
	CHECK(check_file(old, "new") == 0 && access(new, F_OK) < 0);
	return 0;
}

MEMBER_TEST(test_rename_knows_noreplace_and_exchange)
{
	const char *a = path_in(&f, "a"), *b = path_in(&f, "b");
	int fda;
	char c;

	CHECK(write_file(a, "A") == 0 && write_file(b, "B") == 0);
	fda = open(a, O_RDONLY);
	CHECK(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE) < 0 && errno == EEXIST);
	CHECK(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0);
	CHECK(check_file(a, "B") == 0 && check_file(b, "A") == 0);
	CHECK(pread(fda, &c, 1, 0) == 1 && c == 'A');
	CHECK(chmod(a, 0600) == 0 && chmod(b, 0640) == 0);
	return 0;
}

MEMBER_TEST(test_hard_links_are_one_file_and_survive_each_other)
{
	const char *a = path_in(&f, "a"), *b = path_in(&f, "b"), *c = path_in(&f, "c");
	struct stat sa, sb;

	CHECK(write_file(a, "one") == 0 && link(a, b) == 0);
	CHECK(stat(a, &sa) == 0 && stat(b, &sb) == 0);
	CHECK(sa.st_ino == sb.st_ino && sa.st_nlink == 2);
	CHECK(write_file(b, "two") == 0 && check_file(a, "two") == 0);
	CHECK(unlink(b) == 0 && check_file(a, "two") == 0);
	CHECK(link(a, b) == 0 && unlink(a) == 0 && rename(b, c) == 0);
	CHECK(check_file(c, "two") == 0 && stat(c, &sa) == 0 && sa.st_nlink == 1);
	return 0;
}

MEMBER_TEST(test_symbolic_links_point_where_they_did)
{
	char buf[64] = "";
	struct timespec ts[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };
	struct stat st;

	CHECK(symlink("../outside/of it", path_in(&f, "l")) == 0);
	CHECK(readlink(path_in(&f, "l"), buf, sizeof(buf)) == 16);
	CHECK(!strcmp(buf, "../outside/of it"));
	CHECK(utimensat(AT_FDCWD, path_in(&f, "l"), ts, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK(lstat(path_in(&f, "l"), &st) == 0 && S_ISLNK(st.st_mode) && st.st_mtime == 2);
	CHECK(lchown(path_in(&f, "l"), OWNER, OWNER) == 0);
	CHECK(write_file(path_in(&f, "t"), "T") == 0 && symlink("t", path_in(&f, "k")) == 0);
	CHECK(check_file(path_in(&f, "k"), "T") == 0);
	return 0;
}

MEMBER_TEST(test_extended_attributes)
{
	const char *path = path_in(&f, "x");
	char buf[64];

	CHECK(write_file(path, "x") == 0);
	if (setxattr(path, "user.k", "value", 5, 0) < 0 && errno == EOPNOTSUPP)
		return 0;
	CHECK(getxattr(path, "user.k", NULL, 0) == 5);
	CHECK(getxattr(path, "user.k", buf, 2) < 0 && errno == ERANGE);
	CHECK(getxattr(path, "user.k", buf, sizeof(buf)) == 5 && !memcmp(buf, "value", 5));
	CHECK(setxattr(path, "user.k", "v", 1, XATTR_CREATE) < 0 && errno == EEXIST);
	CHECK(listxattr(path, buf, sizeof(buf)) >= 7);
	CHECK(removexattr(path, "user.k") == 0);
	CHECK(getxattr(path, "user.k", buf, sizeof(buf)) < 0 && errno == ENODATA);
	return 0;
}

MEMBER_TEST(test_names_of_255_bytes_and_no_longer)
{
	char name[257];

	memset(name, 'n', 256);
	name[256] = '\0';
	CHECK(write_file(path_in(&f, name), "x") == -ENAMETOOLONG);
	name[255] = '\0';
	CHECK(write_file(path_in(&f, name), "x") == 0);
	CHECK(check_file(path_in(&f, name), "x") == 0);
	CHECK(mkdir(path_in(&f, "d"), 0700) == 0);
	CHECK(rename(path_in(&f, name), path_in(&f, "d/x")) == 0);
	return 0;
}

MEMBER_TEST(test_modes_times_fifos_and_sockets)
{
	struct timespec ts[2] = { { 5, 123456789 }, { 6, UTIME_OMIT } };
	const char *path = path_in(&f, "m");
	struct stat st;

	CHECK(write_file(path, "m") == 0);
	CHECK(chmod(path, 0640) == 0 && utimensat(AT_FDCWD, path, ts, 0) == 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640 && st.st_uid == OWNER);
	CHECK(st.st_atim.tv_sec == 5 && st.st_atim.tv_nsec == 123456789 && st.st_mtime > 1000);
	CHECK(mkfifo(path_in(&f, "fifo"), 0600) == 0);
	CHECK(mknod(path_in(&f, "sock"), S_IFSOCK | 0600, 0) == 0);
	CHECK(mknod(path_in(&f, "dev"), S_IFCHR | 0600, 0x103) < 0 && errno == EPERM);
	CHECK(chown(path, 0, 0) < 0 && errno == EPERM);
	CHECK(mkdir(path_in(&f, "d"), 0700) == 0 && chmod(path_in(&f, "d"), 0) == 0);
	CHECK(write_file(path_in(&f, "d/x"), "x") == -EACCES);
	CHECK(rmdir(path_in(&f, "d")) == 0);
	return 0;
}

MEMBER_TEST(test_reading_with_o_direct_at_odd_places)
{
	char *buf = aligned_alloc(PAGE, 3 * PAGE);
	int fd;

	for (int i = 0; i < 3 * PAGE; i++)
		buf[i] = (char)(i / 7);
	fd = open(path_in(&f, "direct"), O_RDWR | O_CREAT | O_DIRECT, 0600);
	CHECK(fd >= 0 && io_pwrite_full(fd, buf, 3 * PAGE, 0) == 0);
	memset(buf, 0, 3 * PAGE);
	CHECK(io_pread_full(fd, buf, 1000, 333) == 1000);
	for (int i = 0; i < 1000; i++)
		CHECK(buf[i] == (char)((i + 333) / 7));
	CHECK(pwrite(fd, "odd", 3, 3L * PAGE - 1) == 3);
	CHECK(pread(fd, buf, PAGE, 3L * PAGE - 2) == 4 && !memcmp(buf + 1, "odd", 3));
	free(buf);
	return 0;
}

MEMBER_TEST(test_holes_stay_holes)
{
	int fd = open(path_in(&f, "sparse"), O_RDWR | O_CREAT, 0600);
	struct stat st;

	CHECK(pwrite(fd, "end", 3, 10 << 20) == 3 && fsync(fd) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == (10 << 20) + 3 && st.st_blocks < 64);
	CHECK(lseek(fd, 0, SEEK_DATA) == 10 << 20);
	CHECK(lseek(fd, 0, SEEK_HOLE) == 0);
	return 0;
}

MEMBER_TEST(test_a_directory_of_2000_is_listed_whole_and_again_after_changes)
{
	int seen = 0;
	char name[32];

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		CHECK(write_file(path_in(&f, name), "") == 0);
	}
	for (int round = 0; round < 3; round++) {
		DIR *d = opendir(f.mnt);

		CHECK(d);
		for (seen = 0; readdir(d); seen++)
			;
		closedir(d);
		CHECK(seen == 2000 + 2 - round);
		snprintf(name, sizeof(name), "e%d", round);
		CHECK(unlink(path_in(&f, name)) == 0);
	}
	return 0;
}

MEMBER_TEST(test_locks_and_inotify_work_for_a_member)
{
	const char *path = path_in(&f, "locked");
	int a, b, in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char buf[PAGE];

	CHECK(write_file(path, "x") == 0);
	a = open(path, O_RDWR);
	b = open(path, O_RDWR);
	CHECK(flock(a, LOCK_EX) == 0 && flock(b, LOCK_EX | LOCK_NB) < 0);
	CHECK(inotify_add_watch(in, f.mnt, IN_CREATE) >= 0);
	CHECK(write_file(path_in(&f, "created"), "x") == 0);
	CHECK(read(in, buf, sizeof(buf)) > 0);
	return 0;
}

MEMBER_TEST(test_a_map_is_seen_by_readers_and_the_other_way_round)
{
	const char *path = path_in(&f, "map");
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	char *map;

	if (how & STRICT)
		return 0;
	CHECK(write(fd, "0123456789", 10) == 10);
	map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	map[4] = 'M';
	CHECK(check_file(path, "0123M56789") == 0);
	CHECK(pwrite(fd, "W", 1, 5) == 1 && map[5] == 'W');
	CHECK(msync(map, 10, MS_SYNC) == 0 && check_file(path_below(&f, "map"), "0123MW6789") == 0);
	return 0;
}

MEMBER_TEST(test_a_hole_behind_the_end_makes_no_file_longer)
{
	const char *path = path_in(&f, "short");
	autoclose int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char buf[16 * PAGE];
	struct stat st;

	memset(buf, 'x', sizeof(buf));
	CHECK(io_write_full(fd, buf, PAGE + 10) == 0);
	CHECK(io_pread_full(fd, buf, sizeof(buf), 0) == PAGE + 10); /* asked for behind it, too */
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE + 100, PAGE / 2) == 0);
	CHECK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, PAGE + 100, 100) == 0);
	CHECK(write(fd, "y", 1) == 1);
	CHECK(fstat(fd, &st) == 0 && st.st_size == PAGE + 11);
	CHECK(stat(path_below(&f, "short"), &st) == 0 && st.st_size == PAGE + 11);
	return 0;
}

static int run(int mode)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_file_of_any_odd_size_keeps_its_size_and_bytes),
		T(test_three_thousand_random_operations_match_a_plain_file),
		T(test_appending_and_truncating),
		T(test_a_write_only_file_is_written_and_not_read),
		T(test_an_unlinked_open_file_lives_until_it_is_closed),
		T(test_renaming_over_an_open_file_keeps_both),
		T(test_rename_knows_noreplace_and_exchange),
		T(test_hard_links_are_one_file_and_survive_each_other),
		T(test_symbolic_links_point_where_they_did),
		T(test_extended_attributes),
		T(test_names_of_255_bytes_and_no_longer),
		T(test_modes_times_fifos_and_sockets),
		T(test_reading_with_o_direct_at_odd_places),
		T(test_holes_stay_holes),
		T(test_a_hole_behind_the_end_makes_no_file_longer),
		T(test_a_directory_of_2000_is_listed_whole_and_again_after_changes),
		T(test_locks_and_inotify_work_for_a_member),
		T(test_a_map_is_seen_by_readers_and_the_other_way_round),
	};

	how = mode;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* With "strict": the same with nothing cached above. */
int main(int argc, char *argv[])
{
	return run(argc > 1 && !strcmp(argv[1], "strict") ? STRICT : CACHED);
}
