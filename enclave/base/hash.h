/*
 * hash - BLAKE2b over a list of fields, each with its length: no two lists hash the same text
 *
 * Source: libsodium crypto_generichash(3).
 */
#ifndef TAZ_BASE_HASH_H
#define TAZ_BASE_HASH_H

#include <stddef.h>

#define HASH_HEX_MAX 129 /* of 64 bytes, with the final NUL */

struct hash {
	_Alignas(64) unsigned char state[384]; /* libsodium's, opaque */
};

void hash_init(struct hash *h);

/* hash_field - take @size bytes and their number in */
void hash_field(struct hash *h, const void *data, size_t size);

/* hash_text - the same for a string, without its NUL */
void hash_text(struct hash *h, const char *text);

/* hash_hex - the end: @bytes (1 to 64) of the hash as lower case hex. @h may not be used again. */
void hash_hex(struct hash *h, size_t bytes, char hex[HASH_HEX_MAX]);

#endif
