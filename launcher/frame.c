#include "launcher/frame.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "enclave/base/question.h"
#include "enclave/base/sealfd.h"

struct rule {
	enum frame_type type;
	enum frame_side from;
	uint32_t min, max;
};

static const struct rule rules[] = {
	{ FRAME_HELLO, FRAME_FROM_AGENT, 4, 4 },
	{ FRAME_STDOUT, FRAME_FROM_AGENT, 1, FRAME_DATA },
	{ FRAME_STDERR, FRAME_FROM_AGENT, 1, FRAME_DATA },
	{ FRAME_CREDIT, FRAME_FROM_AGENT, 4, 4 },
	{ FRAME_SEAL_ASK, FRAME_FROM_AGENT, sizeof(struct seal_ask), sizeof(struct seal_ask) },
	{ FRAME_SEAL_VERDICT, FRAME_FROM_AGENT, sizeof(struct seal_verdict),
	  sizeof(struct seal_verdict) },
	{ FRAME_EXIT, FRAME_FROM_AGENT, 4, 4 },
	{ FRAME_ERROR, FRAME_FROM_AGENT, 4, 4 + FRAME_TEXT },
	{ FRAME_QUESTION, FRAME_FROM_AGENT, sizeof(struct question_put),
	  sizeof(struct question_put) },
	{ FRAME_REQUEST, FRAME_FROM_HOST, 8, FRAME_MAX },
	{ FRAME_STDIN, FRAME_FROM_HOST, 1, FRAME_DATA },
	{ FRAME_EOF, FRAME_FROM_HOST, 0, 0 },
	{ FRAME_WINCH, FRAME_FROM_HOST, 4, 4 },
	{ FRAME_SIGNAL, FRAME_FROM_HOST, 4, 4 },
	{ FRAME_CLOSE, FRAME_FROM_HOST, 4, 4 },
	{ FRAME_SEAL_BOX, FRAME_FROM_HOST, sizeof(struct seal_box), sizeof(struct seal_box) },
	{ FRAME_ANSWER, FRAME_FROM_HOST, sizeof(struct question_reply),
	  sizeof(struct question_reply) },
};

static const struct rule *find_rule(uint8_t type, enum frame_side from)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (rules[i].type == type && rules[i].from == from)
			return &rules[i];
	return NULL;
}

static uint32_t get_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint16_t get_u16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = v & 0xff;
	p[1] = v >> 8;
}

void frame_put_u32(uint8_t out[4], uint32_t v)
{
	put_u16(out, v & 0xffff);
	put_u16(out + 2, v >> 16);
}

ssize_t frame_decode(const uint8_t *buf, size_t len, enum frame_side from, struct frame *ret)
{
	const struct rule *rule;
	uint32_t size;

	if (len < FRAME_HEADER)
		return 0;
	rule = find_rule(buf[0], from);
	size = get_u32(buf + 4);
	if (!rule || buf[1] || buf[2] || buf[3] || size < rule->min || size > rule->max)
		return -EBADMSG;
	if (len - FRAME_HEADER < size)
		return 0;
	*ret = (struct frame){ .type = rule->type, .len = size, .data = buf + FRAME_HEADER };
	return FRAME_HEADER + size;
}

void frame_header(uint8_t head[FRAME_HEADER], enum frame_type type, uint32_t len)
{
	frame_put_u32(head, type);
	frame_put_u32(head + 4, len);
}

uint32_t frame_u32(const struct frame *f)
{
	return get_u32(f->data);
}

void frame_text(const struct frame *f, char *buf, size_t size)
{
	size_t n = f->len - 4;

	if (n > size - 1)
		n = size - 1;
	memcpy(buf, f->data + 4, n);
	buf[n] = '\0';
}

static bool has_only(const char *value, const char *marks)
{
	for (const char *p = value; *p; p++)
		if (!isascii((unsigned char)*p) ||
		    (!isalnum((unsigned char)*p) && !strchr(marks, *p)))
			return false;
	return strlen(value) < 64;
}

bool request_env_ok(const char *value)
{
	return has_only(value, "._+@-");
}

bool timezone_ok(const char *value)
{
	return has_only(value, "_+-/") && *value != '/';
}

/* Commands of enclave that take "--seal-fd N". */
static bool is_vault_command(const char *name)
{
	static const char *const names[] = { "restore", "passwd", "key" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static bool kind_ok(const struct request *req)
{
	switch (req->kind) {
	case REQUEST_EXEC:
		return req->argc;
	case REQUEST_SESSION:
		return req->user == REQUEST_TAZ;
	case REQUEST_VAULT:
		return req->user == REQUEST_ROOT && !req->flags && req->argc &&
		       is_vault_command(req->argv[0]);
	default:
		return false;
	}
}

static int check(const struct request *req)
{
	if (!kind_ok(req))
		return -EINVAL;
	if (req->user != REQUEST_TAZ && req->user != REQUEST_ROOT)
		return -EINVAL;
	if (req->flags & ~(REQUEST_TTY | REQUEST_CREATE | REQUEST_ACCEPT_ROLLBACK))
		return -EINVAL;
	if (req->cwd[0] != '/' || (req->argc && !req->argv[0][0]))
		return -EINVAL;
	if (!request_env_ok(req->term) || !request_env_ok(req->lang) ||
	    !request_env_ok(req->colorterm) || !timezone_ok(req->tz))
		return -EINVAL;
	return 0;
}

/* The fixed part: kind, user, flags, zero, rows, columns, argc; then the strings, each with NUL. */
#define REQUEST_FIXED 10
#define N_VARS	      5

ssize_t request_encode(const struct request *req, uint8_t *buf, size_t size)
{
	const char *vars[N_VARS] = { req->cwd, req->term, req->lang, req->colorterm, req->tz };
	size_t at = REQUEST_FIXED;
	int r = check(req);

	if (r < 0)
		return r;
	if (req->argc > REQUEST_ARGS_MAX || size < REQUEST_FIXED)
		return -E2BIG;
	buf[0] = req->kind;
	buf[1] = req->user;
	buf[2] = req->flags;
	buf[3] = 0;
	put_u16(buf + 4, req->rows);
	put_u16(buf + 6, req->cols);
	put_u16(buf + 8, req->argc);
	for (int i = 0; i < N_VARS + req->argc; i++) {
		const char *s = i < N_VARS ? vars[i] : req->argv[i - N_VARS];
		size_t n = strlen(s) + 1;

		if (size - at < n)
			return -E2BIG;
		memcpy(buf + at, s, n);
		at += n;
	}
	return at;
}

/* The string at *@at, which moves behind its NUL; NULL: it has none. */
static const char *next_string(const uint8_t *data, size_t len, size_t *at)
{
	const uint8_t *from = data + *at;
	const uint8_t *end = *at < len ? memchr(from, '\0', len - *at) : NULL;

	if (end)
		*at = end - data + 1;
	return end ? (const char *)from : NULL;
}

int request_decode(const uint8_t *data, size_t len, struct request *ret)
{
	size_t at = REQUEST_FIXED;

	if (len < REQUEST_FIXED || data[3])
		return -EBADMSG;
	ret->kind = data[0];
	ret->user = data[1];
	ret->flags = data[2];
	ret->rows = get_u16(data + 4);
	ret->cols = get_u16(data + 6);
	ret->argc = get_u16(data + 8);
	if (ret->argc > REQUEST_ARGS_MAX)
		return -EBADMSG;
	ret->cwd = next_string(data, len, &at);
	ret->term = next_string(data, len, &at);
	ret->lang = next_string(data, len, &at);
	ret->colorterm = next_string(data, len, &at);
	ret->tz = next_string(data, len, &at);
	if (!ret->cwd || !ret->term || !ret->lang || !ret->colorterm || !ret->tz)
		return -EBADMSG;
	for (int i = 0; i < ret->argc; i++) {
		ret->argv[i] = next_string(data, len, &at);
		if (!ret->argv[i])
			return -EBADMSG;
	}
	ret->argv[ret->argc] = NULL;
	return at == len ? check(ret) : -EBADMSG;
}
