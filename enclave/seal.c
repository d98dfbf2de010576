#include "enclave/seal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

static const uint8_t for_chunk[crypto_generichash_blake2b_PERSONALBYTES] = "taz-seal-chunk";
static const uint8_t for_sum[crypto_generichash_blake2b_PERSONALBYTES] = "taz-seal-sum";
static const uint8_t for_mac[crypto_generichash_blake2b_PERSONALBYTES] = "taz-seal-mac";
static const uint8_t for_footer[crypto_generichash_blake2b_PERSONALBYTES] = "taz-seal-footer";
static const uint8_t zeros[SEAL_BLOCK_BYTES];

_Static_assert(SEAL_KEY_BYTES == crypto_kdf_BYTES_MIN * 2, "a 256-bit key");
_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "the footer is written as it is in memory");
_Static_assert(sizeof(struct seal_footer) == 184, "no padding: every byte of it is defined");

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

struct seal_origin seal_origin_of(const struct seal_footer *footer)
{
	struct seal_origin o = { .generation = footer->generation };

	memcpy(o.vault_id, footer->vault_id, sizeof(o.vault_id));
	memcpy(o.mac, footer->mac, sizeof(o.mac));
	return o;
}

bool seal_is_zero(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i += SEAL_BLOCK_BYTES)
		if (memcmp(data + i, zeros, SEAL_BLOCK_BYTES))
			return false;
	return true;
}

/* --- checksum and mac ------------------------------------------------------------------------ */

/* @key NULL: unkeyed */
static void hash_init(crypto_generichash_blake2b_state *h, const uint8_t *key, const uint8_t *what)
{
	crypto_generichash_blake2b_init_salt_personal(h, key, key ? SEAL_KEY_BYTES : 0,
						      SEAL_HASH_BYTES, NULL, what);
}

void seal_hash(const uint8_t *data, size_t size, uint8_t ret[SEAL_HASH_BYTES])
{
	crypto_generichash_blake2b_state h;

	hash_init(&h, NULL, for_chunk);
	crypto_generichash_blake2b_update(&h, data, size);
	crypto_generichash_blake2b_final(&h, ret, SEAL_HASH_BYTES);
}

static void sum_begin(crypto_generichash_blake2b_state *h, const struct seal_footer *footer)
{
	hash_init(h, NULL, for_sum);
	crypto_generichash_blake2b_update(h, (const uint8_t *)footer,
					  offsetof(struct seal_footer, checksum));
}

static void sum_add(crypto_generichash_blake2b_state *h, uint64_t index,
		    const uint8_t hash[SEAL_HASH_BYTES])
{
	crypto_generichash_blake2b_update(h, (const uint8_t *)&index, sizeof(index));
	crypto_generichash_blake2b_update(h, hash, SEAL_HASH_BYTES);
}

static void mac_of(const struct seal_footer *footer, const uint8_t key[SEAL_KEY_BYTES],
		   uint8_t ret[SEAL_HASH_BYTES])
{
	crypto_generichash_blake2b_state h;

	hash_init(&h, key, for_mac);
	crypto_generichash_blake2b_update(&h, (const uint8_t *)footer,
					  offsetof(struct seal_footer, mac));
	crypto_generichash_blake2b_final(&h, ret, SEAL_HASH_BYTES);
	secret_wipe(&h, sizeof(h));
}

static void sum_footer(const struct seal_footer *footer, uint8_t ret[SEAL_HASH_BYTES])
{
	crypto_generichash_blake2b_state h;

	hash_init(&h, NULL, for_footer);
	crypto_generichash_blake2b_update(&h, (const uint8_t *)footer,
					  offsetof(struct seal_footer, footer_sum));
	crypto_generichash_blake2b_final(&h, ret, SEAL_HASH_BYTES);
}

/* The last two of a footer whose checksum is there. */
static void close_footer(struct seal_footer *footer, const uint8_t key[SEAL_KEY_BYTES])
{
	mac_of(footer, key, footer->mac);
	sum_footer(footer, footer->footer_sum);
}

void seal_mac(struct seal_footer *footer, const uint8_t key[SEAL_KEY_BYTES], uint64_t n_chunks,
	      const uint8_t *(*hash)(void *arg, uint64_t index), void *arg)
{
	crypto_generichash_blake2b_state h;

	sum_begin(&h, footer);
	for (uint64_t i = 0; i < n_chunks; i++) {
		const uint8_t *one = hash(arg, i);

		if (one)
			sum_add(&h, i, one);
	}
	crypto_generichash_blake2b_final(&h, footer->checksum, SEAL_HASH_BYTES);
	close_footer(footer, key);
}

/* --- walking an image: each chunk that is not all zero, in order ----------------------------- */

struct walk {
	int (*chunk)(void *arg, uint64_t index, const uint8_t *data, size_t size);
	void *arg;
	uint8_t *buf; /* SEAL_CHUNK_BYTES */
};

static int walk_chunk(const struct walk *w, int fd, uint64_t index, uint64_t bytes)
{
	uint64_t at = index * SEAL_CHUNK_BYTES;
	size_t want = bytes - at < SEAL_CHUNK_BYTES ? bytes - at : SEAL_CHUNK_BYTES;
	ssize_t n = io_pread_full(fd, w->buf, want, at);

	if (n < 0)
		return n;
	if ((size_t)n != want)
		return -EBADMSG;
	return seal_is_zero(w->buf, want) ? 0 : w->chunk(w->arg, index, w->buf, want);
}

/* The chunks that touch a data extent; the rest are holes. */
static int walk_image(const struct walk *w, int fd, uint64_t bytes)
{
	uint64_t next = 0; /* index of the first chunk that was not seen yet */
	int r = 0;

	while (r == 0 && next * SEAL_CHUNK_BYTES < bytes) {
		off_t data = lseek(fd, next * SEAL_CHUNK_BYTES, SEEK_DATA), hole;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if ((uint64_t)hole > bytes)
			hole = bytes;
		if ((uint64_t)data >= bytes)
			return 0;
		next = data / SEAL_CHUNK_BYTES;
		for (; r == 0 && next * SEAL_CHUNK_BYTES < (uint64_t)hole; next++)
			r = walk_chunk(w, fd, next, bytes);
	}
	return r;
}

static int walk(int fd, uint64_t bytes,
		int (*chunk)(void *arg, uint64_t index, const uint8_t *data, size_t size),
		void *arg)
{
	autofree uint8_t *buf = malloc(SEAL_CHUNK_BYTES);
	struct walk w = { .chunk = chunk, .arg = arg, .buf = buf };

	return buf ? walk_image(&w, fd, bytes) : -ENOMEM;
}

/* --- reading --------------------------------------------------------------------------------- */

int seal_read_footer(int file, struct seal_footer *ret)
{
	uint8_t sum[SEAL_HASH_BYTES];
	struct seal_footer f;
	int r = seal_footer_look(file, &f);

	if (r < 0)
		return r;
	sum_footer(&f, sum);
	if (memcmp(sum, f.footer_sum, sizeof(sum)))
		return -EBADMSG;
	*ret = f;
	return 0;
}

/* Blocks of zeros are left out: the image stays as small as what is in it. */
static int put_chunk(int fd, uint64_t index, const uint8_t *data, size_t size)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < size) {
		size_t end = at;

		while (end < size && !seal_is_zero(data + end, SEAL_BLOCK_BYTES))
			end += SEAL_BLOCK_BYTES;
		if (end > at)
			r = io_pwrite_full(fd, data + at, end - at, index * SEAL_CHUNK_BYTES + at);
		at = end > at ? end : at + SEAL_BLOCK_BYTES;
	}
	return r;
}

struct copying {
	crypto_generichash_blake2b_state h;
	int to;
};

static int copy_chunk(void *arg, uint64_t index, const uint8_t *data, size_t size)
{
	struct copying *c = arg;
	uint8_t hash[SEAL_HASH_BYTES];

	seal_hash(data, size, hash);
	sum_add(&c->h, index, hash);
	return put_chunk(c->to, index, data, size);
}

/* Copies the image part of @from, and hashes what it copies. */
static int copy_image(int from, const struct seal_footer *footer, int to,
		      uint8_t checksum[SEAL_HASH_BYTES])
{
	struct copying c = { .to = to };
	int r;

	sum_begin(&c.h, footer);
	r = walk(from, footer->image_bytes, copy_chunk, &c);
	crypto_generichash_blake2b_final(&c.h, checksum, SEAL_HASH_BYTES);
	return r;
}

int seal_load(int file, const struct seal_footer *footer, int image)
{
	uint8_t checksum[SEAL_HASH_BYTES];
	int r = copy_image(file, footer, image, checksum);

	if (r < 0)
		return r;
	return memcmp(checksum, footer->checksum, sizeof(checksum)) ? -EBADMSG : 0;
}

int seal_verify(const struct seal_footer *footer, const uint8_t key[SEAL_KEY_BYTES])
{
	uint8_t mac[SEAL_HASH_BYTES];

	mac_of(footer, key, mac);
	return crypto_verify_32(mac, footer->mac) == 0 ? 0 : -EBADMSG;
}

/* --- writing --------------------------------------------------------------------------------- */

struct seal_footer seal_next(const struct seal_origin *origin, uint64_t image_bytes,
			     uint64_t at_least)
{
	struct seal_footer f = { .version = SEAL_VERSION,
				 .footer_bytes = SEAL_FOOTER_BYTES,
				 .image_bytes = image_bytes,
				 .saved_at = time(NULL) };

	memcpy(f.magic, SEAL_MAGIC, sizeof(f.magic));
	f.generation = (origin->generation > at_least ? origin->generation : at_least) + 1;
	memcpy(f.vault_id, origin->vault_id, sizeof(f.vault_id));
	memcpy(f.parent_mac, origin->mac, sizeof(f.parent_mac));
	if (!memcmp(f.vault_id, zeros, sizeof(f.vault_id)))
		secret_random(f.vault_id, sizeof(f.vault_id));
	return f;
}

int seal_store(int file, int image, const uint8_t key[SEAL_KEY_BYTES], struct seal_footer *footer)
{
	int r;

	if (ftruncate(file, footer->image_bytes + SEAL_FOOTER_BYTES) < 0)
		return -errno;
	r = copy_image(image, footer, file, footer->checksum);
	close_footer(footer, key);
	return r < 0 ? r : io_pwrite_full(file, footer, sizeof(*footer), footer->image_bytes);
}
