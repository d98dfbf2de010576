#include "enclave/base/recovery.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "enclave/base/fd.h"

#define SYMBOLS	  (RECOVERY_GROUPS * 5)
#define MEANT	  6 /* groups that check, before it is called a recovery key */
#define TYPED_MAX (SYMBOLS + 8)

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Times x in GF(32) = GF(2)[x] / (x^5 + x^2 + 1); x generates all 31 non-zero elements. */
static uint8_t times_x(uint8_t v)
{
	return (v << 1 ^ (v & 16 ? 5 : 0)) & 31;
}

/*
 * The check of a group: the sum of symbol i times x^(4 - i), and its number. The factors are
 * non-zero and all different, the check's own is 1: so one change, or two symbols that change
 * places, show.
 */
static uint8_t group_check(const uint8_t v[4], unsigned group)
{
	uint8_t sum = 0;

	for (int i = 0; i < 4; i++)
		sum = times_x(sum ^ v[i]);
	return sum ^ (group + 1);
}

static uint8_t four_bits(const uint8_t key[RECOVERY_BYTES])
{
	uint8_t h[16];

	crypto_generichash(h, sizeof(h), key, RECOVERY_BYTES, (const uint8_t *)"taz recovery key",
			   16);
	return h[0] & 15;
}

/* The five bits at symbol @n of key and check bits; @n counts the 52 that carry. */
static uint8_t five_bits(const uint8_t key[RECOVERY_BYTES], unsigned n)
{
	uint8_t v = 0;

	for (unsigned bit = n * 5; bit < n * 5 + 5; bit++) {
		uint8_t byte = bit < 256 ? key[bit / 8] : four_bits(key) << 4;

		v = v << 1 | (byte >> (7 - bit % 8) & 1);
	}
	return v;
}

void recovery_encode(const uint8_t key[RECOVERY_BYTES], uint8_t text[RECOVERY_TEXT])
{
	uint8_t v[4];

	for (unsigned g = 0; g < RECOVERY_GROUPS; g++) {
		uint8_t *at = text + g * 6;

		for (unsigned i = 0; i < 4; i++) {
			v[i] = five_bits(key, g * 4 + i);
			at[i] = alphabet[v[i]];
		}
		at[4] = alphabet[group_check(v, g)];
		if (g < RECOVERY_GROUPS - 1)
			at[5] = '-';
	}
	secret_wipe(v, sizeof(v));
}

int recovery_new(struct secret **ret)
{
	autosecret struct secret *key = secret_new(RECOVERY_BYTES),
				 *text = secret_new(RECOVERY_TEXT);

	if (!key || !text)
		return -ENOMEM;
	secret_random(key->data, key->size);
	recovery_encode(key->data, text->data);
	text->len = RECOVERY_TEXT;
	*ret = take_ptr(&text);
	return 0;
}

/* The value of a typed character, 32 for one that means nothing, or -1. */
static int value_of(uint8_t c)
{
	const char *at;

	if (c == '-' || c == ' ')
		return 32;
	c = toupper(c);
	c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
	at = c ? strchr(alphabet, c) : NULL;
	return at ? at - alphabet : -1;
}

/* Returns how many symbols there are, or -1 when it is something else. */
static int read_symbols(const struct secret *s, uint8_t v[TYPED_MAX])
{
	int n = 0;

	for (size_t i = 0; i < s->len; i++) {
		int one = value_of(s->data[i]);

		if (one < 0 || (one < 32 && n == TYPED_MAX))
			return -1;
		if (one < 32)
			v[n++] = one;
	}
	return n;
}

static bool group_ok(const uint8_t *v, unsigned group)
{
	return group_check(v, group) == v[4];
}

/* Groups that check in @n symbols, from the front, and where a symbol is missing from the end. */
static unsigned groups_ok(const uint8_t *v, int n)
{
	unsigned ok = 0;

	for (int g = 0; g < RECOVERY_GROUPS; g++) {
		int front = g * 5, back = n - (RECOVERY_GROUPS - g) * 5;

		ok += (front + 5 <= n && group_ok(v + front, g)) ||
		      (back >= 0 && back + 5 <= n && group_ok(v + back, g));
	}
	return ok;
}

static void to_key(const uint8_t *v, uint8_t key[RECOVERY_BYTES], uint8_t *ret_check)
{
	memset(key, 0, RECOVERY_BYTES);
	*ret_check = 0;
	for (unsigned bit = 0; bit < 260; bit++) {
		unsigned n = bit / 5;
		uint8_t one = v[n / 4 * 5 + n % 4] >> (4 - bit % 5) & 1;

		if (bit < 256)
			key[bit / 8] |= one << (7 - bit % 8);
		else
			*ret_check |= one << (259 - bit);
	}
}

static enum recovery_is check_symbols(const uint8_t *v, int n, struct secret *s, struct secret *key,
				      unsigned *ret_group)
{
	uint8_t check;

	if (n < SYMBOLS - 5 || groups_ok(v, n) < MEANT)
		return RECOVERY_NO;
	if (n != SYMBOLS)
		return RECOVERY_MISSING;
	for (unsigned g = 0; g < RECOVERY_GROUPS; g++)
		if (!group_ok(v + g * 5, g)) {
			*ret_group = g + 1;
			return RECOVERY_TYPO;
		}
	to_key(v, key->data, &check);
	if (check != four_bits(key->data)) {
		*ret_group = 0;
		return RECOVERY_TYPO;
	}
	if (s->size < RECOVERY_TEXT)
		return RECOVERY_NO;
	recovery_encode(key->data, s->data);
	secret_wipe(s->data + RECOVERY_TEXT, s->size - RECOVERY_TEXT);
	s->len = RECOVERY_TEXT;
	return RECOVERY_YES;
}

enum recovery_is recovery_check(struct secret *s, unsigned *ret_group)
{
	autosecret struct secret *v = secret_new(TYPED_MAX), *key = secret_new(RECOVERY_BYTES);
	int n = v && key ? read_symbols(s, v->data) : -1;

	*ret_group = 0;
	return n < 0 ? RECOVERY_NO : check_symbols(v->data, n, s, key, ret_group);
}
