/* policy_priv - a policy as policy_parse.c leaves it; for policy*.c only */
#ifndef TAZ_TAZFS_POLICY_PRIV_H
#define TAZ_TAZFS_POLICY_PRIV_H

#include "tazfs/glob.h"
#include "tazfs/policy.h"

#define POLICY_GLOBS_MAX 2048 /* of all rules together */

enum term {
	TERM_ANY,
	TERM_SESSION,
	TERM_EXE,
	TERM_PIN,
	TERM_SCRIPT,
	TERM_UNDER,
	TERM_NOT_UNDER,
	TERM_UID,
	TERM_TTY,
	TERM_TRACED,
	TERM_CLEAN_ENV,
	TERM_INTERPRETER_OK,
	N_TERMS,
};

/* What one of a term's values is depends on the term. */
struct value {
	unsigned number; /* a uid, or an index of policy.programs */
	unsigned char hash[FACTS_HASH_BYTES];
};

struct range {
	unsigned from, n;
};

struct rule {
	enum verdict verdict;
	unsigned line;
	unsigned terms;		      /* 1 << TERM_*: all must fit */
	struct range values[N_TERMS]; /* of policy.values: one must fit */
	unsigned may;
	struct range globs; /* of policy.globs: one must fit */
};

struct policy {
	char *text;
	size_t size;
	bool audit_only, audit_all, rechecks;
	unsigned needs;
	struct rule *rules;
	unsigned n_rules;
	char **programs;
	unsigned n_programs;
	struct value *values;
	unsigned n_values;
	struct glob *globs;
	unsigned n_globs;
	/* Rules that may fit a path whose first part has that bucket. */
	uint64_t buckets[GLOB_BUCKETS][POLICY_RULES_MAX / 64];
	/* Rules that show something: all but deny and hide. */
	uint64_t shows[POLICY_RULES_MAX / 64];
};

enum fit { FIT_NO, FIT_UNKNOWN, FIT_YES };

/* policy_term - does one term of a rule fit? FIT_UNKNOWN counts unless the rule is an allow. */
enum fit policy_term(const struct policy *p, const struct rule *rule, enum term term,
		     const struct facts *facts, const struct file_id *programs);

/* policy_path - does one of a rule's globs fit? */
bool policy_path(const struct policy *p, const struct rule *rule, const char *path, size_t len);

/* policy_shows - a verdict that leaves a file to be seen */
static inline bool policy_shows(enum verdict v)
{
	return v != VERDICT_DENY && v != VERDICT_HIDE;
}

/* policy_refuses - a verdict that is neither allow nor ask */
static inline bool policy_refuses(enum verdict v)
{
	return v != VERDICT_ALLOW && v != VERDICT_ASK;
}

#endif
