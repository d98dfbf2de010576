/*
 * What decides, in prose
 *
 * A rule is for a caller when each of its terms fits. A fact that is unknown makes a term fit in
 * every rule but an allow: who can't be told from an AI agent is refused what the agent is refused,
 * and is given nothing that only ssh is given.
 *
 * For one operation on one path, the first rule decides that is for the caller, names the
 * operation, and has a glob that fits. None: deny. Several operations at once: each by itself, and
 * the strictest answer counts. A decoy comes before everything, so that it can't be opened unharmed
 * by asking for more than it forbids; hide comes before deny, which would tell that the file is
 * there.
 */
#include <stdlib.h>
#include <string.h>

#include "enclave/base/hash.h"
#include "tazfs/policy_priv.h"

#define WORDS (POLICY_RULES_MAX / 64)

const char *policy_text(const struct policy *p, size_t *ret_size)
{
	*ret_size = p->size;
	return p->text;
}

size_t policy_line(const struct policy *p, unsigned line, const char **ret)
{
	const char *at = p->text, *end = p->text + p->size, *nl;

	*ret = "";
	if (!line)
		return 0;
	while (at < end && --line) {
		nl = memchr(at, '\n', end - at);
		at = nl ? nl + 1 : end;
	}
	if (at == end)
		return 0;
	nl = memchr(at, '\n', end - at);
	*ret = at;
	return (nl ? nl : end) - at;
}

unsigned policy_needs(const struct policy *p)
{
	return p->needs;
}

bool policy_audit_all(const struct policy *p)
{
	return p->audit_all;
}

bool policy_audit_only(const struct policy *p)
{
	return p->audit_only;
}

bool policy_rechecks(const struct policy *p)
{
	return p->rechecks;
}

unsigned policy_programs(const struct policy *p, const char *const **ret)
{
	*ret = (const char *const *)p->programs;
	return p->n_programs;
}

static bool same_file(const struct file_id *a, const struct file_id *b)
{
	return a->ino && a->ino == b->ino && a->dev == b->dev;
}

/* Is that file one of those that the term names? */
static bool named(const struct policy *p, const struct range *of, const struct file_id *programs,
		  const struct file_id *file)
{
	for (unsigned i = of->from; i < of->from + of->n; i++)
		if (same_file(&programs[p->values[i].number], file))
			return true;
	return false;
}

/* Is there anything now that the term names? If not, then nobody runs it. */
static bool any_there(const struct policy *p, const struct range *of,
		      const struct file_id *programs)
{
	for (unsigned i = of->from; i < of->from + of->n; i++)
		if (programs[p->values[i].number].ino)
			return true;
	return false;
}

static enum fit fit(bool yes)
{
	return yes ? FIT_YES : FIT_NO;
}

static enum fit fit_exe(const struct policy *p, const struct range *of, const struct facts *f,
			const struct file_id *programs)
{
	if (!any_there(p, of, programs))
		return FIT_NO;
	if (!f->n_chain || !f->chain[0].known || !f->chain[0].exe.ino)
		return FIT_UNKNOWN;
	return fit(named(p, of, programs, &f->chain[0].exe));
}

/* A guess is enough to be refused for, and not to be allowed. */
static enum fit fit_script_of(const struct policy *p, const struct range *of,
			      const struct program *one, const struct file_id *programs)
{
	if (named(p, of, programs, &one->script))
		return one->doubt ? FIT_UNKNOWN : FIT_YES;
	return one->doubt && !one->script.ino ? FIT_UNKNOWN : FIT_NO;
}

static enum fit fit_script(const struct policy *p, const struct range *of, const struct facts *f,
			   const struct file_id *programs)
{
	if (!any_there(p, of, programs))
		return FIT_NO;
	if (!f->n_chain || !f->chain[0].known)
		return FIT_UNKNOWN;
	return fit_script_of(p, of, &f->chain[0], programs);
}

static enum fit fit_pin(const struct policy *p, const struct range *of, const struct facts *f)
{
	if (!f->n_chain || !f->chain[0].known || !f->chain[0].hashed)
		return FIT_UNKNOWN;
	for (unsigned i = of->from; i < of->from + of->n; i++)
		if (!memcmp(p->values[i].hash, f->chain[0].hash, FACTS_HASH_BYTES))
			return FIT_YES;
	return FIT_NO;
}

static enum fit fit_under(const struct policy *p, const struct range *of, const struct facts *f,
			  const struct file_id *programs)
{
	bool gap = !f->whole || !f->n_chain;

	if (!any_there(p, of, programs))
		return FIT_NO;
	for (unsigned i = 0; i < f->n_chain && i < FACTS_CHAIN_MAX; i++) {
		const struct program *one = &f->chain[i];
		enum fit script = fit_script_of(p, of, one, programs);

		if (one->known && (named(p, of, programs, &one->exe) || script == FIT_YES))
			return FIT_YES;
		gap |= !one->known || !one->exe.ino || script == FIT_UNKNOWN;
	}
	return gap ? FIT_UNKNOWN : FIT_NO;
}

static enum fit fit_uid(const struct policy *p, const struct range *of, const struct facts *f)
{
	if (f->uid == (uid_t)-1)
		return FIT_UNKNOWN;
	for (unsigned i = of->from; i < of->from + of->n; i++)
		if (p->values[i].number == f->uid)
			return FIT_YES;
	return FIT_NO;
}

enum fit policy_term(const struct policy *p, const struct rule *rule, enum term term,
		     const struct facts *f, const struct file_id *programs)
{
	const struct range *of = &rule->values[term];

	switch (term) {
	case TERM_ANY:
	case TERM_INTERPRETER_OK: /* said to the parser */
		return FIT_YES;
	case TERM_SESSION:
		return fit(f->session && !f->open);
	case TERM_EXE:
		return fit_exe(p, of, f, programs);
	case TERM_PIN:
		return fit_pin(p, of, f);
	case TERM_SCRIPT:
		return fit_script(p, of, f, programs);
	case TERM_UNDER:
		return fit_under(p, of, f, programs);
	case TERM_NOT_UNDER:
		return FIT_YES - fit_under(p, of, f, programs);
	case TERM_UID:
		return fit_uid(p, of, f);
	case TERM_TTY:
		return fit(f->tty);
	case TERM_TRACED:
		return fit(f->traced);
	case TERM_CLEAN_ENV:
		return fit(f->clean_env);
	default:
		return FIT_UNKNOWN;
	}
}

static bool rule_is_for(const struct policy *p, const struct rule *rule, const struct facts *f,
			const struct file_id *programs)
{
	enum fit least = rule->verdict == VERDICT_ALLOW ? FIT_YES : FIT_UNKNOWN;

	for (unsigned t = 0; t < N_TERMS; t++)
		if (rule->terms >> t & 1 && policy_term(p, rule, t, f, programs) < least)
			return false;
	return true;
}

struct policy_who policy_who(const struct policy *p, const struct facts *facts,
			     const struct file_id *programs)
{
	struct policy_who who = { 0 };

	for (unsigned i = 0; i < p->n_rules; i++)
		if (rule_is_for(p, &p->rules[i], facts, programs))
			who.rules[i / 64] |= 1ull << i % 64;
	return who;
}

#define PATH_TERMS (1u << TERM_EXE | 1u << TERM_SCRIPT | 1u << TERM_UNDER | 1u << TERM_NOT_UNDER)

/* Which of a rule's terms is about programs that are worth remembering. */
static unsigned watching(const struct rule *rule)
{
	return rule->terms & (rule->verdict == VERDICT_ALLOW ? 1u << TERM_NOT_UNDER : PATH_TERMS);
}

bool policy_watches(const struct policy *p, unsigned program)
{
	for (unsigned i = 0; i < p->n_rules; i++)
		for (unsigned t = 0; t < N_TERMS; t++) {
			const struct range *of = &p->rules[i].values[t];

			for (unsigned v = of->from; v < of->from + of->n; v++)
				if (watching(&p->rules[i]) >> t & 1 &&
				    p->values[v].number == program)
					return true;
		}
	return false;
}

/* Do those of the terms fit whose bit is in @terms? */
static enum fit fit_before(const struct policy *p, const struct rule *rule, unsigned terms,
			   const struct facts *f, const struct file_id *programs)
{
	enum fit least = FIT_YES;

	for (unsigned t = 0; t < N_TERMS; t++) {
		enum fit fit = FIT_UNKNOWN;

		if (!(rule->terms & terms & 1u << t))
			continue;
		if (programs || !(PATH_TERMS >> t & 1))
			fit = policy_term(p, rule, t, f, programs);
		if (fit < least)
			least = fit;
	}
	return least;
}

void policy_who_before(const struct policy *p, const struct facts *f,
		       const struct file_id *programs, struct policy_who *who)
{
	for (unsigned i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		uint64_t bit = 1ull << i % 64;

		if (!watching(rule))
			continue;
		if (rule->verdict != VERDICT_ALLOW) {
			if (fit_before(p, rule, ~0u, f, programs) != FIT_NO)
				who->rules[i / 64] |= bit;
		} else if (fit_before(p, rule, 1u << TERM_NOT_UNDER, f, programs) != FIT_YES) {
			who->rules[i / 64] &= ~bit;
		}
	}
}

bool policy_path(const struct policy *p, const struct rule *rule, const char *path, size_t len)
{
	const struct glob *g = &p->globs[rule->globs.from];

	for (const struct glob *end = g + rule->globs.n; g < end; g++)
		if (glob_fits(g, path, len))
			return true;
	return false;
}

static bool stricter(enum verdict a, enum verdict b)
{
	static const unsigned char rank[] = {
		[VERDICT_DECOY] = 0, [VERDICT_HIDE] = 1,  [VERDICT_DENY] = 2,
		[VERDICT_ASK] = 3,   [VERDICT_ALLOW] = 4,
	};

	return rank[a] < rank[b];
}

/* The rules that are left for one caller and one path, in order. */
struct left {
	const struct policy *p;
	uint64_t rules[WORDS];
	unsigned word;
};

static struct left left_of(const struct policy *p, const struct policy_who *who,
			   const uint64_t *bucket)
{
	struct left l = { .p = p };

	for (unsigned i = 0; i < WORDS; i++)
		l.rules[i] = bucket ? who->rules[i] & bucket[i] : who->rules[i];
	return l;
}

static const struct rule *next_rule(struct left *l)
{
	unsigned bit;

	while (l->word < WORDS && !l->rules[l->word])
		l->word++;
	if (l->word == WORDS)
		return NULL;
	bit = __builtin_ctzll(l->rules[l->word]);
	l->rules[l->word] &= l->rules[l->word] - 1;
	return &l->p->rules[l->word * 64 + bit];
}

struct decision policy_decide(const struct policy *p, const struct policy_who *who, unsigned may,
			      const char *path)
{
	size_t len = strlen(path);
	struct left l = left_of(p, who, p->buckets[glob_path_bucket(path, len)]);
	struct decision worst = { .verdict = VERDICT_ALLOW };
	const struct rule *rule;

	if (!may)
		worst.verdict = VERDICT_DENY;
	while (may && (rule = next_rule(&l))) {
		if (!(rule->may & may) || !policy_path(p, rule, path, len))
			continue;
		if (!worst.line || stricter(rule->verdict, worst.verdict))
			worst = (struct decision){ rule->verdict, rule->line };
		may &= ~rule->may;
	}
	if (may && stricter(VERDICT_DENY, worst.verdict))
		worst = (struct decision){ .verdict = VERDICT_DENY };
	return worst;
}

enum { AT = 1, DEEP = 2, BELOW = 4 };

/*
 * How a rule's globs meet a path: at it, at it and all that is below, or, if @below asks for it,
 * only at what is below.
 */
static unsigned meets(const struct policy *p, const struct rule *rule, const char *path, size_t len,
		      bool below)
{
	unsigned how = 0;

	for (unsigned i = 0; i < rule->globs.n; i++) {
		const struct glob *g = &p->globs[rule->globs.from + i];

		if (glob_fits(g, path, len))
			how |= g->deep ? AT | DEEP : AT;
		else if (below && !(how & BELOW) && glob_below(g, path, len))
			how |= BELOW;
	}
	return how;
}

struct decision policy_look(const struct policy *p, const struct policy_who *who, const char *path)
{
	size_t len = strlen(path);
	struct left l = left_of(p, who, p->buckets[glob_path_bucket(path, len)]);
	unsigned at = MAY_ALL, below = MAY_ALL; /* what no rule has refused yet */
	struct decision refused = { .verdict = VERDICT_DENY };
	const struct rule *rule;

	/* Everything is below the root, whatever its first part is. */
	for (unsigned i = 0; !len && i < WORDS; i++)
		l.rules[i] |= who->rules[i] & p->shows[i];
	while (at && (rule = next_rule(&l))) {
		bool shows = policy_shows(rule->verdict);
		unsigned how = meets(p, rule, path, len, shows);

		if (shows) {
			if ((how & AT && rule->may & at) || (how & BELOW && rule->may & below))
				return (struct decision){ VERDICT_ALLOW, rule->line };
			continue;
		}
		if (how & AT && rule->may & at &&
		    (!refused.line || stricter(rule->verdict, refused.verdict)))
			refused = (struct decision){ rule->verdict, rule->line };
		if (how & AT)
			at &= ~rule->may;
		if (how & DEEP)
			below &= ~rule->may;
	}
	return refused;
}

struct decision policy_decide_tree(const struct policy *p, const struct policy_who *who,
				   const char *path)
{
	size_t len = strlen(path);
	struct left l = left_of(p, who, len ? p->buckets[glob_path_bucket(path, len)] : NULL);
	unsigned left = MAY_ALL; /* what no rule has allowed yet for all of it */
	const struct rule *rule;

	while ((rule = next_rule(&l))) {
		unsigned how = meets(p, rule, path, len, true);

		if (!(rule->may & left) || !how)
			continue;
		if (rule->verdict != VERDICT_ALLOW)
			return (struct decision){ VERDICT_DENY, rule->line };
		if (how & DEEP)
			left &= ~rule->may;
		if (!left)
			return (struct decision){ VERDICT_ALLOW, rule->line };
	}
	return (struct decision){ .verdict = VERDICT_DENY };
}

/* Does the rule fit every path, for each member of a session? */
static bool is_general(const struct policy *p, const struct rule *rule)
{
	if (rule->terms & ~(1u << TERM_ANY | 1u << TERM_SESSION))
		return false;
	for (unsigned i = 0; i < rule->globs.n; i++) {
		const struct glob *g = &p->globs[rule->globs.from + i];

		if (g->kind == GLOB_TREE && !g->literal_len)
			return true;
	}
	return false;
}

bool policy_is_even(const struct policy *p)
{
	unsigned refused = 0; /* to somebody, somewhere */

	for (unsigned i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];

		if (!policy_shows(rule->verdict))
			refused |= rule->may;
		else if (rule->may & ~refused && is_general(p, rule))
			return true;
	}
	return false;
}

void policy_sum(const char *text, size_t size, char hex[POLICY_SUM_MAX])
{
	unsigned char sum[32];
	struct hash_sha256 h;

	hash_sha256_init(&h);
	hash_sha256_add(&h, text, size);
	hash_sha256_end(&h, sum);
	hash_hex_of(sum, POLICY_SUM_MAX / 2, hex);
}
