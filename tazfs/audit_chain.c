#include "tazfs/audit_chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/hash.h"
#include "tazfs/audit_record.h"

#define MAC_BEGIN  ",\"mac\":\""
#define MAC_END	   "\"}"
/* `{"seq":` NUMBER, then this; and then `,"event":"file","prev":"` HEX `"` in a head */
#define TIME_FORM  ",\"time\":\"0000-00-00T00:00:00.000000000Z\""
#define HEAD_BEGIN ",\"event\":\"file\",\"prev\":\""

_Static_assert(AUDIT_MAC_ROOM >= sizeof(MAC_BEGIN MAC_END "\n") + AUDIT_MAC_HEX, "room for it");

const char *const audit_flaw_text[AUDIT_FLAWS] = {
	[AUDIT_WHOLE] = "nothing is wrong",
	[AUDIT_NO_LINE] = "no line of a log",
	[AUDIT_BAD_ORDER] = "lines are missing before it, or it was moved",
	[AUDIT_BAD_MAC] = "it was changed, or the one before it",
	[AUDIT_BAD_FIRST_MAC] = "it was changed, or the key is another one",
	[AUDIT_NO_HEAD] = "lines before it are missing: a file begins with its own first line",
	[AUDIT_BAD_HEAD] = "it does not continue the file before it",
	[AUDIT_TORN] = "the line has no end",
	[AUDIT_SHORT] = "the log ends too early: later lines are missing",
	[AUDIT_EMPTY] = "there is no line",
};

static void mac_of(const struct secret *key, const uint8_t prev[AUDIT_MAC_BYTES], const char *line,
		   size_t len, uint8_t ret[AUDIT_MAC_BYTES])
{
	struct hash h;

	hash_init_keyed(&h, key->data, key->len);
	hash_text(&h, "taz-audit-1");
	hash_field(&h, prev, AUDIT_MAC_BYTES);
	hash_field(&h, line, len);
	hash_bytes(&h, AUDIT_MAC_BYTES, ret);
	secret_wipe(&h, sizeof(h));
}

ssize_t audit_chain_add(const struct secret *key, struct audit_chain *c, char *line, size_t len,
			size_t room)
{
	char hex[HASH_HEX_MAX];
	struct audit_out o = { .data = line, .n = len - 1, .room = room };

	if (room < len + AUDIT_MAC_ROOM)
		return -ENOSPC;
	mac_of(key, c->mac, line, len - 1, c->mac);
	c->seq++;
	hash_hex_of(c->mac, AUDIT_MAC_BYTES, hex);
	audit_puts(&o, MAC_BEGIN);
	audit_puts(&o, hex);
	audit_puts(&o, MAC_END "\n");
	return (ssize_t)o.n;
}

/* --- the check ----------------------------------------------------------------------------------
 */

/* What the check needs to understand of a line; the rest is only covered by the MAC. */
struct parts {
	uint64_t seq;
	size_t covered; /* bytes from its beginning */
	uint8_t mac[AUDIT_MAC_BYTES];
	bool head;
	uint8_t prev[AUDIT_MAC_BYTES];
};

static bool take(const char **at, const char *end, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(end - *at) < n || memcmp(*at, text, n))
		return false;
	*at += n;
	return true;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_mac(const char **at, const char *end, uint8_t ret[AUDIT_MAC_BYTES])
{
	if (end - *at < AUDIT_MAC_HEX)
		return false;
	for (int i = 0; i < AUDIT_MAC_BYTES; i++, *at += 2) {
		int high = nibble((*at)[0]), low = nibble((*at)[1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool take_seq(const char **at, const char *end, uint64_t *ret)
{
	uint64_t n = 0;

	if (!take(at, end, "{\"seq\":") || *at == end || **at < '1' || **at > '9')
		return false;
	for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(**at - '0'), &n))
			return false;
	*ret = n;
	return true;
}

static bool split(const char *line, size_t size, struct parts *ret)
{
	const size_t suffix = sizeof(MAC_BEGIN MAC_END) - 1 + AUDIT_MAC_HEX;
	const char *at = line, *end = line + size, *tail = end - suffix;

	*ret = (struct parts){ 0 };
	if (size < suffix || !take_seq(&at, tail, &ret->seq) || !take(&tail, end, MAC_BEGIN) ||
	    !take_mac(&tail, end, ret->mac) || !take(&tail, end, MAC_END))
		return false;
	ret->covered = size - suffix;
	end = line + ret->covered;
	if (end - at < (int)sizeof(TIME_FORM) - 1)
		return true;
	at += sizeof(TIME_FORM) - 1;
	ret->head =
		take(&at, end, HEAD_BEGIN) && take_mac(&at, end, ret->prev) && take(&at, end, "\"");
	return true;
}

static bool flawed(struct audit_check *c, enum audit_flaw flaw)
{
	c->flaw = flaw;
	return false;
}

/* The first line of a file, and of all. */
static bool check_head(struct audit_check *c, const struct parts *p)
{
	if (c->bytes == 0 && !p->head)
		return flawed(c, AUDIT_NO_HEAD);
	if (c->lines == 0) {
		c->last = (struct audit_chain){ .seq = p->seq - 1 };
		memcpy(c->last.mac, p->prev, AUDIT_MAC_BYTES);
		c->first_seq = p->seq;
	}
	return true;
}

static bool check_line(struct audit_check *c, const char *line, size_t size)
{
	uint8_t mac[AUDIT_MAC_BYTES];
	struct parts p;

	c->line++;
	if (!size)
		return true;
	if (!split(line, size, &p))
		return flawed(c, AUDIT_NO_LINE);
	if (!check_head(c, &p))
		return false;
	if (p.seq != c->last.seq + 1) {
		c->missing = p.seq > c->last.seq ? p.seq - c->last.seq - 1 : 0;
		return flawed(c, c->bytes ? AUDIT_BAD_ORDER : AUDIT_BAD_HEAD);
	}
	if (p.head && !hash_equal(p.prev, c->last.mac, AUDIT_MAC_BYTES))
		return flawed(c, AUDIT_BAD_HEAD);
	mac_of(c->key, c->last.mac, line, p.covered, mac);
	if (!hash_equal(mac, p.mac, AUDIT_MAC_BYTES))
		return flawed(c, c->lines ? AUDIT_BAD_MAC : AUDIT_BAD_FIRST_MAC);
	c->last.seq = p.seq;
	memcpy(c->last.mac, mac, AUDIT_MAC_BYTES);
	c->lines++;
	return true;
}

int audit_check_init(struct audit_check *c, const struct secret *key)
{
	*c = (struct audit_check){ .key = key, .file = 1 };
	c->part = malloc(AUDIT_LINE_MAX);
	return c->part ? 0 : -ENOMEM;
}

void audit_check_done(struct audit_check *c)
{
	free(c->part);
	c->part = NULL;
}

/* One piece of a line, to which what came before belongs. */
static bool add_part(struct audit_check *c, const char *data, size_t size)
{
	if (size > AUDIT_LINE_MAX - c->n_part) {
		c->line++;
		return flawed(c, AUDIT_NO_LINE);
	}
	memcpy(c->part + c->n_part, data, size);
	c->n_part += size;
	return true;
}

bool audit_check_feed(struct audit_check *c, const char *data, size_t size)
{
	const char *end = data + size;

	while (c->flaw == AUDIT_WHOLE && data < end) {
		const char *newline = memchr(data, '\n', (size_t)(end - data));
		size_t n = (size_t)((newline ? newline : end) - data);

		if (!add_part(c, data, n))
			break;
		c->fed += n + (newline ? 1 : 0);
		data += n + 1;
		if (!newline)
			break;
		n = c->n_part;
		c->n_part = 0;
		if (check_line(c, c->part, n) && n)
			c->bytes = c->fed;
	}
	return c->flaw == AUDIT_WHOLE;
}

bool audit_check_file(struct audit_check *c)
{
	if (c->flaw != AUDIT_WHOLE)
		return false;
	if (c->n_part) {
		c->line++;
		return flawed(c, AUDIT_TORN);
	}
	c->file++;
	c->line = c->bytes = c->fed = 0;
	return true;
}

bool audit_check_end(struct audit_check *c, uint64_t until)
{
	if (c->flaw != AUDIT_WHOLE)
		return false;
	if (!c->lines)
		return flawed(c, AUDIT_EMPTY);
	return c->last.seq >= until || flawed(c, AUDIT_SHORT);
}
