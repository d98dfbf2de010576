/*
 * seal - the vault at rest: one file, authenticated as a whole, replaced atomically
 *
 * The file is the LUKS2 image as it is, followed by one footer of 4096 bytes that LUKS ignores, so
 * that plain "cryptsetup open" works on it:
 *
 *	image		image_bytes bytes; blocks of zeros may be holes
 *	struct seal_footer, then zeros up to SEAL_FOOTER_BYTES
 *
 * mac is BLAKE2b-256 (crypto_generichash), keyed with the seal key, over each maximal run (of at
 * most 1 MiB) of 4096-byte blocks of the image that are not all zero (its offset and length as two
 *little-endian 64-bit numbers, then its bytes), then over the footer's fields before mac. Holes and
 *blocks of zeros are the same thing, so a copy that fills the holes still verifies.
 *
 * The seal key is derived from the volume key (crypto_kdf): who can open the vault can seal it.
 */
#ifndef TAZ_ENCLAVE_SEAL_H
#define TAZ_ENCLAVE_SEAL_H

#include <stdint.h>

#include "enclave/base/secret.h"
#include "enclave/keybox.h"

#define SEAL_FOOTER_BYTES 4096
#define SEAL_VERSION	  1

struct seal_footer {
	char magic[8]; /* "tazseal", NUL */
	uint32_t version;
	uint32_t footer_bytes; /* SEAL_FOOTER_BYTES */
	uint64_t generation;   /* grows by one with every save, from 1 */
	uint64_t image_bytes;
	uint8_t mac[32];
};

/* seal_derive_key - the seal key of a volume key, into the keybox. Returns 0 or -EINVAL. */
int seal_derive_key(const struct secret *volume_key, struct keybox *ret);

/*
 * seal_read_footer - what the file says of itself; nothing is authenticated yet
 * Returns 0, or -EBADMSG when it is no whole sealed vault (cut short, grown, another format),
 * -errno.
 */
int seal_read_footer(int file, struct seal_footer *ret);

/* seal_load - copy the image part of @file into @image (at its size, empty). 0 or -errno. */
int seal_load(int file, const struct seal_footer *footer, int image);

/*
 * seal_verify - is @image what was sealed under @footer with this key?
 * Returns 0, -EBADMSG when it is not, -errno.
 */
int seal_verify(int image, const struct seal_footer *footer, const uint8_t key[SEAL_KEY_BYTES]);

/*
 * seal_write - begin a save: write image and footer into a new, temporary file
 * @dir: the vault's directory; @name: the sealed file's name in it
 * @at_least: the generation will be above this one, and above that of the file that is there
 * @ret_generation: the new one
 *
 * Returns a descriptor of the temporary file, to be given to seal_commit(), or -errno (-ENOSPC).
 * The image may change again when this returns.
 */
int seal_write(int dir, const char *name, int image, const uint8_t key[SEAL_KEY_BYTES],
	       uint64_t at_least, uint64_t *ret_generation);

/*
 * seal_commit - make it durable and put it in the old one's place
 * Returns 0 or -errno; then the old file is still there, untouched.
 */
int seal_commit(int dir, const char *name, int file);

#endif
