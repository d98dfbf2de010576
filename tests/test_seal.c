#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/secret.h"
#include "enclave/sealer.h"

#define IMAGE (8 << 20)
#define NAME  "vault.luks"

struct fixture {
	char path[64];
	int dir, image;
	uint8_t key[SEAL_KEY_BYTES];
};

/* An image with data at its start, a run longer than the copy's buffer, an island, and holes. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	static uint8_t data[3 << 20];

	strcpy(f->path, "/tmp/test-seal-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->image = openat(f->dir, "image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(f->image, IMAGE), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i * 31 + i / 4096 + (i >> 20); /* no two blocks are alike */
	assert_int_equal(pwrite(f->image, data, 4096, 0), 4096);
	assert_int_equal(pwrite(f->image, data, sizeof(data), 1 << 20), sizeof(data));
	assert_int_equal(pwrite(f->image, data, 4096, 6 << 20), 4096);
	memset(f->key, 7, sizeof(f->key));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlinkat(f->dir, NAME, 0);
	unlinkat(f->dir, "image", 0);
	unlinkat(f->dir, "loaded", 0);
	assert_int_equal(rmdir(f->path), 0); /* no temporary file is left */
	close(f->image);
	close(f->dir);
	free(f);
	return 0;
}

static struct seal_origin save_over(struct fixture *f, struct seal_origin origin)
{
	const struct seal_origin origins[2] = { origin };
	const struct sealer_told told = { 0 };
	struct sealer_cost cost;
	struct sealer *sealer;

	assert_int_equal(sealer_new(f->dir, NAME, f->image, f->key, origins, &told, &sealer), 0);
	assert_int_equal(sealer_copy(sealer), 0);
	assert_int_equal(sealer_commit(sealer, &origin, &cost), 0);
	sealer_free(sealer);
	return origin;
}

/* The first save of a vault. */
static void save(struct fixture *f)
{
	unlinkat(f->dir, NAME, 0);
	save_over(f, (struct seal_origin){ 0 });
}

/* Loads and verifies as an unlock does: -EBADMSG is damage, -EACCES another key's seal. */
static int load(struct fixture *f, const uint8_t *key)
{
	autoclose int file = openat(f->dir, NAME, O_RDONLY | O_CLOEXEC);
	autoclose int image =
		openat(f->dir, "loaded", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct seal_footer footer;
	int r = seal_read_footer(file, &footer);

	if (r < 0)
		return r;
	assert_int_equal(ftruncate(image, footer.image_bytes), 0);
	r = seal_load(file, &footer, image);
	if (r < 0)
		return r;
	return seal_verify(&footer, key) == 0 ? 0 : -EACCES;
}

static void flip(struct fixture *f, off_t at)
{
	autoclose int fd = openat(f->dir, NAME, O_RDWR | O_CLOEXEC);
	uint8_t b;

	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x10;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
}

static void test_what_is_saved_comes_back_and_verifies(void **state)
{
	struct fixture *f = *state;
	static uint8_t a[IMAGE], b[IMAGE];
	autoclose int loaded = -EBADF;

	save(f);
	assert_int_equal(load(f, f->key), 0);
	loaded = openat(f->dir, "loaded", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(f->image, a, IMAGE, 0), IMAGE);
	assert_int_equal(pread(loaded, b, IMAGE, 0), IMAGE);
	assert_memory_equal(a, b, IMAGE);
}

static void test_the_file_is_as_sparse_as_the_image(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	save(f);
	assert_int_equal(fstatat(f->dir, NAME, &st, 0), 0);
	assert_int_equal(st.st_size, IMAGE + SEAL_FOOTER_BYTES);
	assert_true(st.st_blocks * 512 < (4 << 20));
}

static void test_another_key_does_not_verify(void **state)
{
	struct fixture *f = *state;
	uint8_t other[SEAL_KEY_BYTES];

	memset(other, 8, sizeof(other));
	save(f);
	assert_int_equal(load(f, other), -EACCES);
}

static const uint8_t *hash_of(void *arg, uint64_t index);

/* Who has not the key can make every sum right, and not the mac. */
static void test_a_change_with_right_checksums_is_found_by_the_mac(void **state)
{
	struct fixture *f = *state;
	autoclose int fd = -EBADF;
	uint8_t guess[SEAL_KEY_BYTES] = { 0 };
	struct seal_footer footer;

	save(f);
	fd = openat(f->dir, NAME, O_RDWR | O_CLOEXEC);
	assert_int_equal(seal_read_footer(fd, &footer), 0);
	assert_int_equal(pwrite(f->image, "changed", 7, 0), 7);
	assert_int_equal(pwrite(fd, "changed", 7, 0), 7);
	seal_mac(&footer, guess, IMAGE / SEAL_CHUNK_BYTES, hash_of, f);
	assert_int_equal(pwrite(fd, &footer, sizeof(footer), IMAGE), sizeof(footer));
	assert_int_equal(load(f, f->key), -EACCES);
}

static void test_a_flipped_bit_anywhere_is_found(void **state)
{
	static const off_t places[] = { 0,	 4095,	    (1 << 20) + 5, (2 << 20) + 77,
					6 << 20, (5 << 20), IMAGE - 1 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		save(f);
		flip(f, places[i]);
		assert_int_equal(load(f, f->key), -EBADMSG);
	}
}

/* Every checksum of the file made right again, as who has not the key can. */
static void make_sums_right(struct fixture *f, const struct seal_footer *was)
{
	autoclose int fd = openat(f->dir, NAME, O_RDWR | O_CLOEXEC);
	uint8_t guess[SEAL_KEY_BYTES] = { 0 };
	struct seal_footer footer = *was;
	struct fixture file = { .image = fd }; /* hash_of() reads what is in the file */

	seal_mac(&footer, guess, IMAGE / SEAL_CHUNK_BYTES, hash_of, &file);
	assert_int_equal(pwrite(fd, &footer, sizeof(footer), IMAGE), sizeof(footer));
}

static void put_footer(struct fixture *f, const struct seal_footer *footer)
{
	autoclose int fd = openat(f->dir, NAME, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, footer, sizeof(*footer), IMAGE), sizeof(*footer));
}

/* ATTACKS A8; 37 and the number of sectors have no common factor: no sector comes twice. */
static void test_a_bit_flipped_in_each_of_200_sectors_is_refused(void **state)
{
	struct fixture *f = *state;
	struct seal_footer footer;
	int damaged = 0, tampered = 0;

	save(f);
	{
		autoclose int fd = openat(f->dir, NAME, O_RDONLY | O_CLOEXEC);

		assert_int_equal(seal_read_footer(fd, &footer), 0);
	}
	for (off_t i = 0; i < 200; i++) {
		off_t at = (i * 37) % (IMAGE / 4096) * 4096 + (i * 1021) % 4096;

		flip(f, at);
		damaged += load(f, f->key) == -EBADMSG;
		make_sums_right(f, &footer);
		tampered += load(f, f->key) == -EACCES;
		flip(f, at);
		put_footer(f, &footer);
	}
	assert_int_equal(load(f, f->key), 0);
	assert_int_equal(damaged, 200);
	assert_int_equal(tampered, 200);
	print_message("# a bit flipped in each of 200 sectors: %d refused as damaged; with every "
		      "checksum made right: %d refused as tampered with\n",
		      damaged, tampered);
}

static void test_a_flipped_bit_in_any_byte_of_the_footer_is_found(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < SEAL_FOOTER_BYTES; i += i < sizeof(struct seal_footer) ? 1 : 97) {
		save(f);
		flip(f, IMAGE + i);
		assert_int_equal(load(f, f->key), -EBADMSG);
	}
}

static void test_a_vault_keeps_its_id_and_each_file_names_the_one_before(void **state)
{
	struct fixture *f = *state;
	struct seal_origin origin = { 0 };
	uint8_t id[SEAL_ID_BYTES], none[SEAL_ID_BYTES] = { 0 };

	for (uint64_t i = 1; i < 4; i++) {
		struct seal_origin next = save_over(f, origin);
		autoclose int fd = openat(f->dir, NAME, O_RDONLY | O_CLOEXEC);
		struct seal_footer footer;

		assert_int_equal(seal_read_footer(fd, &footer), 0);
		if (i == 1)
			memcpy(id, footer.vault_id, sizeof(id));
		assert_memory_equal(footer.vault_id, id, sizeof(id));
		assert_memory_equal(footer.parent_mac, origin.mac, sizeof(origin.mac));
		assert_memory_equal(footer.mac, next.mac, sizeof(next.mac));
		assert_int_equal(footer.generation, i);
		assert_true(footer.saved_at > 1700000000);
		origin = next;
	}
	assert_memory_not_equal(id, none, sizeof(id));
}

/* The chunks' hashes are all that the mac needs: a saver that keeps them reads nothing again. */
static const uint8_t *hash_of(void *arg, uint64_t index)
{
	struct fixture *f = arg;
	static uint8_t buf[SEAL_CHUNK_BYTES], hash[SEAL_HASH_BYTES];

	assert_int_equal(pread(f->image, buf, sizeof(buf), index * sizeof(buf)), sizeof(buf));
	if (seal_is_zero(buf, sizeof(buf)))
		return NULL;
	seal_hash(buf, sizeof(buf), hash);
	return hash;
}

static void test_the_mac_follows_from_the_hashes_of_the_chunks(void **state)
{
	struct fixture *f = *state;
	struct seal_footer footer, again;
	autoclose int fd = -EBADF;

	save(f);
	fd = openat(f->dir, NAME, O_RDONLY | O_CLOEXEC);
	assert_int_equal(seal_read_footer(fd, &footer), 0);
	again = footer;
	memset(again.mac, 0, sizeof(again.mac));
	seal_mac(&again, f->key, IMAGE / SEAL_CHUNK_BYTES, hash_of, f);
	assert_memory_equal(again.mac, footer.mac, sizeof(footer.mac));
}

static void test_swapped_blocks_are_found(void **state)
{
	struct fixture *f = *state;
	uint8_t a[4096], b[4096];
	autoclose int fd = -EBADF;

	save(f);
	fd = openat(f->dir, NAME, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, a, 4096, 1 << 20), 4096);
	assert_int_equal(pread(fd, b, 4096, 2 << 20), 4096);
	assert_int_equal(pwrite(fd, b, 4096, 1 << 20), 4096);
	assert_int_equal(pwrite(fd, a, 4096, 2 << 20), 4096);
	assert_int_equal(load(f, f->key), -EBADMSG);
}

static void test_a_file_that_was_cut_or_grown_is_no_vault(void **state)
{
	static const off_t sizes[] = { 0, 100, 4096, IMAGE, IMAGE + 4095, IMAGE + 8192 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		autoclose int fd = -EBADF;

		save(f);
		fd = openat(f->dir, NAME, O_RDWR | O_CLOEXEC);
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		assert_int_equal(load(f, f->key), -EBADMSG);
	}
}

static void test_a_copy_whose_holes_were_filled_still_verifies(void **state)
{
	struct fixture *f = *state;
	autoclose int fd = -EBADF;
	char zeros[4096] = { 0 };

	save(f);
	fd = openat(f->dir, NAME, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 5 << 20), sizeof(zeros));
	assert_int_equal(load(f, f->key), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_saved_comes_back_and_verifies, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_the_file_is_as_sparse_as_the_image, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_another_key_does_not_verify, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_change_with_right_checksums_is_found_by_the_mac, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_bit_flipped_in_each_of_200_sectors_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_flipped_bit_anywhere_is_found, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_a_flipped_bit_in_any_byte_of_the_footer_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_vault_keeps_its_id_and_each_file_names_the_one_before, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_the_mac_follows_from_the_hashes_of_the_chunks,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_swapped_blocks_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_was_cut_or_grown_is_no_vault,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_copy_whose_holes_were_filled_still_verifies,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
