/* Files of the store: what the page cache below holds is remembered, and can be overwritten there.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "tazfs/store.h"

#define BLOCKS	 40
#define FILE_MAX (BLOCKS * STORE_ALIGN)
#define STEPS	 600

struct fixture {
	char dir[32];
	int dirfd, pathfd;
	struct store_file file;
	struct tails tails;
	char want[FILE_MAX];
	size_t size;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	if (!x)
		return -1;
	snprintf(x->dir, sizeof(x->dir), "/var/tmp/taz-store.XXXXXX");
	if (!mkdtemp(x->dir))
		return -1;
	x->dirfd = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store_create(x->dirfd, "f", O_RDWR, 0600, &x->file) < 0)
		return -1;
	x->pathfd = openat(x->dirfd, "f", O_PATH | O_CLOEXEC);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	tails_done(&x->tails);
	store_close(&x->file);
	close(x->pathfd);
	unlinkat(x->dirfd, "f", 0);
	close(x->dirfd);
	rmdir(x->dir);
	free(x);
	return 0;
}

/* A file system that has no O_DIRECT caches everything, and remembers everything. */
static void need_direct(const struct fixture *x)
{
	if (!x->file.direct)
		skip();
}

static size_t below(size_t n)
{
	return (size_t)rand() % n;
}

static void step_write(struct fixture *x)
{
	char data[5 * STORE_ALIGN];
	size_t size = 1 + below(rand() % 2 ? 100 : sizeof(data) - 1), at = below(FILE_MAX - size);

	if (rand() % 3 == 0) /* a log's line */
		at = x->size + size < FILE_MAX ? x->size : 0;
	memset(data, 'a' + rand() % 26, size);
	assert_int_equal(store_write(&x->file, data, size, (off_t)at, &x->tails), 0);
	memcpy(x->want + at, data, size);
	if (at + size > x->size)
		x->size = at + size;
}

static void step_truncate(struct fixture *x)
{
	size_t size = below(FILE_MAX);

	assert_int_equal(
		store_truncate(x->pathfd, rand() % 2 ? &x->file : NULL, (off_t)size, &x->tails), 0);
	if (size < x->size)
		memset(x->want + size, 0, x->size - size);
	x->size = size;
}

static void step_punch(struct fixture *x)
{
	size_t at = below(FILE_MAX - 1), size = 1 + below(FILE_MAX - at);
	int r = store_fallocate(&x->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
				(off_t)size, &x->tails);

	assert_true(r == 0 || r == -EOPNOTSUPP);
	if (r == 0)
		memset(x->want + at, 0, size);
}

static void check_contents(const struct fixture *x)
{
	static char got[FILE_MAX];
	int fd = openat(x->dirfd, "f", O_RDONLY | O_DIRECT | O_CLOEXEC);
	void *aligned =
		mmap(NULL, FILE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_int_equal(pread(fd, aligned, FILE_MAX, 0), x->size);
	memcpy(got, aligned, FILE_MAX);
	munmap(aligned, FILE_MAX);
	close(fd);
	assert_memory_equal(got, x->want, x->size);
}

/* The promise: no page of the file is in the page cache that is not a remembered tail. */
static void check_cache(const struct fixture *x)
{
	unsigned char in[BLOCKS];
	size_t blocks = (x->size + STORE_ALIGN - 1) / STORE_ALIGN;
	void *map;

	if (!blocks)
		return;
	map = mmap(NULL, blocks * STORE_ALIGN, PROT_READ, MAP_SHARED, x->file.fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mincore(map, blocks * STORE_ALIGN, in), 0);
	munmap(map, blocks * STORE_ALIGN);
	for (size_t i = 0; i < blocks; i++)
		if (in[i] & 1 && !tails_have(&x->tails, i))
			fail_msg("block %zu of %zu is cached and not remembered", i, blocks);
}

static void test_whatever_is_done_no_page_is_cached_that_is_not_remembered(void **state)
{
	struct fixture *x = *state;

	need_direct(x);
	srand(4711);
	for (int i = 0; i < STEPS; i++) {
		static void (*const steps[])(struct fixture *) = { step_write,	  step_write,
								   step_write,	  step_write,
								   step_truncate, step_punch };

		steps[rand() % 6](x);
		check_cache(x);
		if (i % 20 == 0)
			check_contents(x);
		if (rand() % 100 == 0) { /* as a file that was never changed */
			assert_int_equal(fsync(x->file.fd), 0);
			assert_int_equal(posix_fadvise(x->file.fd, 0, 0, POSIX_FADV_DONTNEED), 0);
		}
	}
	check_contents(x);
}

static void test_whole_blocks_are_neither_cached_nor_remembered(void **state)
{
	struct fixture *x = *state;
	static const char data[8 * STORE_ALIGN] = "x";

	need_direct(x);
	assert_int_equal(store_write(&x->file, data, sizeof(data), 0, &x->tails), 0);
	assert_int_equal(store_write(&x->file, "inside", 6, 5000, &x->tails), 0);
	assert_int_equal(x->tails.n, 0);
	x->size = sizeof(data);
	check_cache(x);
}

static void test_wiping_clears_the_tails_and_nothing_else(void **state)
{
	struct fixture *x = *state;
	char block[STORE_ALIGN], got[10];

	need_direct(x);
	memset(block, 'A', sizeof(block));
	assert_int_equal(store_write(&x->file, block, sizeof(block), 0, &x->tails), 0);
	assert_int_equal(store_write(&x->file, "0123456789", 10, STORE_ALIGN, &x->tails), 0);
	assert_int_equal(store_chmod(x->pathfd, 0400), 0);
	assert_int_equal(store_wipe_tails(x->pathfd, &x->tails), 0);
	assert_int_equal(fcntl(x->file.fd, F_SETFL, 0), 0);
	assert_int_equal(pread(x->file.fd, got, 10, STORE_ALIGN), 10);
	assert_memory_equal(got, "\0\0\0\0\0\0\0\0\0\0", 10);
	assert_int_equal(pread(x->file.fd, got, 10, 0), 10);
	assert_memory_equal(got, "AAAAAAAAAA", 10);
}

static void test_a_file_that_has_a_name_is_not_buried(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(store_write(&x->file, "text", 4, 0, &x->tails), 0);
	assert_int_equal(store_bury(x->pathfd, &x->tails), -EEXIST);
	assert_int_equal(unlinkat(x->dirfd, "f", 0), 0);
	assert_int_equal(store_bury(x->pathfd, &x->tails), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_whatever_is_done_no_page_is_cached_that_is_not_remembered),
		T(test_whole_blocks_are_neither_cached_nor_remembered),
		T(test_wiping_clears_the_tails_and_nothing_else),
		T(test_a_file_that_has_a_name_is_not_buried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
