/*
 * secret - the only home of passphrases and keys: guarded, locked, wiped memory
 *
 * sodium_malloc(3) pages: guard pages around, excluded from core dumps, zeroed on free. Its own
 * mlock failure is silent in libsodium 1.0.18, so it is asked for again, and checked, here.
 */
#ifndef TAZ_BASE_SECRET_H
#define TAZ_BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct secret {
	size_t size; /* bytes that can be held */
	size_t len;  /* bytes that are held */
	uint8_t *data;
};

/*
 * secret_new - room for @size bytes
 * Returns the secret, to be freed with secret_free(), or NULL with errno:
 *   ENOMEM  no memory, or the pages cannot be locked (RLIMIT_MEMLOCK)
 */
struct secret *secret_new(size_t size);
void secret_free(struct secret *s); /* wipes; NULL is allowed */
void secret_freep(struct secret **s);
#define autosecret __attribute__((cleanup(secret_freep)))

/*
 * secret_read_passphrase - read a passphrase from a descriptor up to end of file
 *
 * One final newline is not part of it. Returns 0, or
 *   -ENODATA   empty
 *   -E2BIG     longer than @s->size
 *   -EILSEQ    a NUL byte or a line's end inside
 *   -errno     from read(2)
 * After an error @s holds nothing.
 */
int secret_read_passphrase(int fd, struct secret *s);

/* secret_check_passphrase - the same rules for what @s already holds. Returns as above. */
int secret_check_passphrase(struct secret *s);

#define SECRET_PASSPHRASE_MAX 512 /* bytes; the limit of cryptsetup's interactive input */

/*
 * Sealed boxes: only the holder of the one-time private key can read what was sealed for its
 * public key. Source: libsodium crypto_box_seal(3).
 */
#define SECRET_PUBKEY_BYTES 32
#define SECRET_SEAL_BYTES   48 /* a box is that much longer than what it holds */

/* secret_keypair - make a one-time key; @ret_private is freed by the caller. Returns 0 or -errno.
 */
int secret_keypair(uint8_t ret_public[SECRET_PUBKEY_BYTES], struct secret **ret_private);

/*
 * secret_seal - seal @s for @public
 * @box, @size: at least @s->len + SECRET_SEAL_BYTES
 * Returns the box's length or -EINVAL.
 */
ssize_t secret_seal(const struct secret *s, const uint8_t public[SECRET_PUBKEY_BYTES], uint8_t *box,
		    size_t size);

/* secret_unseal - open a box into @s. Returns 0, -E2BIG, or -EBADMSG when it is not for this key.
 */
int secret_unseal(const uint8_t *box, size_t len, const uint8_t public[SECRET_PUBKEY_BYTES],
		  const struct secret *private, struct secret *s);

/* secret_wipe - zero memory that is about to go; not removed by the compiler */
void secret_wipe(void *p, size_t size);

/*
 * secret_clear_registers - zero the vector registers
 *
 * Copying leaves its last bytes there, and the kernel saves them with the thread, in memory that it
 * does not clear when the thread ends. For the end of whatever handled something secret.
 */
void secret_clear_registers(void);

/* secret_random - fill with bytes of the kernel's generator */
void secret_random(void *p, size_t size);

#endif
