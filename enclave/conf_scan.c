/* The first look at secrets.conf: conf.h says what it lets through, and why. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/utf8.h"
#include "enclave/conf.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

enum { KEYS_MAX = 16, KEY_BYTES = 32, DEPTH_MAX = 2 };

struct scan {
	const char *at, *end;
	struct conf_error *err;
	unsigned line;
	unsigned depth, opened; /* braces, and the line of the last one */
	char last;		/* the token before: 'w'ord, 's'tring, or the character itself */
	char word[KEY_BYTES];	/* when it was a word */
	char keys[KEYS_MAX][KEY_BYTES];
	size_t n_keys; /* that this entry has set */
};

int conf_error_set(struct conf_error *err, unsigned line, const char *fmt, ...)
{
	va_list ap;

	err->line = line;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	for (char *p = err->text; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	return -EINVAL;
}

static int check_bytes(const char *text, size_t size, struct conf_error *err)
{
	unsigned line = 1;

	if (size > CONF_BYTES_MAX)
		return conf_error_set(err, 0, "it is longer than %d KiB: split it, and use --file",
				      CONF_BYTES_MAX >> 10);
	for (size_t i = 0, n; i < size; i += n) {
		unsigned char c = text[i];

		n = utf8_length(text + i, size - i);
		if (!n)
			return conf_error_set(err, line, "it is not UTF-8 (0x%02x)", c);

		if (c == '\r')
			return conf_error_set(err, line,
					      "a line ends with CR: save it with Unix line ends");
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			return conf_error_set(err, line, "a control character (0x%02x): remove it",
					      c);
		line += c == '\n';
	}
	return 0;
}

/* From after the opening quote to after the closing one. */
static int scan_string(struct scan *s, char quote)
{
	for (; s->at < s->end; s->at++) {
		char next = s->at + 1 < s->end ? s->at[1] : '\n';

		if (*s->at == quote) {
			s->at++;
			s->last = 's';
			return 0;
		}
		if (*s->at == '\n')
			break;
		if (*s->at == '$' && next == '{' && quote == '"')
			return conf_error_set(s->err, s->line,
					      "\"${\" in double quotes: no variable is ever filled "
					      "in here; use single quotes to mean the characters");
		if (*s->at != '\\')
			continue;
		if (next != quote && next != '\\')
			return conf_error_set(s->err, s->line,
					      "a backslash stands only before the closing kind of "
					      "quote or another backslash: write \\\\");
		s->at++;
	}
	return conf_error_set(s->err, s->line, "a string is not closed on its line: add the %s",
			      quote == '"' ? "double quote" : "single quote");
}

static int scan_word(struct scan *s)
{
	const char *from = s->at;
	size_t len;

	while (s->at < s->end && strchr(WORD, *s->at))
		s->at++;
	len = s->at - from;
	if (len >= sizeof(s->word)) /* as a value it may be long; as a key it is unknown */
		len = sizeof(s->word) - 1;
	memcpy(s->word, from, len);
	s->word[len] = '\0';
	s->last = 'w';
	return 0;
}

static int scan_equals(struct scan *s)
{
	if (s->last != 'w')
		return conf_error_set(s->err, s->line, "'=' without a key before it");
	for (size_t i = 0; i < s->n_keys; i++)
		if (!strcmp(s->keys[i], s->word))
			return conf_error_set(s->err, s->line,
					      "'%s' is given twice in one entry: keep one",
					      s->word);
	if (s->n_keys == KEYS_MAX)
		return conf_error_set(s->err, s->line, "too many keys in one entry");
	memcpy(s->keys[s->n_keys++], s->word, KEY_BYTES);
	return 0;
}

static int scan_brace(struct scan *s, char c)
{
	if (c == '}') {
		if (!s->depth)
			return conf_error_set(s->err, s->line,
					      "a closing brace too many: remove it");
		s->depth--;
		return 0;
	}
	if (s->depth == DEPTH_MAX || (s->depth == 1) != (s->last == '='))
		return conf_error_set(
			s->err, s->line,
			"a brace opens an entry, or in it after '=' a list, and nothing else: "
			"is the brace of the entry before missing?");
	if (!s->depth)
		s->n_keys = 0;
	s->depth++;
	s->opened = s->line;
	return 0;
}

static int scan_mark(struct scan *s)
{
	char c = *s->at++;
	int r = 0;

	if (c == '=')
		r = scan_equals(s);
	else if (c == '{' || c == '}')
		r = scan_brace(s, c);
	else if (c != ',')
		return conf_error_set(s->err, s->line,
				      "'%c' (0x%02x) outside of quotes: put the value in quotes, "
				      "begin a comment with '#'",
				      c, (unsigned char)c);
	s->last = c;
	return r;
}

static int scan_token(struct scan *s)
{
	char c = *s->at;

	if (c == '\n')
		s->line++;
	if (c == '\n' || c == ' ' || c == '\t') {
		s->at++;
		return 0;
	}
	if (c == '#') {
		const char *nl = memchr(s->at, '\n', s->end - s->at);

		s->at = nl ? nl : s->end;
		return 0;
	}
	if (c == '"' || c == '\'') {
		s->at++;
		return scan_string(s, c);
	}
	return strchr(WORD, c) ? scan_word(s) : scan_mark(s);
}

int conf_scan(const char *text, size_t size, struct conf_error *err)
{
	struct scan s = { .at = text, .end = text + size, .err = err, .line = 1 };
	int r = check_bytes(text, size, err);

	while (r == 0 && s.at < s.end)
		r = scan_token(&s);
	if (r == 0 && s.depth)
		return conf_error_set(err, s.line,
				      "it ends inside the brace opened on line %u: add a '}'",
				      s.opened);
	return r;
}
