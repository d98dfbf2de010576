#include "tests/fido2/item.h"

#include <stdlib.h>
#include <string.h>

bool item_is_number(const cbor_item_t *item, int want)
{
	return want >= 0 ? cbor_isa_uint(item) && cbor_get_int(item) == (uint64_t)want
			 : cbor_isa_negint(item) && cbor_get_int(item) == (uint64_t)(-1 - want);
}

static bool is_text(const cbor_item_t *item, const char *want)
{
	return cbor_isa_string(item) && cbor_string_is_definite(item) &&
	       cbor_string_length(item) == strlen(want) &&
	       !memcmp(cbor_string_handle(item), want, strlen(want));
}

/* The value whose key is @text, or without it @number. */
static const cbor_item_t *find(const cbor_item_t *map, const char *text, int number)
{
	if (!map || !cbor_isa_map(map))
		return NULL;
	for (size_t i = 0; i < cbor_map_size(map); i++) {
		const struct cbor_pair *p = &cbor_map_handle(map)[i];

		if (text ? is_text(p->key, text) : item_is_number(p->key, number))
			return p->value;
	}
	return NULL;
}

const cbor_item_t *item_at(const cbor_item_t *map, int key)
{
	return find(map, NULL, key);
}

const cbor_item_t *item_named(const cbor_item_t *map, const char *key)
{
	return find(map, key, 0);
}

struct bytes item_bytes(const cbor_item_t *item)
{
	if (item && cbor_isa_bytestring(item) && cbor_bytestring_is_definite(item))
		return (struct bytes){ cbor_bytestring_handle(item), cbor_bytestring_length(item) };
	if (item && cbor_isa_string(item) && cbor_string_is_definite(item))
		return (struct bytes){ cbor_string_handle(item), cbor_string_length(item) };
	return (struct bytes){ 0 };
}

bool item_is_true(const cbor_item_t *item, bool otherwise)
{
	return item && cbor_isa_float_ctrl(item) && cbor_is_bool(item) ? cbor_get_bool(item)
								       : otherwise;
}

void item_put(cbor_item_t *map, cbor_item_t *key, cbor_item_t *value)
{
	if (!key || !value ||
	    !cbor_map_add(map, (struct cbor_pair){ cbor_move(key), cbor_move(value) }))
		abort();
}

/* The shortest form is the only one that CTAP allows. */
cbor_item_t *item_number(int n)
{
	if (n < 0)
		return cbor_build_negint8(-1 - n);
	return n < 256 ? cbor_build_uint8(n) : cbor_build_uint16(n);
}

void item_put_bytes(cbor_item_t *map, int key, const void *data, size_t len)
{
	item_put(map, item_number(key), cbor_build_bytestring(data, len));
}

cbor_item_t *item_list(cbor_item_t *only)
{
	cbor_item_t *list = cbor_new_definite_array(1);

	if (!list || !only || !cbor_array_push(list, cbor_move(only)))
		abort();
	return list;
}

cbor_item_t *item_cose_key(const uint8_t *x, const uint8_t *y, int algorithm)
{
	cbor_item_t *map = cbor_new_definite_map(5);

	item_put(map, item_number(1), item_number(2));
	item_put(map, item_number(3), item_number(algorithm));
	item_put(map, item_number(-1), item_number(1));
	item_put_bytes(map, -2, x, 32);
	item_put_bytes(map, -3, y, 32);
	return map;
}
