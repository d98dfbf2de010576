#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "tests/sealer_fixture.h"

static uint8_t *map_all(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void assert_file_is_image(uint64_t generation)
{
	autoclose int loaded = -EBADF;
	struct seal_footer footer;
	uint8_t *a, *b;

	assert_int_equal(load(&footer, &loaded), 0);
	assert_int_equal(footer.generation, generation);
	a = map_all(f.image, IMAGE);
	b = map_all(loaded, IMAGE);
	assert_int_equal(memcmp(a, b, IMAGE), 0);
	munmap(a, IMAGE);
	munmap(b, IMAGE);
}

static uint64_t room(void)
{
	struct stat st;

	assert_int_equal(fstatat(f.dir, NAME, &st, 0), 0);
	return st.st_blocks * 512;
}

static void test_each_save_is_the_image_whatever_has_changed(void **state)
{
	save();
	assert_file_is_image(1);
	assert_true(room() < DATA + 2 * MIB);
	for (unsigned i = 2; i < 9; i++) {
		fill(DATA_AT + i * 3 * SEAL_BLOCK_BYTES, SEAL_BLOCK_BYTES, 100 + i);
		fill(40 * MIB + i * MIB, (i % 3) * 100 * SEAL_BLOCK_BYTES, i);
		assert_int_equal(fallocate(f.image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					   DATA_AT + i * MIB, 300 * 1024),
				 0);
		save();
		assert_file_is_image(i);
	}
}

static void test_a_small_change_costs_a_small_write(void **state)
{
	save();
	fill(DATA_AT, SEAL_BLOCK_BYTES, 50);
	save();
	for (unsigned i = 3; i < 6; i++) {
		fill(DATA_AT + i * MIB, SEAL_BLOCK_BYTES, i);
		save();
		/* Its own block, the one of the save before, and the footer. */
		assert_int_equal(f.cost.written_bytes, 3 * SEAL_BLOCK_BYTES);
		assert_false(f.cost.whole);
		assert_file_is_image(i);
	}
}

static void test_an_unchanged_image_is_no_new_generation(void **state)
{
	save();
	save();
	assert_true(f.cost.unchanged);
	assert_file_is_image(1);
	fill(0, SEAL_BLOCK_BYTES, 9);
	save();
	assert_false(f.cost.unchanged);
	assert_file_is_image(2);
}

static void test_what_changes_between_the_steps_is_in_the_save_or_not_as_it_should_be(void **state)
{
	autoclose int loaded = -EBADF;
	struct seal_footer footer;
	uint8_t a[SEAL_BLOCK_BYTES], b[SEAL_BLOCK_BYTES], was[SEAL_BLOCK_BYTES];

	assert_int_equal(sealer_prepare(f.sealer), 0);
	fill(DATA_AT, SEAL_BLOCK_BYTES, 61); /* in */
	assert_int_equal(pread(f.image, was, sizeof(was), DATA_AT + MIB), sizeof(was));
	assert_int_equal(sealer_copy(f.sealer), 0);
	fill(DATA_AT + MIB, SEAL_BLOCK_BYTES, 62); /* out */
	assert_int_equal(sealer_commit(f.sealer, &f.origin, &f.cost), 0);
	assert_int_equal(load(&footer, &loaded), 0);
	assert_int_equal(pread(f.image, a, sizeof(a), DATA_AT), sizeof(a));
	assert_int_equal(pread(loaded, b, sizeof(b), DATA_AT), sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(pread(loaded, b, sizeof(b), DATA_AT + MIB), sizeof(b));
	assert_memory_equal(was, b, sizeof(b));
	save();
	assert_file_is_image(2);
}

/* The lock takes over from a save that was under way. */
static void test_a_save_that_is_given_up_leaves_nothing_behind(void **state)
{
	save();
	fill(DATA_AT, MIB, 71);
	assert_int_equal(sealer_prepare(f.sealer), 0);
	assert_int_equal(sealer_copy(f.sealer), 0);
	fill(DATA_AT, MIB, 72); /* what was taken aside is torn by now */
	assert_int_equal(sealer_copy(f.sealer), 0);
	assert_int_equal(sealer_commit(f.sealer, &f.origin, &f.cost), 0);
	assert_file_is_image(2);
	assert_int_equal(sealer_commit(f.sealer, &f.origin, &f.cost), -EINVAL);
}

static void test_holes_of_the_image_stay_holes_of_the_image(void **state)
{
	struct stat st;

	fill(50 * MIB + SEAL_BLOCK_BYTES, SEAL_BLOCK_BYTES, 5); /* an island in a chunk */
	save();
	save();
	assert_int_equal(fstat(f.image, &st), 0);
	assert_int_equal(st.st_blocks * 512, DATA + MIB + SEAL_BLOCK_BYTES);
}

static void test_a_file_that_somebody_else_saved_is_not_overwritten(void **state)
{
	struct seal_origin ours;
	struct seal_footer footer;

	save();
	ours = f.origin;
	fill(DATA_AT, MIB, 81);
	save(); /* as the other host: it continues the same file */
	f.origin = ours;
	new_sealer(NULL);
	assert_int_equal(try_save(), -ESTALE);
	assert_int_equal(load(&footer, NULL), 0);
	assert_int_equal(footer.generation, 2);
	f.origin = (struct seal_origin){ 0 }; /* nor by a vault that was never saved */
	new_sealer(NULL);
	assert_int_equal(try_save(), -ESTALE);
	assert_int_equal(load(&footer, NULL), 0);
	assert_int_equal(footer.generation, 2);
}

static void test_what_a_sealer_that_died_had_put_in_place_is_known_as_ours(void **state)
{
	struct seal_origin before, after;

	save();
	before = f.origin;
	fill(DATA_AT, MIB, 91);
	save();
	after = f.origin;
	f.origin = before; /* all that its user had heard of */
	new_sealer(&after);
	fill(DATA_AT, MIB, 92);
	save();
	assert_file_is_image(3);
}

static void test_a_file_that_is_missing_is_written_again(void **state)
{
	save();
	fill(0, SEAL_BLOCK_BYTES, 4);
	assert_int_equal(unlinkat(f.dir, NAME, 0), 0);
	save();
	assert_file_is_image(2);
	fill(0, SEAL_BLOCK_BYTES, 5);
	save();
	assert_file_is_image(3);
}

static void test_a_generation_that_is_kept_as_a_hard_link_never_changes(void **state)
{
	struct seal_footer footer;

	save();
	assert_int_equal(linkat(f.dir, NAME, f.dir, "other", 0), 0);
	for (unsigned i = 2; i < 6; i++) {
		fill(DATA_AT + i * MIB, SEAL_BLOCK_BYTES, i);
		save();
		assert_file_is_image(i);
	}
	assert_int_equal(renameat(f.dir, "other", f.dir, NAME), 0);
	assert_int_equal(load(&footer, NULL), 0);
	assert_int_equal(footer.generation, 1);
}

static void test_a_spare_that_was_meddled_with_is_never_sealed_as_ours(void **state)
{
	struct seal_footer footer;

	for (unsigned i = 1; i < 4; i++) {
		fill(DATA_AT + i * MIB, SEAL_BLOCK_BYTES, i);
		save();
	}
	/* Generation 3 becomes the spare of 5. */
	{
		autoclose int fd = openat(f.dir, NAME, O_RDWR | O_CLOEXEC);

		assert_int_equal(pwrite(fd, "meddled", 7, DATA_AT + 9 * MIB), 7);
	}
	assert_int_equal(load(&footer, NULL), -EBADMSG);
	for (unsigned i = 4; i < 7; i++) {
		fill(DATA_AT + i * MIB, SEAL_BLOCK_BYTES, i);
		save();
		assert_file_is_image(i);
	}
}

static void test_spares_of_the_dead_are_removed_and_of_the_living_are_not(void **state)
{
	pid_t pid = fork();

	if (!pid) {
		save();
		fill(0, SEAL_BLOCK_BYTES, 3);
		save();
		_exit(names_in_dir() == 2 ? 0 : 1);
	} else {
		int status;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_int_equal(names_in_dir(), 2);
	sealer_clean(f.dir, NAME);
	assert_int_equal(names_in_dir(), 1);
	unlinkat(f.dir, NAME, 0);
	save();
	fill(0, SEAL_BLOCK_BYTES, 4);
	save();
	sealer_clean(f.dir, NAME);
	assert_int_equal(names_in_dir(), 2);
}

/* --- what it costs --------------------------------------------------------------------------- */

static double ms_since(uint64_t ns)
{
	return (io_boottime_ns() - ns) / 1e6;
}

static void test_the_cost_of_4_kib_is_printed(void **state)
{
	uint64_t start = io_boottime_ns();
	double whole_ms, copy_ms = 0, save_ms = 0;
	uint64_t whole, written = 0;

	save();
	whole_ms = ms_since(start);
	whole = f.cost.written_bytes;
	fill(0, SEAL_BLOCK_BYTES, 1);
	save();
	for (unsigned i = 0; i < 10; i++) {
		fill(DATA_AT + i * MIB, SEAL_BLOCK_BYTES, i + 3);
		start = io_boottime_ns();
		assert_int_equal(sealer_prepare(f.sealer), 0);
		save_ms += ms_since(start);
		start = io_boottime_ns();
		assert_int_equal(sealer_copy(f.sealer), 0);
		copy_ms += ms_since(start);
		assert_int_equal(sealer_commit(f.sealer, &f.origin, &f.cost), 0);
		save_ms += ms_since(start);
		written += f.cost.written_bytes;
	}
	printf("# save of 4 KiB in 11 MiB of data: whole %lu bytes %.1f ms, incremental %lu bytes "
	       "%.1f ms, of it the image still %.2f ms\n",
	       (unsigned long)whole, whole_ms, (unsigned long)written / 10, save_ms / 10,
	       copy_ms / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_each_save_is_the_image_whatever_has_changed),
		T(test_a_small_change_costs_a_small_write),
		T(test_an_unchanged_image_is_no_new_generation),
		T(test_what_changes_between_the_steps_is_in_the_save_or_not_as_it_should_be),
		T(test_a_save_that_is_given_up_leaves_nothing_behind),
		T(test_holes_of_the_image_stay_holes_of_the_image),
		T(test_a_file_that_somebody_else_saved_is_not_overwritten),
		T(test_what_a_sealer_that_died_had_put_in_place_is_known_as_ours),
		T(test_a_file_that_is_missing_is_written_again),
		T(test_a_generation_that_is_kept_as_a_hard_link_never_changes),
		T(test_a_spare_that_was_meddled_with_is_never_sealed_as_ours),
		T(test_spares_of_the_dead_are_removed_and_of_the_living_are_not),
		T(test_the_cost_of_4_kib_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
