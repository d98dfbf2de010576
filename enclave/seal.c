#include "enclave/seal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#define BLOCK  4096
#define BUFFER (1 << 20)

static const char magic[8] = "tazseal";
static const uint8_t zeros[BLOCK];

_Static_assert(SEAL_KEY_BYTES == crypto_kdf_BYTES_MIN * 2, "a 256-bit key");

int seal_derive_key(const struct secret *volume_key, struct keybox *ret)
{
	autosecret struct secret *master = secret_new(crypto_kdf_KEYBYTES);

	if (!master)
		return -ENOMEM;
	if (crypto_generichash(master->data, master->size, volume_key->data, volume_key->len, NULL,
			       0) != 0 ||
	    crypto_kdf_derive_from_key(ret->key, sizeof(ret->key), 1, "taz-seal", master->data) !=
		    0)
		return -EINVAL;
	ret->filled = 1;
	return 0;
}

/* --- walking an image: every maximal run of blocks that are not all zero ------------------- */

struct walk {
	crypto_generichash_state *hash; /* NULL: the key is not known yet */
	int copy_to;			/* where each block also goes, or -EBADF */
	uint64_t run_start, run_bytes;
	uint8_t *run; /* BUFFER bytes, from run_start */
};

/* A run's header holds its length, which is known at its end; a run longer than the buffer goes on
 * in another one, cut BUFFER bytes after its start, which depends on nothing but the contents. */
static int end_run(struct walk *w)
{
	uint64_t head[2] = { htole64(w->run_start), htole64(w->run_bytes) };
	int r = 0;

	if (!w->run_bytes)
		return 0;
	if (w->hash) {
		crypto_generichash_update(w->hash, (const uint8_t *)head, sizeof(head));
		crypto_generichash_update(w->hash, w->run, w->run_bytes);
	}
	if (w->copy_to >= 0)
		r = io_pwrite_full(w->copy_to, w->run, w->run_bytes, w->run_start);
	w->run_bytes = 0;
	return r;
}

static int add_block(struct walk *w, uint64_t at, const uint8_t *block)
{
	int r = 0;

	if (!memcmp(block, zeros, BLOCK))
		return end_run(w);
	if (w->run_bytes == BUFFER || (w->run_bytes && at != w->run_start + w->run_bytes))
		r = end_run(w);
	if (!w->run_bytes)
		w->run_start = at;
	memcpy(w->run + w->run_bytes, block, BLOCK);
	w->run_bytes += BLOCK;
	return r;
}

static int walk_extent(struct walk *w, int image, uint64_t from, uint64_t to)
{
	autofree uint8_t *buf = malloc(BUFFER);

	if (!buf)
		return -ENOMEM;
	while (from < to) {
		size_t want = to - from < BUFFER ? to - from : BUFFER;
		ssize_t n = io_pread_full(image, buf, want, from);
		int r = 0;

		if (n < 0)
			return n;
		if ((size_t)n != want)
			return -EBADMSG;
		for (size_t i = 0; i < want && r == 0; i += BLOCK)
			r = add_block(w, from + i, buf + i);
		if (r < 0)
			return r;
		from += want;
	}
	return 0;
}

/* Data extents only; their ends are widened to whole blocks. */
static int walk_image(struct walk *w, int image, uint64_t bytes)
{
	uint64_t at = 0;

	while (at < bytes) {
		off_t data = lseek(image, at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			return -errno;
		hole = lseek(image, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		data -= data % BLOCK;
		hole += (BLOCK - hole % BLOCK) % BLOCK;
		if ((uint64_t)data >= bytes)
			break;
		r = walk_extent(w, image, data, (uint64_t)hole < bytes ? (uint64_t)hole : bytes);
		if (r < 0)
			return r;
		at = hole;
	}
	return end_run(w);
}

/* Hashes (and copies, when @copy_to is a descriptor) the image; @mac covers @footer's fields too.
 */
static int mac_image(int image, const struct seal_footer *footer, const uint8_t *key, int copy_to,
		     uint8_t mac[32])
{
	autofree uint8_t *run = malloc(BUFFER);
	crypto_generichash_state hash;
	struct walk w = { .hash = &hash, .copy_to = copy_to, .run = run };
	int r;

	if (!run)
		return -ENOMEM;
	crypto_generichash_init(&hash, key, SEAL_KEY_BYTES, 32);
	r = walk_image(&w, image, footer->image_bytes);
	crypto_generichash_update(&hash, (const uint8_t *)footer,
				  offsetof(struct seal_footer, mac));
	crypto_generichash_final(&hash, mac, 32);
	secret_wipe(&hash, sizeof(hash));
	return r;
}

/* --- reading --------------------------------------------------------------------------------- */

int seal_read_footer(int file, struct seal_footer *ret)
{
	struct seal_footer f;
	struct stat st;
	ssize_t n;

	if (fstat(file, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= SEAL_FOOTER_BYTES || st.st_size % BLOCK)
		return -EBADMSG;
	n = io_pread_full(file, &f, sizeof(f), st.st_size - SEAL_FOOTER_BYTES);
	if (n < 0)
		return n;
	if (n != sizeof(f) || memcmp(f.magic, magic, sizeof(magic)) || f.version != SEAL_VERSION ||
	    f.footer_bytes != SEAL_FOOTER_BYTES ||
	    f.image_bytes != (uint64_t)st.st_size - SEAL_FOOTER_BYTES)
		return -EBADMSG;
	*ret = f;
	return 0;
}

int seal_load(int file, const struct seal_footer *footer, int image)
{
	autofree uint8_t *run = malloc(BUFFER);
	struct walk w = { .copy_to = image, .run = run };

	if (!run)
		return -ENOMEM;
	return walk_image(&w, file, footer->image_bytes);
}

int seal_verify(int image, const struct seal_footer *footer, const uint8_t key[SEAL_KEY_BYTES])
{
	uint8_t mac[32];
	int r = mac_image(image, footer, key, -EBADF, mac);

	if (r < 0)
		return r;
	return crypto_verify_32(mac, footer->mac) == 0 ? 0 : -EBADMSG;
}

/* --- writing --------------------------------------------------------------------------------- */

static int temp_name(const char *name, char *buf, size_t size)
{
	int n = snprintf(buf, size, ".%s.new", name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static uint64_t generation_there(int dir, const char *name)
{
	autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct seal_footer footer = { 0 };

	return fd >= 0 && seal_read_footer(fd, &footer) == 0 ? footer.generation : 0;
}

static int write_all(int file, int image, const uint8_t *key, struct seal_footer *footer)
{
	int r;

	if (ftruncate(file, footer->image_bytes + SEAL_FOOTER_BYTES) < 0)
		return -errno;
	r = mac_image(image, footer, key, file, footer->mac);
	return r < 0 ? r : io_pwrite_full(file, footer, sizeof(*footer), footer->image_bytes);
}

int seal_write(int dir, const char *name, int image, const uint8_t key[SEAL_KEY_BYTES],
	       uint64_t at_least, uint64_t *ret_generation)
{
	struct seal_footer footer = { .version = SEAL_VERSION, .footer_bytes = SEAL_FOOTER_BYTES };
	autoclose int fd = -EBADF;
	char temp[NAME_MAX + 1];
	uint64_t there;
	struct stat st;
	int r = temp_name(name, temp, sizeof(temp));

	if (r < 0)
		return r;
	if (fstat(image, &st) < 0)
		return -errno;
	there = generation_there(dir, name);
	memcpy(footer.magic, magic, sizeof(magic));
	footer.generation = (there > at_least ? there : at_least) + 1;
	footer.image_bytes = st.st_size;
	if (unlinkat(dir, temp, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, image, key, &footer);
	if (r < 0) {
		unlinkat(dir, temp, 0);
		return r;
	}
	*ret_generation = footer.generation;
	return take_fd(&fd);
}

int seal_commit(int dir, const char *name, int file)
{
	char temp[NAME_MAX + 1];
	int r = temp_name(name, temp, sizeof(temp));

	if (r < 0)
		return r;
	if (fsync(file) < 0 || renameat(dir, temp, dir, name) < 0) {
		r = -errno;
		unlinkat(dir, temp, 0);
		return r;
	}
	return fsync(dir) < 0 ? -errno : 0;
}
