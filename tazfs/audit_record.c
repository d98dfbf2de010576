#include "tazfs/audit_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS	 1000000000ULL
#define TIME_LEN 30 /* characters */

const char *const audit_verdict_text[AUDIT_VERDICTS] = {
	[AUDIT_DENY] = "deny",	 [AUDIT_HIDE] = "hide", [AUDIT_DECOY] = "decoy",
	[AUDIT_ALLOW] = "allow", [AUDIT_ASK] = "ask",
};

static const char *const by_text[AUDIT_BYS] = {
	[AUDIT_BY_ANSWER] = "answer",	    [AUDIT_BY_TIMEOUT] = "timeout",
	[AUDIT_BY_GRANT] = "grant",	    [AUDIT_BY_NOBODY] = "audit-only",
	[AUDIT_BY_ALONE] = "nobody-to-ask",
};

static const char *const event_text[AUDIT_EVENTS] = {
	[AUDIT_FILE] = "file", [AUDIT_START] = "start", [AUDIT_END] = "end",
	[AUDIT_REST] = "rest", [AUDIT_NOTE] = "note",
};

/* --- how a value is written, and read -----------------------------------------------------------
 */

struct field;

struct kind {
	bool (*is_set)(const struct audit_record *r, const struct field *f);
	void (*put)(struct audit_out *o, const struct audit_record *r, const struct field *f);
	/* @mem: where strings go; moved behind them. 0 or -EBADMSG. */
	int (*get)(const char **at, const char *end, char **mem, struct audit_record *r,
		   const struct field *f);
};

struct field {
	const char *name;
	const struct kind *kind;
	size_t at; /* in struct audit_record */
	const char *const *words;
	size_t n_words;
};

#define IN(type, r, f)	     ((type *)(void *)((char *)(r) + (f)->at))
#define IN_CONST(type, r, f) ((const type *)(const void *)((const char *)(r) + (f)->at))

static bool skip(const char **at, const char *end, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(end - *at) < n || memcmp(*at, text, n))
		return false;
	*at += n;
	return true;
}

static int get_number(const char **at, const char *end, uint64_t max, uint64_t *ret)
{
	const char *s = *at;
	uint64_t n = 0;

	for (; s < end && *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return -EBADMSG;
	if (s == *at || n > max)
		return -EBADMSG;
	*at = s;
	*ret = n;
	return 0;
}

static bool is_set64(const struct audit_record *r, const struct field *f)
{
	return *IN_CONST(uint64_t, r, f);
}

static void put64(struct audit_out *o, const struct audit_record *r, const struct field *f)
{
	audit_put_number(o, *IN_CONST(uint64_t, r, f));
}

static int get64(const char **at, const char *end, char **mem, struct audit_record *r,
		 const struct field *f)
{
	return get_number(at, end, UINT64_MAX, IN(uint64_t, r, f));
}

static bool is_set32(const struct audit_record *r, const struct field *f)
{
	return *IN_CONST(uint32_t, r, f);
}

static void put32(struct audit_out *o, const struct audit_record *r, const struct field *f)
{
	audit_put_number(o, *IN_CONST(uint32_t, r, f));
}

static int get32(const char **at, const char *end, char **mem, struct audit_record *r,
		 const struct field *f)
{
	uint64_t n = 0;
	int e = get_number(at, end, UINT32_MAX, &n);

	*IN(uint32_t, r, f) = (uint32_t)n;
	return e;
}

void audit_put_time(struct audit_out *o, uint64_t ns)
{
	time_t sec = (time_t)(ns / NS); /* 64 bits of nanoseconds end in the year 2554 */
	char text[96] = "";
	struct tm tm;

	if (!gmtime_r(&sec, &tm))
		o->full = true;
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%09uZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(ns % NS));
	audit_puts(o, text);
}

/* Digits where @form has zeros, and the rest as it is there. */
static bool looks_like(const char *text, const char *form)
{
	for (; *form; form++, text++)
		if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
			return false;
	return true;
}

static int two(const char *s)
{
	return (s[0] - '0') * 10 + s[1] - '0';
}

int audit_get_time(const char **at, const char *end, uint64_t *ret_ns)
{
	const char *s = *at;
	struct tm tm = { 0 };
	uint64_t ns = 0;
	time_t sec;

	if (end - s < TIME_LEN || !looks_like(s, "0000-00-00T00:00:00.000000000Z"))
		return -EBADMSG;
	tm.tm_year = two(s) * 100 + two(s + 2) - 1900;
	tm.tm_mon = two(s + 5) - 1;
	tm.tm_mday = two(s + 8);
	tm.tm_hour = two(s + 11);
	tm.tm_min = two(s + 14);
	tm.tm_sec = two(s + 17);
	sec = timegm(&tm);
	for (int i = 20; i < 29; i++)
		ns = ns * 10 + (uint64_t)(s[i] - '0');
	if (sec < 0 || (uint64_t)sec > UINT64_MAX / NS - 1)
		return -EBADMSG;
	*at = s + TIME_LEN;
	*ret_ns = (uint64_t)sec * NS + ns;
	return 0;
}

static void put_time(struct audit_out *o, const struct audit_record *r, const struct field *f)
{
	audit_puts(o, "\"");
	audit_put_time(o, *IN_CONST(uint64_t, r, f));
	audit_puts(o, "\"");
}

static int get_time(const char **at, const char *end, char **mem, struct audit_record *r,
		    const struct field *f)
{
	return skip(at, end, "\"") && audit_get_time(at, end, IN(uint64_t, r, f)) == 0 &&
			       skip(at, end, "\"")
		       ? 0
		       : -EBADMSG;
}

static bool is_set_text(const struct audit_record *r, const struct field *f)
{
	return *IN_CONST(char *, r, f);
}

static void put_text(struct audit_out *o, const struct audit_record *r, const struct field *f)
{
	audit_put_string(o, *IN_CONST(char *, r, f));
}

static int get_name(const char **at, const char *end, char **mem, const char **ret)
{
	long n = audit_get_string(at, end, *mem);

	if (n < 0)
		return -EBADMSG;
	*ret = *mem;
	*mem += n + 1;
	return 0;
}

static int get_text(const char **at, const char *end, char **mem, struct audit_record *r,
		    const struct field *f)
{
	return get_name(at, end, mem, IN(const char *, r, f));
}

static void put_word(struct audit_out *o, const struct audit_record *r, const struct field *f)
{
	audit_put_string(o, f->words[*IN_CONST(uint32_t, r, f)]);
}

static int get_word(const char **at, const char *end, char **mem, struct audit_record *r,
		    const struct field *f)
{
	const char *word;

	if (get_name(at, end, mem, &word) < 0)
		return -EBADMSG;
	for (size_t i = 1; i < f->n_words; i++)
		if (!strcmp(word, f->words[i])) {
			*IN(uint32_t, r, f) = (uint32_t)i;
			return 0;
		}
	return -EBADMSG;
}

static bool is_set_chain(const struct audit_record *r, const struct field *f)
{
	return r->n_chain;
}

static void put_chain(struct audit_out *o, const struct audit_record *r, const struct field *f)
{
	for (uint32_t i = 0; i < r->n_chain && i < AUDIT_CHAIN_MAX; i++) {
		audit_puts(o, i ? ",{\"pid\":" : "[{\"pid\":");
		audit_put_number(o, r->chain[i].pid);
		if (r->chain[i].exe) {
			audit_puts(o, ",\"exe\":");
			audit_put_string(o, r->chain[i].exe);
		}
		audit_puts(o, "}");
	}
	audit_puts(o, "]");
}

static int get_chain(const char **at, const char *end, char **mem, struct audit_record *r,
		     const struct field *f)
{
	if (!skip(at, end, "["))
		return -EBADMSG;
	do {
		struct audit_program *p = &r->chain[r->n_chain];
		uint64_t pid;

		if (r->n_chain++ == AUDIT_CHAIN_MAX || !skip(at, end, "{\"pid\":") ||
		    get_number(at, end, UINT32_MAX, &pid) < 0)
			return -EBADMSG;
		p->pid = (uint32_t)pid;
		if (skip(at, end, ",\"exe\":") && get_name(at, end, mem, &p->exe) < 0)
			return -EBADMSG;
		if (!skip(at, end, "}"))
			return -EBADMSG;
	} while (skip(at, end, ","));
	return skip(at, end, "]") ? 0 : -EBADMSG;
}

static const struct kind as_number64 = { is_set64, put64, get64 };
static const struct kind as_number32 = { is_set32, put32, get32 };
static const struct kind as_moment = { is_set64, put_time, get_time };
static const struct kind as_text = { is_set_text, put_text, get_text };
static const struct kind as_word = { is_set32, put_word, get_word };
static const struct kind as_chain = { is_set_chain, put_chain, get_chain };

/* --- the line -----------------------------------------------------------------------------------
 */

#define FIELD(member, of)                                             \
	{                                                             \
#member, &(of), offsetof(struct audit_record, member) \
	}
#define NAMED(name, of, as)                                    \
	{                                                      \
		as, &(of), offsetof(struct audit_record, name) \
	}
#define WORDS(member, list, n)                                                    \
	{                                                                         \
#member, &as_word, offsetof(struct audit_record, member), list, n \
	}

/* The first three are where audit_chain.c looks for them. */
static const struct field fields[] = {
	FIELD(seq, as_number64),
	NAMED(time_ns, as_moment, "time"),
	WORDS(event, event_text, AUDIT_EVENTS),
	FIELD(prev, as_text),
	FIELD(tick, as_number64),
	WORDS(verdict, audit_verdict_text, AUDIT_VERDICTS),
	WORDS(by, by_text, AUDIT_BYS),
	FIELD(rule, as_number32),
	FIELD(op, as_text),
	FIELD(path, as_text),
	FIELD(to, as_text),
	FIELD(text, as_text),
	FIELD(count, as_number64),
	NAMED(last_ns, as_moment, "last"),
	FIELD(pid, as_number32),
	FIELD(exe, as_text),
	FIELD(script, as_text),
	FIELD(doubt, as_number32),
	FIELD(tty, as_text),
	FIELD(session, as_number32),
	FIELD(chain, as_chain),
	FIELD(torn, as_number32),
	FIELD(mac, as_text),
};

#define N_FIELDS (sizeof(fields) / sizeof(*fields))

ssize_t audit_format(const struct audit_record *r, char *buf, size_t size)
{
	struct audit_out o = { .data = buf, .room = size };

	if (r->event >= AUDIT_EVENTS || r->verdict >= AUDIT_VERDICTS || r->by >= AUDIT_BYS)
		return -EINVAL;
	for (const struct field *f = fields; f < fields + N_FIELDS; f++) {
		if (!f->kind->is_set(r, f))
			continue;
		audit_puts(&o, o.n ? ",\"" : "{\"");
		audit_puts(&o, f->name);
		audit_puts(&o, "\":");
		f->kind->put(&o, r, f);
	}
	audit_puts(&o, o.n ? "}" : "{}");
	return o.full ? -ENOSPC : (ssize_t)o.n;
}

static bool skip_name(const char **at, const char *end, const struct field *f, bool first)
{
	const char *s = *at;

	if (!skip(&s, end, first ? "{\"" : ",\"") || !skip(&s, end, f->name) ||
	    !skip(&s, end, "\":"))
		return false;
	*at = s;
	return true;
}

int audit_parse(const char *line, size_t size, char *mem, struct audit_record *ret)
{
	const char *at = line, *end = line + size;
	char *strings = mem;
	bool first = true;

	*ret = (struct audit_record){ 0 };
	for (const struct field *f = fields; f < fields + N_FIELDS; f++) {
		if (!skip_name(&at, end, f, first))
			continue;
		first = false;
		if (f->kind->get(&at, end, &strings, ret, f) < 0)
			return -EBADMSG;
	}
	if (first || !skip(&at, end, "}") || at != end)
		return -EBADMSG;
	/* Written in one way only. The strings end before half of the memory does. */
	return audit_format(ret, mem + size + 64, size) == (ssize_t)size &&
			       !memcmp(mem + size + 64, line, size)
		       ? 0
		       : -EBADMSG;
}
