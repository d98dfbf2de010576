/*
 * hash - BLAKE2b over a list of fields, each with its length: no two lists hash the same text
 *
 * Source: libsodium crypto_generichash(3), crypto_shorthash(3).
 */
#ifndef TAZ_BASE_HASH_H
#define TAZ_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_HEX_MAX 129 /* of 64 bytes, with the final NUL */

struct hash {
	_Alignas(64) unsigned char state[384]; /* libsodium's, opaque */
};

void hash_init(struct hash *h);

/* hash_init_keyed - the same as a MAC: who does not have the key (16 to 64 bytes) makes none */
void hash_init_keyed(struct hash *h, const void *key, size_t size);

/* hash_field - take @size bytes and their number in */
void hash_field(struct hash *h, const void *data, size_t size);

/* hash_text - the same for a string, without its NUL */
void hash_text(struct hash *h, const char *text);

/* hash_hex - the end: @bytes (1 to 64) of the hash as lower case hex. @h may not be used again. */
void hash_hex(struct hash *h, size_t bytes, char hex[HASH_HEX_MAX]);

/* hash_bytes - the same as bytes */
void hash_bytes(struct hash *h, size_t bytes, void *out);

/* hash_hex_of - @size bytes as lower case hex; @hex: room for two digits each, and a NUL */
void hash_hex_of(const void *data, size_t size, char *hex);

/* hash_equal - are these bytes the same? In a time that does not depend on them. */
int hash_equal(const void *a, const void *b, size_t size);

/*
 * hash_short - for tables in memory: fast, and who does not know the key cannot choose what meets
 * Two calls chain by giving the first one's result as @seed. Source: SipHash-2-4.
 */
#define HASH_SHORT_KEY 16
uint64_t hash_short(const uint8_t key[HASH_SHORT_KEY], uint64_t seed, const void *data,
		    size_t size);

/*
 * hash_sha256 - for what people compare with sha256sum(1): of one stream of bytes
 * hash_sha256_end() writes the 32 bytes; @h may not be used again.
 */
struct hash_sha256 {
	_Alignas(8) unsigned char state[128]; /* libsodium's, opaque */
};

void hash_sha256_init(struct hash_sha256 *h);
void hash_sha256_add(struct hash_sha256 *h, const void *data, size_t size);
void hash_sha256_end(struct hash_sha256 *h, unsigned char hash[32]);

#endif
