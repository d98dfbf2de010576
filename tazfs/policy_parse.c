/* The text of a policy: lines, words, and what a rule is made of. tazfs-policy(5) is its manual. */
#include "tazfs/policy_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* All words up to the one that says what may be done, which is left as the last. */
static int parse_who(struct parse *ps, struct rule *rule)
{
	int r;

	while ((r = parse_next(ps)) > 0) {
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
	while ((r = parse_next(ps)) > 0) {
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

/* A line of one word that is about the whole policy. */
static int parse_directive(struct parse *ps, const char *name, bool *is_set)
{
	int r;

	if (*is_set)
		return parse_fail(ps, ps->column, "%s is given twice", name);
	*is_set = true;
	r = parse_next(ps);
	if (r > 0)
		return parse_fail(ps, ps->column, "%s stands alone on its line", name);
	return r;
}

static int parse_line(struct parse *ps, void *unused)
{
	static const char *const directives[] = { "audit-only", "audit-all", "recheck-always",
						  NULL };
	bool *const flags[] = { &ps->p->audit_only, &ps->p->audit_all, &ps->p->rechecks };
	enum verdict verdict;
	const char *near;
	int r = parse_next(ps);

	if (r <= 0)
		return r;
	for (int i = 0; directives[i]; i++)
		if (!strcmp(ps->word, directives[i]))
			return parse_directive(ps, directives[i], flags[i]);
	near = parse_nearest(ps->word, directives);
	if (near)
		return parse_fail(ps, ps->column, "'%.60s' is unknown: did you mean '%s'?",
				  ps->word, near);
	r = parse_verdict(ps, &verdict);
	return r < 0 ? r : parse_rule(ps, verdict);
}

/* Which rules a path has to be held against, by its first part. */
static void fill_buckets(struct policy *p)
{
	for (unsigned i = 0; i < p->n_rules; i++) {
		if (policy_shows(p->rules[i].verdict))
			p->shows[i / 64] |= 1ull << i % 64;
		for (unsigned g = 0; g < p->rules[i].globs.n; g++) {
			int bucket = glob_bucket(&p->globs[p->rules[i].globs.from + g]);
			unsigned from = bucket < 0 ? 0 : bucket;
			unsigned to = bucket < 0 ? GLOB_BUCKETS : from + 1;

			for (unsigned b = from; b < to; b++)
				p->buckets[b][i / 64] |= 1ull << i % 64;
		}
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
	return parse_lines(ps, p->text, size, parse_line, NULL);
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
