/* The words of a policy and of a table of expected verdicts: lines, quotes, values. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/size.h"
#include "enclave/base/utf8.h"
#include "tazfs/policy_parse.h"

#define VALUE_MAX 4095 /* PATH_MAX without its NUL */

static const char *const verdicts[] = {
	[VERDICT_DENY] = "deny", [VERDICT_HIDE] = "hide",   [VERDICT_DECOY] = "decoy",
	[VERDICT_ASK] = "ask",	 [VERDICT_ALLOW] = "allow",
};

int parse_fail(struct parse *ps, unsigned column, const char *fmt, ...)
{
	va_list ap;

	ps->err->line = ps->line;
	ps->err->column = column ? column : 1;
	va_start(ap, fmt);
	vsnprintf(ps->err->text, sizeof(ps->err->text), fmt, ap);
	va_end(ap);
	for (char *c = ps->err->text; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	return -EINVAL;
}

#define NEAR_BYTES 16 /* no word of the language is longer */

/* How many letters to change, add, leave out or swap with the next (optimal string alignment). */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[NEAR_BYTES + 1][NEAR_BYTES + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > NEAR_BYTES || m > NEAR_BYTES)
		return NEAR_BYTES;
	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			unsigned best;

			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[n][m];
}

const char *parse_nearest(const char *word, const char *const *list)
{
	const char *nearest = NULL;
	unsigned least = 3;

	for (; *list; list++) {
		unsigned d = distance(word, *list);

		if (d < least && 2 * d <= strlen(*list)) {
			least = d;
			nearest = *list;
		}
	}
	return nearest;
}

int parse_room(void *array, unsigned n, size_t element)
{
	void *old, *bigger;

	if (n & (n - 1) || (n && n < 8))
		return 0; /* it grows at 0, 8, 16, 32... */
	memcpy(&old, array, sizeof(old));
	bigger = reallocarray(old, n ? 2 * n : 8, element);
	if (!bigger)
		return -ENOMEM;
	memcpy(array, &bigger, sizeof(bigger));
	return 0;
}

/* What may stand in a text at all. */
static int check_bytes(struct parse *ps, const char *text, size_t size)
{
	const char *line = text;

	for (size_t i = 0, n; i < size; i += n) {
		unsigned char c = text[i];
		unsigned column = text + i - line + 1;

		n = utf8_length(text + i, size - i);
		if (!n)
			return parse_fail(ps, column,
					  "not UTF-8 (0x%02x): write ? for a byte of such a name",
					  c);
		if (c == '\r')
			return parse_fail(ps, column,
					  "a line ends with CR: save it with Unix line ends");
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			return parse_fail(ps, column, "a control character (0x%02x): remove it", c);
		if (c == '\n') {
			ps->line++;
			line = text + i + 1;
		}
	}
	ps->line = 1;
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static unsigned column_of(const struct parse *ps)
{
	return ps->at - ps->start + 1;
}

/* To the end of the word: blanks in quotes are part of it, and so is what a backslash is before. */
static int take_word(struct parse *ps)
{
	char quote = 0;
	unsigned opened = 0;

	for (; ps->at < ps->end && (quote || !is_space(*ps->at)); ps->at++) {
		char c = *ps->at;

		if (c == '"' || c == '\'') {
			if (!quote || quote == c) {
				quote = quote ? 0 : c;
				opened = column_of(ps);
				continue;
			}
		} else if (c == '\\') {
			if (ps->at + 1 == ps->end)
				return parse_fail(ps, column_of(ps),
						  "a backslash with nothing after it");
			ps->word[ps->len++] = *ps->at++;
		}
		ps->word[ps->len++] = *ps->at;
	}
	ps->word[ps->len] = '\0';
	if (quote)
		return parse_fail(ps, opened, "a quote that is not closed on its line");
	return 1;
}

int parse_next(struct parse *ps)
{
	while (ps->at < ps->end && is_space(*ps->at))
		ps->at++;
	ps->len = 0;
	ps->word[0] = '\0';
	ps->column = column_of(ps);
	if (ps->at == ps->end || *ps->at == '#') {
		ps->at = ps->end;
		return 0;
	}
	return take_word(ps);
}

int parse_lines(struct parse *ps, const char *text, size_t size, parse_line_fn line, void *ctx)
{
	const char *end = text + size;
	int r = check_bytes(ps, text, size);

	for (; r == 0 && text < end; ps->line++) {
		const char *nl = memchr(text, '\n', end - text);

		ps->start = ps->at = text;
		ps->end = nl ? nl : end;
		r = line(ps, ctx);
		text = nl ? nl + 1 : end;
	}
	return r;
}

const char *policy_verdict_name(enum verdict v)
{
	return verdicts[v];
}

int parse_verdict(struct parse *ps, enum verdict *ret)
{
	static const char *const words[] = { "allow", "deny", "hide", "ask", "decoy", NULL };
	const char *meant;

	for (unsigned v = 0; v < sizeof(verdicts) / sizeof(*verdicts); v++)
		if (!strcmp(ps->word, verdicts[v])) {
			*ret = v;
			return 0;
		}
	meant = parse_nearest(ps->word, words);
	return parse_fail(ps, ps->column, "'%.60s' is no verdict: %s%s%s", ps->word,
			  meant ? "did you mean '" : "a line begins with allow, deny, hide, ask ",
			  meant ? meant : "or decoy", meant ? "'?" : "");
}

unsigned parse_may(const char *word)
{
	unsigned may = 0;

	if (!strcmp(word, "-"))
		return MAY_ALL;
	for (; *word; word++) {
		const char *at = strchr(POLICY_LETTERS, *word);
		unsigned bit = at ? 1u << (at - POLICY_LETTERS) : 0;

		if (!bit || may & bit)
			return 0;
		may |= bit;
	}
	return may;
}

char *parse_comma(char *s)
{
	for (; *s && *s != ','; s++)
		if (*s == '\\' && s[1])
			s++;
	return s;
}

/* Absolute, and written in the one way that the kernel would write it. */
static const char *path_why(const char *path)
{
	size_t len = strlen(path);

	if (*path != '/')
		return "a program is named by its absolute path: begin it with '/'";
	if (len > VALUE_MAX)
		return "a path of more than 4095 bytes";
	if (path[len - 1] == '/' || strstr(path, "//") || strstr(path, "/./") ||
	    strstr(path, "/../") || !strcmp(path + len - 2, "/.") ||
	    (len > 2 && !strcmp(path + len - 3, "/..")))
		return "write the path without '.', '..', a double '/' or one at the end";
	return NULL;
}

/* Takes the backslashes out, in place. False when a character stands in it that looks like a glob.
 */
static bool unescape(char *s)
{
	char *to = s;

	for (; *s; *to++ = *s++) {
		if (strchr("*?[", *s))
			return false;
		if (*s == '\\')
			s++;
	}
	*to = '\0';
	return true;
}

int parse_path(struct parse *ps, unsigned column, char *text)
{
	const char *why;

	if (!unescape(text))
		return parse_fail(ps, column,
				  "the path of a program is no glob: name each, with commas "
				  "between them; a real '*' is written \\*");
	why = path_why(text);
	return why ? parse_fail(ps, column, "%s", why) : 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int parse_hash(struct parse *ps, unsigned column, const char *text,
	       unsigned char hash[FACTS_HASH_BYTES])
{
	const char *digits = text + strlen("sha256:");

	if (strncmp(text, "sha256:", strlen("sha256:")) || strlen(digits) != 2 * FACTS_HASH_BYTES)
		return parse_fail(ps, column,
				  "a pin is sha256: and the 64 digits that sha256sum prints");
	for (unsigned i = 0; i < FACTS_HASH_BYTES; i++) {
		int high = hex(digits[2 * i]), low = hex(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return parse_fail(ps, column, "'%c' is no hexadecimal digit",
					  digits[2 * i + (high >= 0)]);
		hash[i] = high << 4 | low;
	}
	return 0;
}

int parse_uid(struct parse *ps, unsigned column, const char *text, unsigned *ret)
{
	long long n;

	/* The last one means "none" to the kernel. */
	if (num_parse(text, 0, UINT32_MAX - 1, &n) < 0)
		return parse_fail(ps, column, "'%.40s' is no user: write the number, as id -u says",
				  text);
	*ret = n;
	return 0;
}
