/* The text of a policy: lines, words, and what a rule is made of. tazfs-policy(5) is its manual. */
#include "tazfs/policy_parse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATIONS "rwcdxl" /* in the order of enum may */

static const char *const verdicts[] = {
	[VERDICT_DENY] = "deny", [VERDICT_HIDE] = "hide",   [VERDICT_DECOY] = "decoy",
	[VERDICT_ASK] = "ask",	 [VERDICT_ALLOW] = "allow", NULL,
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

		n = glob_char(text + i, size - i);
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

/* Returns 1, 0 at the end of the line, or -EINVAL. */
static int next_word(struct parse *ps)
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

unsigned parse_may(const char *word)
{
	unsigned may = 0;

	if (!strcmp(word, "-"))
		return MAY_ALL;
	for (; *word; word++) {
		const char *at = strchr(OPERATIONS, *word);
		unsigned bit = at ? 1u << (at - OPERATIONS) : 0;

		if (!bit || may & bit)
			return 0;
		may |= bit;
	}
	return may;
}

/* All words up to the one that says what may be done, which is left as the last. */
static int parse_who(struct parse *ps, struct rule *rule)
{
	int r;

	while ((r = next_word(ps)) > 0) {
		rule->may = parse_may(ps->word);
		if (rule->may)
			return parse_who_check(ps, rule);
		r = parse_term(ps, rule);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	return parse_fail(ps, ps->column, "the line ends before %swhat may be done and a path",
			  rule->terms ? "" : "who, ");
}

static int parse_glob(struct parse *ps, struct rule *rule)
{
	struct policy *p = ps->p;
	struct glob_error why = { 0 };
	int r;

	if (p->n_globs == POLICY_GLOBS_MAX)
		return parse_fail(ps, ps->column, "more than %d paths", POLICY_GLOBS_MAX);
	r = parse_room(&p->globs, p->n_globs, sizeof(*p->globs));
	if (r < 0)
		return r;
	if (ps->word[0] == '/' || ps->word[0] == '~')
		return parse_fail(ps, ps->column,
				  "a path begins below the root of the vault: ssh/id_rsa, not "
				  "~/secrets/ssh/id_rsa%s",
				  ps->word[0] == '~' ? "; a real '~' is written \\~" : "");
	r = glob_init(&p->globs[p->n_globs], ps->word, ps->len, &why);
	if (r == -EINVAL)
		return parse_fail(ps, ps->column + why.at, "%s", why.why);
	if (r < 0)
		return r;
	p->n_globs++;
	rule->globs.n++;
	return 0;
}

static int parse_globs(struct parse *ps, struct rule *rule)
{
	int r;

	rule->globs.from = ps->p->n_globs;
	while ((r = next_word(ps)) > 0) {
		r = parse_glob(ps, rule);
		if (r < 0)
			return r;
	}
	if (r == 0 && !rule->globs.n)
		return parse_fail(ps, ps->column,
				  "the line ends before a path: write ** for everything");
	return r;
}

static int parse_rule(struct parse *ps, enum verdict verdict)
{
	struct policy *p = ps->p;
	struct rule rule = { .verdict = verdict, .line = ps->line };
	int r;

	if (p->n_rules == POLICY_RULES_MAX)
		return parse_fail(ps, ps->column, "more than %d rules", POLICY_RULES_MAX);
	r = parse_room(&p->rules, p->n_rules, sizeof(*p->rules));
	if (r == 0)
		r = parse_who(ps, &rule);
	if (r == 0)
		r = parse_globs(ps, &rule);
	if (r == 0)
		p->rules[p->n_rules++] = rule;
	return r;
}

static int parse_audit_only(struct parse *ps)
{
	int r;

	if (ps->p->audit_only)
		return parse_fail(ps, ps->column, "audit-only is given twice");
	ps->p->audit_only = true;
	r = next_word(ps);
	if (r > 0)
		return parse_fail(ps, ps->column, "audit-only stands alone on its line");
	return r;
}

static int parse_line(struct parse *ps)
{
	static const char *const words[] = { "allow", "deny",	    "hide", "ask",
					     "decoy", "audit-only", NULL };
	const char *meant;
	int r = next_word(ps);

	if (r <= 0)
		return r;
	if (!strcmp(ps->word, "audit-only"))
		return parse_audit_only(ps);
	for (unsigned v = 0; verdicts[v]; v++)
		if (!strcmp(ps->word, verdicts[v]))
			return parse_rule(ps, v);
	meant = parse_nearest(ps->word, words);
	return parse_fail(ps, ps->column, "'%.60s' is no verdict: %s%s%s", ps->word,
			  meant ? "did you mean '" : "a line begins with allow, deny, hide, ask ",
			  meant ? meant : "or decoy, or is audit-only alone", meant ? "'?" : "");
}

static int parse_lines(struct parse *ps, const char *text, size_t size)
{
	const char *end = text + size;
	int r = check_bytes(ps, text, size);

	for (; r == 0 && text < end; ps->line++) {
		const char *nl = memchr(text, '\n', end - text);

		ps->start = ps->at = text;
		ps->end = nl ? nl : end;
		r = parse_line(ps);
		text = nl ? nl + 1 : end;
	}
	return r;
}

/* Which rules a path has to be held against, by its first part. */
static void fill_buckets(struct policy *p)
{
	for (unsigned i = 0; i < p->n_rules; i++)
		for (unsigned g = 0; g < p->rules[i].globs.n; g++) {
			int bucket = glob_bucket(&p->globs[p->rules[i].globs.from + g]);
			unsigned from = bucket < 0 ? 0 : bucket;
			unsigned to = bucket < 0 ? GLOB_BUCKETS : from + 1;

			for (unsigned b = from; b < to; b++)
				p->buckets[b][i / 64] |= 1ull << i % 64;
		}
}

static int parse_new(struct parse *ps, const char *text, size_t size)
{
	struct policy *p = ps->p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->size = size;
	p->text = malloc(size + 1);
	ps->word = malloc(size + 1);
	if (!p->text || !ps->word)
		return -ENOMEM;
	memcpy(p->text, text, size);
	p->text[size] = '\0';
	return parse_lines(ps, p->text, size);
}

int policy_parse(const char *text, size_t size, struct policy **ret, struct policy_error *ret_error)
{
	struct parse ps = { .err = ret_error, .line = 1 };
	int r;

	*ret_error = (struct policy_error){ 0 };
	if (size > POLICY_BYTES_MAX)
		return parse_fail(&ps, 1, "a policy of more than %d KiB", POLICY_BYTES_MAX >> 10);
	r = parse_new(&ps, text, size);
	free(ps.word);
	if (r < 0) {
		policy_free(ps.p);
		return r;
	}
	fill_buckets(ps.p);
	*ret = ps.p;
	return 0;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->n_globs; i++)
		glob_done(&p->globs[i]);
	for (unsigned i = 0; i < p->n_programs; i++)
		free(p->programs[i]);
	free(p->globs);
	free(p->programs);
	free(p->values);
	free(p->rules);
	free(p->text);
	free(p);
}
