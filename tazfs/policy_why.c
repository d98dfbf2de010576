#include "tazfs/policy_why.h"

#include <stdio.h>
#include <string.h>

#include "tazfs/policy_parse.h"

/* Why a term does not fit: the fact says no, or there is no fact and the rule allows. */
static const struct {
	const char *no, *unknown;
} because[N_TERMS] = {
	[TERM_SESSION] = { "it is a member of no session, or somebody outside could trace it" },
	[TERM_EXE] = { "its program is none of those", "its program is not known" },
	[TERM_PIN] = { "its program has another hash", "its program's hash is not known" },
	[TERM_SCRIPT] = { "its script is none of those", "its script is not known" },
	[TERM_UNDER] = { "neither it nor what started it is one of those",
			 "what started it is not known as far as the session's leader" },
	[TERM_NOT_UNDER] = { "it is one of those, or was started by one",
			     "what started it is not known as far as the session's leader" },
	[TERM_UID] = { "its user is none of those", "its user is not known" },
	[TERM_TTY] = { "it has no terminal" },
	[TERM_TRACED] = { "nothing traces it" },
	[TERM_CLEAN_ENV] = { "its environment makes programs load code, or is not known" },
};

unsigned policy_rules(const struct policy *p)
{
	return p->n_rules;
}

unsigned policy_last_line(const struct policy *p)
{
	return p->n_rules ? p->rules[p->n_rules - 1].line : 0;
}

static const struct rule *rule_of(const struct policy *p, unsigned line)
{
	for (unsigned i = 0; i < p->n_rules; i++)
		if (p->rules[i].line == line)
			return &p->rules[i];
	return NULL;
}

/* The first term that keeps a rule from being for a caller. */
static struct policy_why why_caller(const struct policy *p, const struct rule *rule,
				    const struct facts *facts, const struct file_id *programs)
{
	enum fit least = rule->verdict == VERDICT_ALLOW ? FIT_YES : FIT_UNKNOWN;
	struct policy_why why = { .why = WHY_FITS, .verdict = rule->verdict };

	for (unsigned t = 0; t < N_TERMS; t++) {
		enum fit fit =
			rule->terms >> t & 1 ? policy_term(p, rule, t, facts, programs) : FIT_YES;

		if (fit >= least)
			continue;
		why.why = WHY_CALLER;
		why.term = policy_term_name(t);
		why.because = fit == FIT_NO ? because[t].no : because[t].unknown;
		break;
	}
	return why;
}

struct policy_why policy_why(const struct policy *p, unsigned line, const struct facts *facts,
			     const struct file_id *programs, unsigned may, const char *path)
{
	const struct rule *rule = rule_of(p, line);
	struct policy_why why = { .why = WHY_NO_RULE, .because = "there is no rule" };

	if (!rule)
		return why;
	why.verdict = rule->verdict;
	if (!policy_path(p, rule, path, strlen(path))) {
		why.why = WHY_PATH;
		why.because = "it is about other paths";
		return why;
	}
	if (!(rule->may & may)) {
		why.why = WHY_OPERATION;
		why.because = "it is about other operations";
		return why;
	}
	return why_caller(p, rule, facts, programs);
}

static bool has_value(const struct policy *p, const struct range *of, const struct value *v)
{
	for (unsigned i = of->from; i < of->from + of->n; i++)
		if (p->values[i].number == v->number &&
		    !memcmp(p->values[i].hash, v->hash, sizeof(v->hash)))
			return true;
	return false;
}

/* Is every value of @a one of @b? */
static bool values_in(const struct policy *p, const struct range *a, const struct range *b)
{
	for (unsigned i = a->from; i < a->from + a->n; i++)
		if (!has_value(p, b, &p->values[i]))
			return false;
	return true;
}

/* Does the term of @first fit whenever that of @then does, as far as it is easily told? */
static bool implied(const struct policy *p, enum term t, const struct rule *first,
		    const struct rule *then)
{
	const struct range *a = &first->values[t], *b = &then->values[t];

	if (!(then->terms >> t & 1))
		return false;
	/* Of several values one must fit; of several to be not under, all. */
	return t == TERM_NOT_UNDER ? values_in(p, a, b) : values_in(p, b, a);
}

#define ALWAYS_KNOWN \
	(1u << TERM_SESSION | 1u << TERM_TTY | 1u << TERM_TRACED | 1u << TERM_CLEAN_ENV)
#define ALWAYS_FIT (1u << TERM_ANY | 1u << TERM_INTERPRETER_OK)

/* Is @first for everybody that @then is for? */
static bool is_for_all_of(const struct policy *p, const struct rule *first, const struct rule *then)
{
	/* What is not known fits only one of them. */
	bool differ = first->verdict == VERDICT_ALLOW && then->verdict != VERDICT_ALLOW;

	for (unsigned t = 0; t < N_TERMS; t++) {
		unsigned bit = 1u << t;

		if (!(first->terms & bit) || bit & ALWAYS_FIT)
			continue;
		if (!implied(p, t, first, then) || (differ && !(bit & ALWAYS_KNOWN)))
			return false;
	}
	return true;
}

static bool covers(const struct policy *p, const struct rule *rule, const struct glob *g)
{
	for (unsigned i = 0; i < rule->globs.n; i++)
		if (glob_covers(&p->globs[rule->globs.from + i], g))
			return true;
	return false;
}

/* What is left to decide of one glob of rule @n; the last of those before that took some. */
static unsigned left_over(const struct policy *p, unsigned n, const struct glob *g, unsigned *taker)
{
	unsigned may = p->rules[n].may;

	for (unsigned i = 0; may && i < n; i++) {
		const struct rule *first = &p->rules[i];

		if (!(first->may & may) || !is_for_all_of(p, first, &p->rules[n]) ||
		    !covers(p, first, g))
			continue;
		may &= ~first->may;
		*taker = first->line;
	}
	return may;
}

static bool never_decides(const struct policy *p, unsigned n, unsigned *taker)
{
	const struct range *globs = &p->rules[n].globs;

	for (unsigned i = globs->from; i < globs->from + globs->n; i++)
		if (left_over(p, n, &p->globs[i], taker))
			return false;
	return true;
}

unsigned policy_check(const struct policy *p, struct policy_error *ret, unsigned max)
{
	unsigned n = 0, taker = 0;

	for (unsigned i = 0; i < p->n_rules; i++) {
		if (!never_decides(p, i, &taker))
			continue;
		if (n < max) {
			ret[n].line = p->rules[i].line;
			ret[n].column = 1;
			snprintf(ret[n].text, sizeof(ret[n].text),
				 "this rule never decides: line %u comes first, for everybody and "
				 "everything in it",
				 taker);
		}
		n++;
	}
	return n;
}
