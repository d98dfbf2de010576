#include "enclave/base/hash.h"

#include <sodium.h>
#include <stdint.h>
#include <string.h>

_Static_assert(sizeof(((struct hash *)0)->state) >= sizeof(crypto_generichash_state),
	       "room for libsodium's state");

#define STATE(h) ((crypto_generichash_state *)(void *)(h)->state)

void hash_init(struct hash *h)
{
	hash_init_keyed(h, NULL, 0);
}

void hash_init_keyed(struct hash *h, const void *key, size_t size)
{
	crypto_generichash_init(STATE(h), key, size, crypto_generichash_BYTES_MAX);
}

void hash_field(struct hash *h, const void *data, size_t size)
{
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint64_t)size >> (8 * i);
	crypto_generichash_update(STATE(h), le, sizeof(le));
	crypto_generichash_update(STATE(h), data, size);
}

void hash_text(struct hash *h, const char *text)
{
	hash_field(h, text, strlen(text));
}

void hash_bytes(struct hash *h, size_t bytes, void *out)
{
	uint8_t whole[crypto_generichash_BYTES_MAX];

	crypto_generichash_final(STATE(h), whole, sizeof(whole));
	memcpy(out, whole, bytes < sizeof(whole) ? bytes : sizeof(whole));
}

void hash_hex_of(const void *data, size_t size, char *hex)
{
	sodium_bin2hex(hex, 2 * size + 1, data, size);
}

void hash_hex(struct hash *h, size_t bytes, char hex[HASH_HEX_MAX])
{
	uint8_t out[crypto_generichash_BYTES_MAX];

	if (bytes > sizeof(out))
		bytes = sizeof(out);
	hash_bytes(h, bytes, out);
	hash_hex_of(out, bytes, hex);
}

int hash_equal(const void *a, const void *b, size_t size)
{
	return sodium_memcmp(a, b, size) == 0;
}

_Static_assert(HASH_SHORT_KEY == crypto_shorthash_KEYBYTES, "libsodium's key");

uint64_t hash_short(const uint8_t key[HASH_SHORT_KEY], uint64_t seed, const void *data, size_t size)
{
	uint8_t seeded[HASH_SHORT_KEY];
	uint64_t out = 0;

	memcpy(seeded, key, sizeof(seeded));
	for (size_t i = 0; i < sizeof(seed); i++)
		seeded[i] ^= (uint8_t)(seed >> (8 * i));
	crypto_shorthash((unsigned char *)&out, data, size, seeded);
	return out;
}

_Static_assert(sizeof(((struct hash_sha256 *)0)->state) >= sizeof(crypto_hash_sha256_state),
	       "room for libsodium's state");

#define SHA256(h) ((crypto_hash_sha256_state *)(void *)(h)->state)

void hash_sha256_init(struct hash_sha256 *h)
{
	crypto_hash_sha256_init(SHA256(h));
}

void hash_sha256_add(struct hash_sha256 *h, const void *data, size_t size)
{
	crypto_hash_sha256_update(SHA256(h), data, size);
}

void hash_sha256_end(struct hash_sha256 *h, unsigned char hash[32])
{
	crypto_hash_sha256_final(SHA256(h), hash);
}
