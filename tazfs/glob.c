#include "tazfs/glob.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/utf8.h"

enum part_kind { PART_LITERAL, PART_PATTERN, PART_DEEP };

struct glob_part {
	enum part_kind kind;
	const char *text; /* of a literal without its backslashes */
	size_t len;
};

/* Takes one character; a byte that is none gets a number that no character has. */
static uint32_t take_char(const char **s, const char *end)
{
	size_t n = utf8_length(*s, end - *s);
	unsigned char first = **s;
	uint32_t c = n == 1 ? first : n == 2 ? first & 0x1f : n == 3 ? first & 0x0f : first & 0x07;

	if (!n) {
		(*s)++;
		return 0x110000 + first;
	}
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)(*s)[i] & 0x3f);
	*s += n;
	return c;
}

/* One character of a pattern, where a backslash stands for the next. False at the end. */
static bool take_literal(const char **p, const char *end, uint32_t *ret)
{
	if (*p < end && **p == '\\')
		(*p)++;
	if (*p == end)
		return false;
	*ret = take_char(p, end);
	return true;
}

/*
 * A set from after its '[' to after its ']'. Returns 1 when @c is in it, 0 when not, -1 when it is
 * malformed; @why may be NULL.
 */
static int take_set(const char **p, const char *end, uint32_t c, const char **why)
{
	bool negated = *p < end && (**p == '!' || **p == '^'), in = false;
	const char *dummy;
	uint32_t low, high;

	if (!why)
		why = &dummy;
	*p += negated;
	for (bool first = true; *p < end && (first || **p != ']'); first = false) {
		if (**p == '[' && *p + 1 < end && (*p)[1] == ':') {
			*why = "names of classes such as [:alpha:] are not known: write a-zA-Z";
			return -1;
		}
		if (!take_literal(p, end, &low))
			break;
		high = low;
		if (*p + 1 < end && **p == '-' && (*p)[1] != ']') {
			(*p)++;
			if (!take_literal(p, end, &high))
				break;
		}
		if (high < low) {
			*why = "a range in [] that is backwards";
			return -1;
		}
		in |= low <= c && c <= high;
	}
	if (*p >= end) {
		*why = "a '[' that is not closed before the next '/': add the ']', or write \\[";
		return -1;
	}
	(*p)++;
	return in != negated;
}

/* Both one further when the pattern's next item, which is no '*', fits the name's next. */
static bool take_one(const char **pattern, const char *pend, const char **name, const char *nend)
{
	const char *p = *pattern, *n = *name;
	uint32_t c, wanted;
	bool fits;

	/* Nearly always: two plain letters. */
	if ((unsigned char)*p < 0x80 && *p != '?' && *p != '[' && *p != '\\') {
		*pattern += *p == *n;
		*name += *p == *n;
		return *p == *n;
	}
	c = take_char(&n, nend);
	if (*p == '?') {
		p++;
		fits = true;
	} else if (*p == '[') {
		p++;
		fits = take_set(&p, pend, c, NULL) == 1;
	} else {
		fits = take_literal(&p, pend, &wanted) && c == wanted;
	}
	if (fits) {
		*pattern = p;
		*name = n;
	}
	return fits;
}

/*
 * Only the last '*' is ever tried again: what the ones before it took was the least that they
 * could, and to take more would leave less for the rest.
 */
static bool pattern_fits(const char *p, const char *pend, const char *n, const char *nend)
{
	const char *star = NULL, *mark = NULL;

	while (n < nend) {
		if (p < pend && *p == '*') {
			star = ++p;
			mark = n;
		} else if (p == pend || !take_one(&p, pend, &n, nend)) {
			if (!star)
				return false;
			take_char(&mark, nend);
			p = star;
			n = mark;
		}
	}
	while (p < pend && *p == '*')
		p++;
	return p == pend;
}

/* No part of a path is empty; what is no path at all ("/") fits only "**". */
static bool part_fits(const struct glob_part *part, const char *name, size_t len)
{
	if (!len)
		return false;
	if (part->kind == PART_LITERAL)
		return part->len == len && !memcmp(part->text, name, len);
	return pattern_fits(part->text, part->text + part->len, name, name + len);
}

/* A bit for each number of parts that may be behind us; "**" may also be none. */
static uint64_t with_none(const struct glob *g, uint64_t live)
{
	for (unsigned i = 0; i < g->n_parts; i++)
		if (live >> i & 1 && g->parts[i].kind == PART_DEEP)
			live |= 2ull << i;
	return live;
}

static uint64_t step(const struct glob *g, uint64_t live, const char *name, size_t len)
{
	uint64_t next = 0;

	for (unsigned i = 0; i < g->n_parts; i++) {
		if (!(live >> i & 1))
			continue;
		if (g->parts[i].kind == PART_DEEP)
			next |= 1ull << i;
		else if (part_fits(&g->parts[i], name, len))
			next |= 2ull << i;
	}
	return with_none(g, next);
}

/* All ways at once; the highest bit that a pattern has says that all of it is behind us. */
static uint64_t walk(const struct glob *g, const char *path, size_t len)
{
	uint64_t live = with_none(g, 1);

	while (live && len) {
		const char *slash = memchr(path, '/', len);
		size_t part = slash ? (size_t)(slash - path) : len;

		live = step(g, live, path, part);
		path += part + !!slash;
		len -= part + !!slash;
	}
	return live;
}

/* Is @path @tree itself, or below it? Everything is below "". */
static bool inside(const char *tree, size_t tree_len, const char *path, size_t len)
{
	return !tree_len || (len >= tree_len && (len == tree_len || path[tree_len] == '/') &&
			     !memcmp(tree, path, tree_len));
}

static bool last_fits(const struct glob *g, const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);
	size_t before = slash ? (size_t)(slash - path) + 1 : 0;

	return part_fits(&g->parts[1], path + before, len - before);
}

bool glob_fits(const struct glob *g, const char *path, size_t len)
{
	switch (g->kind) {
	case GLOB_EXACT:
		return len == g->literal_len && !memcmp(path, g->literal, len);
	case GLOB_TREE:
		return inside(g->literal, g->literal_len, path, len);
	case GLOB_LAST:
		return last_fits(g, path, len);
	default:
		return walk(g, path, len) >> g->n_parts & 1;
	}
}

bool glob_below(const struct glob *g, const char *path, size_t len)
{
	bool leads = len < g->literal_len && inside(path, len, g->literal, g->literal_len);

	switch (g->kind) {
	case GLOB_EXACT:
		return leads;
	case GLOB_TREE:
		return leads || glob_fits(g, path, len);
	case GLOB_LAST:
		return true;
	default:
		return walk(g, path, len) & ((1ull << g->n_parts) - 1);
	}
}

static bool same(const struct glob *a, const struct glob *b)
{
	if (a->n_parts != b->n_parts)
		return false;
	for (unsigned i = 0; i < a->n_parts; i++)
		if (a->parts[i].kind != b->parts[i].kind || a->parts[i].len != b->parts[i].len ||
		    memcmp(a->parts[i].text, b->parts[i].text, a->parts[i].len))
			return false;
	return true;
}

/* How many parts at the begin are literal. */
static unsigned literal_parts(const struct glob *g)
{
	unsigned n = 0;

	while (n < g->n_parts && g->parts[n].kind == PART_LITERAL)
		n++;
	return n;
}

bool glob_covers(const struct glob *a, const struct glob *b)
{
	unsigned n = literal_parts(a);

	if (same(a, b))
		return true;
	if (b->kind == GLOB_EXACT)
		return glob_fits(a, b->literal, b->literal_len);
	if (b->kind == GLOB_TREE)
		return a->deep && glob_fits(a, b->literal, b->literal_len);
	if (a->kind != GLOB_TREE || literal_parts(b) < n)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (a->parts[i].len != b->parts[i].len ||
		    memcmp(a->parts[i].text, b->parts[i].text, a->parts[i].len))
			return false;
	return true;
}

unsigned glob_path_bucket(const char *path, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len && path[i] != '/'; i++)
		hash = (hash ^ (unsigned char)path[i]) * 16777619u;
	return (hash ^ hash >> 16) % GLOB_BUCKETS;
}

int glob_bucket(const struct glob *g)
{
	if (g->n_parts && g->parts[0].kind != PART_LITERAL)
		return -1;
	return glob_path_bucket(g->n_parts ? g->parts[0].text : "",
				g->n_parts ? g->parts[0].len : 0);
}

static int wrong(struct glob_error *err, size_t at, const char *why)
{
	err->at = at;
	err->why = why;
	return -EINVAL;
}

/* Is it a pattern, and a well-formed one? */
static int check_part(const char *text, size_t size, struct glob_error *err, enum part_kind *ret)
{
	const char *p = text, *end = text + size, *why;
	uint32_t c;

	*ret = PART_LITERAL;
	while (p < end) {
		const char *from = p;

		if (*p == '*' || *p == '?' || *p == '[')
			*ret = PART_PATTERN;
		if (*p == '*' && p + 1 < end && p[1] == '*')
			return wrong(err, p - text,
				     "'**' stands alone between slashes: **/*.key, not **.key");
		if (*p == '[') {
			p++;
			if (take_set(&p, end, 0, &why) < 0)
				return wrong(err, from - text, why);
		} else if (!take_literal(&p, end, &c)) {
			return wrong(err, from - text, "a backslash with nothing after it");
		}
	}
	return 0;
}

/* The text between two slashes; @to is where copies of texts go. */
static int add_part(struct glob *g, const char *text, size_t size, char **to,
		    struct glob_error *err)
{
	struct glob_part *part = &g->parts[g->n_parts];
	int r;

	if (g->n_parts == GLOB_PARTS_MAX)
		return wrong(err, 0, "a path of more than 63 parts");
	if (!size)
		return wrong(err, 0, "an empty part: no '/' at the begin, at the end or twice");
	if ((size == 1 && *text == '.') || (size == 2 && !memcmp(text, "..", 2)))
		return wrong(err, 0, "'.' and '..' are no parts of a path below the vault");
	g->n_parts++;
	part->text = *to;
	if (size == 2 && !memcmp(text, "**", 2)) {
		part->kind = PART_DEEP;
		return 0;
	}
	r = check_part(text, size, err, &part->kind);
	for (size_t i = 0; r == 0 && i < size; i++) {
		if (part->kind == PART_LITERAL && text[i] == '\\')
			i++;
		*(*to)++ = text[i];
	}
	part->len = *to - part->text;
	return r;
}

/* The literal ones again, as one text: what most decisions look at. */
static void find_kind(struct glob *g, char *to)
{
	unsigned literal = literal_parts(g);

	g->deep = g->n_parts && g->parts[g->n_parts - 1].kind == PART_DEEP;
	if (literal == g->n_parts)
		g->kind = GLOB_EXACT;
	else if (literal + 1 == g->n_parts && g->deep)
		g->kind = GLOB_TREE;
	else if (g->n_parts == 2 && !literal && !g->deep && g->parts[0].kind == PART_DEEP)
		g->kind = GLOB_LAST;
	else
		g->kind = GLOB_PARTS;
	g->literal = to;
	if (g->kind != GLOB_EXACT && g->kind != GLOB_TREE)
		return;
	for (unsigned i = 0; i < literal; i++) {
		if (i)
			*to++ = '/';
		memcpy(to, g->parts[i].text, g->parts[i].len);
		to += g->parts[i].len;
	}
	g->literal_len = to - g->literal;
}

int glob_init(struct glob *g, const char *text, size_t size, struct glob_error *err)
{
	size_t parts = 1, at = 0;
	char *to;
	int r = 0;

	*g = (struct glob){ 0 };
	if (!size)
		return wrong(err, 0, "an empty path: write . for the root, ** for everything");
	if (size > GLOB_BYTES_MAX)
		return wrong(err, 0, "a path of more than 1024 bytes");
	for (size_t i = 0; i < size; i++)
		parts += text[i] == '/';
	g->parts = calloc(1, parts * sizeof(*g->parts) + 2 * size);
	if (!g->parts)
		return -ENOMEM;
	to = (char *)(g->parts + parts);
	if (size == 1 && *text == '.')
		at = size + 1;
	while (r == 0 && at <= size) {
		const char *slash = memchr(text + at, '/', size - at);
		size_t len = slash ? (size_t)(slash - text) - at : size - at;

		*err = (struct glob_error){ 0 };
		r = add_part(g, text + at, len, &to, err);
		if (r < 0)
			err->at += at;
		at += len + 1;
	}
	if (r < 0)
		glob_done(g);
	else
		find_kind(g, to);
	return r;
}

void glob_done(struct glob *g)
{
	free(g->parts);
	*g = (struct glob){ 0 };
}
