/* item - the CBOR of an authenticator: libcbor, as short as the test's token needs it */
#ifndef TAZ_TESTS_FIDO2_ITEM_H
#define TAZ_TESTS_FIDO2_ITEM_H

#include <cbor.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run of bytes in a request, or in what is being made. */
struct bytes {
	const uint8_t *at;
	size_t len;
};

/* What a request has: borrowed, NULL where it is missing or @map is none. */
const cbor_item_t *item_at(const cbor_item_t *map, int key);
const cbor_item_t *item_named(const cbor_item_t *map, const char *key);

/* item_bytes - of a byte string, or of a text; length 0 for anything else */
struct bytes item_bytes(const cbor_item_t *item);
bool item_is_true(const cbor_item_t *item, bool otherwise);
bool item_is_number(const cbor_item_t *item, int want);

/* What a reply has. Each takes the items that it is given; without memory it aborts. */
cbor_item_t *item_number(int n);
cbor_item_t *item_list(cbor_item_t *only);
void item_put(cbor_item_t *map, cbor_item_t *key, cbor_item_t *value);
void item_put_bytes(cbor_item_t *map, int key, const void *data, size_t len);

/* item_cose_key - an EC2 key on P-256 (RFC 9053); @x, @y: 32 bytes each */
cbor_item_t *item_cose_key(const uint8_t *x, const uint8_t *y, int algorithm);

#endif
