#include "tazfs/audit_text.h"

#include <string.h>

#include "enclave/base/utf8.h"

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

size_t audit_plain(const char *s)
{
	return *s == '\\' ? 0 : utf8_plain(s);
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
