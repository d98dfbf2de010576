/*
 * policy_why - for people: why a rule does not decide, and which rules can't do what they seem to.
 * Pure.
 */
#ifndef TAZ_TAZFS_POLICY_WHY_H
#define TAZ_TAZFS_POLICY_WHY_H

#include "tazfs/policy.h"

enum why {
	WHY_NO_RULE,   /* there is none in that line */
	WHY_PATH,      /* none of its globs fits */
	WHY_OPERATION, /* it is about other operations */
	WHY_CALLER,    /* it is for others */
	WHY_FITS,      /* it decides, unless one before has */
};

struct policy_why {
	enum why why;
	enum verdict verdict; /* the rule's */
	/* With WHY_CALLER the first term that does not fit, as it is written: "exe=", "tty". */
	const char *term;
	const char *because; /* half a sentence, for a person */
};

/* policy_why - how the rule of @line meets a request; the other arguments as for policy_who() */
struct policy_why policy_why(const struct policy *p, unsigned line, const struct facts *facts,
			     const struct file_id *programs, unsigned may, const char *path);

/* policy_rules - how many rules there are; policy_last_line - the line of the last, or 0 */
unsigned policy_rules(const struct policy *p);
unsigned policy_last_line(const struct policy *p);

/*
 * policy_check - rules that can never decide, because others before always do
 * @ret: room for @max; line, column and what it is about, as of an error
 * Returns how many there are, which may be more than @max.
 */
unsigned policy_check(const struct policy *p, struct policy_error *ret, unsigned max);

#endif
