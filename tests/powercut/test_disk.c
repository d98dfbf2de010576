#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "tests/powercut/disk.h"

#define BLOCKS 64

static char path[] = "/tmp/test_disk.XXXXXX";

static int setup(void **state)
{
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, BLOCKS * DISK_BLOCK) < 0)
		return -1;
	close(fd);
	*state = disk_open(path);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	if (*state)
		disk_close(*state);
	return unlink(path);
}

static void put(struct disk *d, unsigned block, unsigned n, uint8_t what)
{
	static uint8_t buf[BLOCKS * DISK_BLOCK];

	memset(buf, what, n * DISK_BLOCK);
	assert_int_equal(disk_write(d, buf, n * DISK_BLOCK, block * DISK_BLOCK), 0);
}

static uint8_t seen(const struct disk *d, unsigned block)
{
	uint8_t byte;

	assert_int_equal(disk_read(d, &byte, 1, block * DISK_BLOCK), 0);
	return byte;
}

static uint8_t behind(unsigned block)
{
	int fd = open(path, O_RDONLY);
	uint8_t byte;

	assert_int_equal(io_pread_full(fd, &byte, 1, block * DISK_BLOCK), 1);
	close(fd);
	return byte;
}

/* A seed whose cut is of that kind. */
static struct disk_loss cut(struct disk *d, enum disk_cut how, uint64_t from)
{
	struct disk_loss loss;

	for (;; from++) {
		struct disk *probe = disk_open(path);

		disk_cut_power(probe, from, &loss);
		disk_close(probe);
		if (loss.how == how)
			break;
	}
	assert_int_equal(disk_cut_power(d, from, &loss), 0);
	return loss;
}

static void test_reads_see_what_no_flush_has_made_durable(void **state)
{
	put(*state, 3, 2, 7);
	assert_int_equal(seen(*state, 4), 7);
	assert_int_equal(behind(4), 0);
	assert_int_equal(disk_flush(*state), 0);
	assert_int_equal(behind(4), 7);
}

static void test_a_cut_loses_what_was_not_flushed_and_nothing_else(void **state)
{
	struct disk_loss loss;

	put(*state, 1, 1, 1);
	assert_int_equal(disk_flush(*state), 0);
	put(*state, 1, 1, 2);
	put(*state, 2, 1, 2);
	loss = cut(*state, CUT_NONE, 1);
	assert_int_equal(loss.requests, 2);
	assert_int_equal(loss.dropped, 2);
	assert_int_equal(behind(1), 1);
	assert_int_equal(behind(2), 0);
}

static void test_a_disk_may_also_have_written_all(void **state)
{
	put(*state, 1, 1, 1);
	put(*state, 1, 1, 2);
	assert_int_equal(cut(*state, CUT_ALL, 1).dropped, 0);
	assert_int_equal(behind(1), 2);
}

static void test_a_request_of_the_random_half_is_whole(void **state)
{
	bool kept = false, lost = false;

	for (unsigned i = 0; i < 8; i++)
		put(*state, i * 8, 8, 9);
	cut(*state, CUT_REQUESTS, 1);
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 1; j < 8; j++)
			assert_int_equal(behind(i * 8 + j), behind(i * 8));
		kept |= behind(i * 8) == 9;
		lost |= behind(i * 8) == 0;
	}
	assert_true(kept && lost);
}

static void test_a_request_can_be_torn_into_blocks(void **state)
{
	unsigned kept = 0;

	put(*state, 0, BLOCKS, 9);
	cut(*state, CUT_BLOCKS, 1);
	for (unsigned i = 0; i < BLOCKS; i++)
		kept += behind(i) == 9;
	assert_true(kept > 0 && kept < BLOCKS);
}

static void test_a_prefix_keeps_the_order_of_the_writes(void **state)
{
	unsigned end = 0;

	for (unsigned i = 0; i < BLOCKS; i++)
		put(*state, i, 1, 9);
	cut(*state, CUT_PREFIX, 5);
	while (end < BLOCKS && behind(end) == 9)
		end++;
	for (unsigned i = end; i < BLOCKS; i++)
		assert_int_equal(behind(i), 0);
}

static void test_a_part_of_a_block_keeps_the_rest_of_it(void **state)
{
	put(*state, 5, 1, 1);
	assert_int_equal(disk_write(*state, "\x02", 1, 5 * DISK_BLOCK + 100), 0);
	assert_int_equal(disk_flush(*state), 0);
	assert_int_equal(behind(5), 1);
	assert_int_equal(disk_zero(*state, DISK_BLOCK, 5 * DISK_BLOCK), 0);
	assert_int_equal(seen(*state, 5), 0);
}

static void test_beyond_the_end_is_refused(void **state)
{
	assert_true(disk_write(*state, "x", 1, BLOCKS * DISK_BLOCK) < 0);
	assert_true(disk_zero(*state, UINT64_MAX, 1) < 0);
	assert_true(disk_read(*state, path, 2, BLOCKS * DISK_BLOCK - 1) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads_see_what_no_flush_has_made_durable,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_cut_loses_what_was_not_flushed_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_disk_may_also_have_written_all, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_request_of_the_random_half_is_whole, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_request_can_be_torn_into_blocks, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_prefix_keeps_the_order_of_the_writes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_part_of_a_block_keeps_the_rest_of_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_beyond_the_end_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
