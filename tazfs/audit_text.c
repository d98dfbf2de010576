#include "tazfs/audit_text.h"

#include <string.h>

void audit_put(struct audit_out *o, const char *data, size_t size)
{
	if (o->full || size > o->room - o->n) {
		o->full = true;
		return;
	}
	memcpy(o->data + o->n, data, size);
	o->n += size;
}

void audit_puts(struct audit_out *o, const char *text)
{
	audit_put(o, text, strlen(text));
}

void audit_put_number(struct audit_out *o, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	audit_put(o, digits + at, sizeof(digits) - at);
}

/* Of a lead byte: how many follow, and the smallest character that may be written so (a longer way
 * to write a smaller one is none). */
static unsigned lead(unsigned char c, uint32_t *ret_bits, uint32_t *ret_least)
{
	static const struct {
		unsigned char mask, is;
		unsigned follow;
		uint32_t least;
	} leads[] = { { 0x80, 0x00, 0, 0 },
		      { 0xe0, 0xc0, 1, 0x80 },
		      { 0xf0, 0xe0, 2, 0x800 },
		      { 0xf8, 0xf0, 3, 0x10000 } };

	for (unsigned i = 0; i < sizeof(leads) / sizeof(*leads); i++)
		if ((c & leads[i].mask) == leads[i].is) {
			*ret_bits = c & (unsigned char)~leads[i].mask;
			*ret_least = leads[i].least;
			return leads[i].follow;
		}
	return 4;
}

/* The character at @s and how many bytes it takes; 0 bytes when there is none. Stops at the NUL. */
static size_t get_char(const char *s, uint32_t *ret)
{
	uint32_t c = 0, least = 0;
	unsigned follow = lead((unsigned char)*s, &c, &least);

	if (follow > 3)
		return 0;
	for (unsigned i = 1; i <= follow; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return follow + 1;
}

/* Controls, and what is not seen or changes how its neighbours are seen. Source: Unicode's
 * Default_Ignorable_Code_Point, Bidi_Control, line and paragraph separators. */
static bool deceives(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00, 0x1f },	      { 0x7f, 0x9f },	    { 0xad, 0xad },
		{ 0x34f, 0x34f },     { 0x61c, 0x61c },	    { 0x115f, 0x1160 },
		{ 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x200b, 0x200f },
		{ 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0x3164, 0x3164 },
		{ 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb },   { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

size_t audit_plain(const char *s)
{
	uint32_t c = 0;
	size_t n = get_char(s, &c);

	return n && c != '\\' && !deceives(c) ? n : 0;
}

static void put_all(struct audit_out *o, const char *name, const char *backslash, bool quotes)
{
	static const char hex[] = "0123456789abcdef";
	size_t n;

	for (const char *s = name; *s && !o->full; s += n ? n : 1) {
		unsigned char c = (unsigned char)*s;
		char byte[3] = { 'x', hex[c >> 4], hex[c & 15] };

		n = audit_plain(s);
		if (n) {
			audit_put(o, "\\", quotes && c == '"');
			audit_put(o, s, n);
			continue;
		}
		audit_puts(o, backslash);
		if (c == '\\')
			audit_puts(o, backslash);
		else
			audit_put(o, byte, sizeof(byte));
	}
}

void audit_put_name(struct audit_out *o, const char *name)
{
	put_all(o, name, "\\", false);
}

void audit_put_string(struct audit_out *o, const char *name)
{
	audit_put(o, "\"", 1);
	put_all(o, name, "\\\\", true);
	audit_put(o, "\"", 1);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind one backslash of JSON: what byte is meant. 0 is none: no name holds it. */
static char get_escaped(const char **at, const char *end)
{
	const char *s = *at;

	if (end - s >= 1 && s[0] == '"') {
		*at += 1;
		return '"';
	}
	if (end - s >= 3 && !memcmp(s, "\\\\\\", 3)) {
		*at += 3;
		return '\\';
	}
	if (end - s >= 4 && s[0] == '\\' && s[1] == 'x' && digit(s[2]) >= 0 && digit(s[3]) >= 0) {
		*at += 4;
		return (char)(digit(s[2]) << 4 | digit(s[3]));
	}
	return 0;
}

long audit_get_string(const char **at, const char *end, char *out)
{
	const char *s = *at;
	char *begin = out;

	if (s == end || *s++ != '"')
		return -1;
	while (s < end && *s != '"') {
		char c = *s++;

		if (c == '\\')
			c = get_escaped(&s, end);
		if (!c)
			return -1;
		*out++ = c;
	}
	if (s == end)
		return -1;
	*out = '\0';
	*at = s + 1;
	return out - begin;
}
