/*
 * p256 - what an authenticator computes: P-256, HMAC-SHA-256, AES-256-CBC, by OpenSSL
 *
 * A key is named by its private scalar, so that the test's token derives all of its keys from one
 * master secret and stores nothing. Source: CTAP 2.1, section 6.5.6 (PIN protocol one), RFC 9053.
 * OpenSSL fails here only without memory, or when the test is wrong: then the process aborts.
 */
#ifndef TAZ_TESTS_FIDO2_P256_H
#define TAZ_TESTS_FIDO2_P256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P256_SCALAR 32
#define P256_POINT  65 /* 0x04, x, y */
#define P256_SIG    72 /* DER, at most */
#define P256_HASH   32

void p256_random(void *buf, size_t len);
void p256_sha256(const void *data, size_t len, uint8_t out[P256_HASH]);

/* p256_hmac - HMAC-SHA-256 of @a and then @b, together up to 1 KiB */
void p256_hmac(const uint8_t key[32], const void *a, size_t a_len, const void *b, size_t b_len,
	       uint8_t out[P256_HASH]);

/* p256_aes - AES-256-CBC with an IV of zeros, as PIN protocol one has it; @len: whole blocks */
void p256_aes(bool encrypt, const uint8_t key[32], const uint8_t *in, size_t len, uint8_t *out);

/* p256_public - the point of a scalar */
void p256_public(const uint8_t scalar[P256_SCALAR], uint8_t point[P256_POINT]);

/* p256_sign - ECDSA over the SHA-256 of @data. Returns the length of the signature. */
size_t p256_sign(const uint8_t scalar[P256_SCALAR], const void *data, size_t len,
		 uint8_t sig[P256_SIG]);

/* p256_shared - SHA-256 of the x that both have. False when @peer is no point of the curve. */
bool p256_shared(const uint8_t scalar[P256_SCALAR], const uint8_t peer[P256_POINT],
		 uint8_t out[P256_HASH]);

#endif
