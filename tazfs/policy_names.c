#include "tazfs/policy_names.h"

#include <string.h>

#include "tazfs/policy_priv.h"

#define OTHER_INO (POLICY_PROGRAMS_MAX + 1) /* of every program that the policy does not name */

static const struct rule *rule_of(const struct policy *p, unsigned line)
{
	for (unsigned i = 0; i < p->n_rules; i++)
		if (p->rules[i].line == line)
			return &p->rules[i];
	return NULL;
}

static bool is_everything(const struct glob *g)
{
	return g->kind == GLOB_TREE && !g->literal_len;
}

bool policy_verdict_of(const struct policy *p, unsigned line, enum verdict *ret)
{
	const struct rule *rule = rule_of(p, line);

	if (rule)
		*ret = rule->verdict;
	return rule;
}

bool policy_on_purpose(const struct policy *p, unsigned line)
{
	const struct rule *rule = rule_of(p, line);

	if (!rule || !policy_refuses(rule->verdict))
		return false;
	if (rule->verdict == VERDICT_DECOY || rule->may != MAY_ALL ||
	    rule->terms & ~(1u << TERM_ANY | 1u << TERM_SESSION))
		return true;
	for (unsigned i = 0; i < rule->globs.n; i++)
		if (is_everything(&p->globs[rule->globs.from + i]))
			return false;
	return true;
}

static bool names(const struct policy *p, const struct rule *rule, const char *path, bool below)
{
	size_t len = strlen(path);

	for (unsigned i = 0; i < rule->globs.n; i++) {
		const struct glob *g = &p->globs[rule->globs.from + i];

		if (!is_everything(g) &&
		    (glob_fits(g, path, len) || (below && glob_below(g, path, len))))
			return true;
	}
	return false;
}

unsigned policy_refuses_at(const struct policy *p, const char *path, bool below, unsigned after)
{
	for (unsigned i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];

		if (rule->line > after && policy_refuses(rule->verdict) &&
		    names(p, rule, path, below))
			return rule->line;
	}
	return 0;
}

unsigned policy_conditions(const struct policy *p, const struct facts *facts,
			   const struct file_id *programs, unsigned may, const char *path)
{
	for (unsigned i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];

		if (!policy_refuses(rule->verdict) && rule->terms >> TERM_EXE & 1 &&
		    (rule->may & may || !may) && policy_path(p, rule, path, strlen(path)) &&
		    policy_term(p, rule, TERM_EXE, facts, programs) == FIT_YES)
			return rule->line;
	}
	return 0;
}

struct file_id policy_by_path(const struct policy *p, const char *path)
{
	const char *const *programs;
	unsigned n = policy_programs(p, &programs);

	for (unsigned i = 0; i < n; i++)
		if (!strcmp(programs[i], path))
			return (struct file_id){ .dev = 1, .ino = i + 1 };
	return (struct file_id){ .dev = 1, .ino = OTHER_INO };
}

void policy_all_by_path(const struct policy *p, struct file_id *ret)
{
	const char *const *programs;
	unsigned n = policy_programs(p, &programs);

	for (unsigned i = 0; i < n; i++)
		ret[i] = (struct file_id){ .dev = 1, .ino = i + 1 };
}
