#include "tests/sealer_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "enclave/base/fd.h"

struct fixture f;

void fill(uint64_t at, size_t bytes, unsigned seed)
{
	static uint32_t block[SEAL_BLOCK_BYTES / 4];

	for (uint64_t end = at + bytes; at < end; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block) / 4; i++)
			block[i] = (seed = seed * 1664525 + 1013904223);
		assert_int_equal(pwrite(f.image, block, sizeof(block), at), sizeof(block));
	}
}

void new_sealer(const struct seal_origin *maybe)
{
	struct seal_origin origin[2] = { f.origin };
	const struct sealer_told told = { 0 };

	if (maybe)
		origin[1] = *maybe;
	sealer_free(f.sealer);
	assert_int_equal(sealer_new(f.dir, NAME, f.image, f.key, origin, &told, &f.sealer), 0);
}

void make(size_t image_bytes)
{
	f = (struct fixture){ .path = "/tmp/test-sealer-XXXXXX" };
	assert_non_null(mkdtemp(f.path));
	f.dir = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f.image = memfd_create("image", MFD_CLOEXEC); /* a tmpfs file, as the vault's */
	assert_int_equal(ftruncate(f.image, image_bytes), 0);
	memset(f.key, 7, sizeof(f.key));
	new_sealer(NULL);
}

int setup(void **state)
{
	make(IMAGE);
	fill(0, MIB, 1);
	fill(DATA_AT, DATA, 2);
	return 0;
}

int teardown(void **state)
{
	sealer_free(f.sealer);
	f.sealer = NULL;
	unlinkat(f.dir, NAME, 0);
	unlinkat(f.dir, "other", 0);
	assert_int_equal(rmdir(f.path), 0); /* no temporary file is left */
	close(f.image);
	close(f.dir);
	return 0;
}

int try_save(void)
{
	int r = sealer_prepare(f.sealer);

	if (r == 0)
		r = sealer_copy(f.sealer);
	return r < 0 ? r : sealer_commit(f.sealer, &f.origin, &f.cost);
}

void save(void)
{
	assert_int_equal(try_save(), 0);
}

int load(struct seal_footer *footer, int *ret_image)
{
	autoclose int file = openat(f.dir, NAME, O_RDONLY | O_CLOEXEC);
	autoclose int image = memfd_create("loaded", MFD_CLOEXEC);
	int r = file < 0 ? -errno : seal_read_footer(file, footer);

	if (r == 0 && ftruncate(image, footer->image_bytes) < 0)
		r = -errno;
	if (r == 0)
		r = seal_load(file, footer, image);
	if (r == 0)
		r = seal_verify(footer, f.key);
	if (r == 0 && ret_image)
		*ret_image = take_fd(&image);
	return r;
}

unsigned names_in_dir(void)
{
	autoclose int fd = openat(f.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	static char buf[32768];
	ssize_t n, at = 0;
	unsigned count = 0;

	n = getdents64(fd, buf, sizeof(buf));
	assert_true(n > 0);
	for (; at < n; at += ((struct dirent64 *)(buf + at))->d_reclen)
		count++;
	return count - 2;
}
