#include "enclave/base/hash.h"

#include <sodium.h>
#include <stdint.h>
#include <string.h>

_Static_assert(sizeof(((struct hash *)0)->state) >= sizeof(crypto_generichash_state),
	       "room for libsodium's state");

#define STATE(h) ((crypto_generichash_state *)(void *)(h)->state)

void hash_init(struct hash *h)
{
	crypto_generichash_init(STATE(h), NULL, 0, crypto_generichash_BYTES_MAX);
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

void hash_hex(struct hash *h, size_t bytes, char hex[HASH_HEX_MAX])
{
	uint8_t out[crypto_generichash_BYTES_MAX];

	crypto_generichash_final(STATE(h), out, sizeof(out));
	if (bytes > sizeof(out))
		bytes = sizeof(out);
	sodium_bin2hex(hex, HASH_HEX_MAX, out, bytes);
}
