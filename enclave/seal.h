/*
 * seal - the vault at rest: the format of the sealed file, reading and verifying it
 *
 * The file is the LUKS2 image as it is, followed by one footer of 4096 bytes that LUKS ignores, so
 * that plain "cryptsetup open" works on it:
 *
 *	image		image_bytes bytes; blocks of zeros may be holes
 *	struct seal_footer, then zeros up to SEAL_FOOTER_BYTES
 *
 * All numbers are little-endian. With B(what, bytes) = BLAKE2b-256, personalised with "taz-seal-"
 *what:
 *
 *	checksum = B("sum", the footer's fields before checksum,
 *		then (64-bit index, B("chunk", chunk)) of each chunk that is not all zero, in order)
 *	mac = B("mac", the footer's fields before mac), keyed with the seal key
 *	footer_sum = B("footer", the footer's fields before footer_sum)
 *
 * A chunk is SEAL_CHUNK_BYTES of the image (the last one may be shorter). So a saver that keeps the
 * chunks' hashes hashes only what has changed. Holes and zeros are the same thing, so a copy that
 * fills the holes still verifies. Every byte of the file is covered: the padding must be zeros.
 *
 * Anyone can make checksum and footer_sum: a wrong one says that bytes have changed since
 *(atrest.h: damaged). Only who has the key can make a mac: a wrong one under a right checksum says
 *that somebody who has it not wrote the file (tampered). BLAKE2b is collision-resistant, so the mac
 *over the checksum is one over the whole.
 *
 * The seal key is derived from the volume key (crypto_kdf): who can open the vault can seal it.
 * Version 1 (one hash over the whole image) was never in a release and is not read any more.
 */
#ifndef TAZ_ENCLAVE_SEAL_H
#define TAZ_ENCLAVE_SEAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "enclave/base/seal_footer.h"
#include "enclave/base/secret.h"
#include "enclave/keybox.h"

#define SEAL_CHUNK_BYTES 65536UL

/* What an image in RAM continues: the footer of the file it was loaded from or last saved as. All
 * zeros for a vault that was never saved. */
struct seal_origin {
	uint64_t generation;
	uint8_t vault_id[SEAL_ID_BYTES];
	uint8_t mac[SEAL_HASH_BYTES];
};

struct seal_origin seal_origin_of(const struct seal_footer *footer);

/* seal_derive_key - the seal key of a volume key, into the keybox. Returns 0 or -EINVAL. */
int seal_derive_key(const struct secret *volume_key, struct keybox *ret);

/*
 * seal_read_footer - what the file says of itself; nothing is authenticated yet
 * Returns 0, or -EBADMSG when it is no whole sealed vault (cut short, grown, another format, a
 * footer that is not what its footer_sum was made over), -errno.
 */
int seal_read_footer(int file, struct seal_footer *ret);

/*
 * seal_load - copy the image part of @file into @image (at its size, empty)
 * Returns 0, -EBADMSG when what was copied is not what the footer's checksum was made over, -errno.
 */
int seal_load(int file, const struct seal_footer *footer, int image);

/*
 * seal_verify - was @footer, and with its checksum the image that seal_load() copied, sealed with
 * this key? Returns 0, or -EBADMSG when it was not.
 */
int seal_verify(const struct seal_footer *footer, const uint8_t key[SEAL_KEY_BYTES]);

/* --- for those who write one (sealer.h) ------------------------------------------------------ */

/* seal_is_zero - are these blocks all zeros? @size is a multiple of SEAL_BLOCK_BYTES. */
bool seal_is_zero(const uint8_t *data, size_t size);

/* seal_hash - of one chunk */
void seal_hash(const uint8_t *data, size_t size, uint8_t ret[SEAL_HASH_BYTES]);

/*
 * seal_mac - fill in the footer's checksum, mac and footer_sum; every other field is filled
 * @hash: called for each index below @n_chunks; returns its hash, or NULL for a chunk of zeros
 */
void seal_mac(struct seal_footer *footer, const uint8_t key[SEAL_KEY_BYTES], uint64_t n_chunks,
	      const uint8_t *(*hash)(void *arg, uint64_t index), void *arg);

/* seal_next - a footer, without its mac, for what continues @origin, above both generations */
struct seal_footer seal_next(const struct seal_origin *origin, uint64_t image_bytes,
			     uint64_t at_least);

/*
 * seal_store - write image and footer into an empty file
 * @footer: of seal_next(); its sums are filled in. Returns 0 or -errno (-ENOSPC).
 */
int seal_store(int file, int image, const uint8_t key[SEAL_KEY_BYTES], struct seal_footer *footer);
#endif
