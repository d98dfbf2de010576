/*
 * policy - the rules of a view: who may do what with which file. Pure: no call into the kernel.
 *
 * A text of one rule a line, tazfs-policy(5): verdict, who, may, globs. The first rule that fits
 * decides; if none fits it is deny. A rule's "who" is judged once for a caller (policy_who()), so
 * that a decision only looks at the rules that are left.
 */
#ifndef TAZ_TAZFS_POLICY_H
#define TAZ_TAZFS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tazfs/facts.h"

#define POLICY_RULES_MAX    256
#define POLICY_PROGRAMS_MAX 512
#define POLICY_BYTES_MAX    65536

enum verdict {
	VERDICT_DENY,  /* EACCES */
	VERDICT_HIDE,  /* ENOENT, and left out of listings */
	VERDICT_DECOY, /* deny, and lock the vault at once */
	VERDICT_ASK,
	VERDICT_ALLOW,
};

enum may {
	MAY_READ = 1,
	MAY_WRITE = 2,
	MAY_CREATE = 4,
	MAY_DELETE = 8,
	MAY_EXECUTE = 16,
	MAY_LIST = 32,
	MAY_ALL = 63,
};

#define POLICY_LETTERS "rwcdxl" /* how they are written, in the order of enum may */

/* policy_verdict_name - "deny", "hide"... */
const char *policy_verdict_name(enum verdict v);

struct policy;

struct policy_error {
	unsigned line, column; /* from 1; column in bytes */
	char text[240];	       /* what is wrong, and what was perhaps meant */
};

/*
 * policy_parse - @text need not end in NUL; at most POLICY_BYTES_MAX
 * Returns 0, -EINVAL with @ret_error filled, or -ENOMEM. The text is copied.
 */
int policy_parse(const char *text, size_t size, struct policy **ret,
		 struct policy_error *ret_error);
void policy_free(struct policy *p); /* NULL is allowed */

#define POLICY_SUM_MAX 17

/*
 * policy_sum - what the audit calls a policy by: what "sha256sum FILE" of its text begins with
 * @hex: 16 digits and a NUL
 */
void policy_sum(const char *text, size_t size, char hex[POLICY_SUM_MAX]);

/* policy_text - as it was given to policy_parse(), with its size */
const char *policy_text(const struct policy *p, size_t *ret_size);

/* policy_line - the text of a line, without its end; "" for line 0. Returns its length. */
size_t policy_line(const struct policy *p, unsigned line, const char **ret);

/* policy_needs - FACT_* that some rule asks for */
unsigned policy_needs(const struct policy *p);

/* policy_audit_all - what is allowed is recorded, too */
bool policy_audit_all(const struct policy *p);

/* policy_audit_only - nothing is refused, what would have been is recorded */
bool policy_audit_only(const struct policy *p);

/* policy_rechecks - reads and writes of open files are decided again, by who makes them */
bool policy_rechecks(const struct policy *p);

/*
 * policy_programs - the programs that its rules name: absolute paths, each once
 * Returns how many. The caller of policy_who() says what file is there now.
 */
unsigned policy_programs(const struct policy *p, const char *const **ret);

/* Which rules' "who" fits a caller; a value that may be kept as long as the facts are true. */
struct policy_who {
	uint64_t rules[POLICY_RULES_MAX / 64];
};

/* policy_who - @programs: what each of policy_programs() is, ino 0 when there is nothing */
struct policy_who policy_who(const struct policy *p, const struct facts *facts,
			     const struct file_id *programs);

/*
 * policy_watches - does a rule refuse who runs, or does one only allow who is not under, the
 * program of that index in policy_programs()?
 */
bool policy_watches(const struct policy *p, unsigned program);

/*
 * policy_who_before - the same caller by what was at the programs' paths before
 * An AI agent that is updated while it runs is still one: rules that refuse are added, and those
 * taken away that allow only who is not under it.
 * @programs: as for policy_who(), at another time; NULL: not known, so it may have been anyone's
 * @who: in and out
 */
void policy_who_before(const struct policy *p, const struct facts *facts,
		       const struct file_id *programs, struct policy_who *who);

struct decision {
	enum verdict verdict;
	unsigned line; /* of the rule in its text; 0: none fits */
};

/*
 * policy_decide - may it do all of @may?
 * @may: bits of enum may; each is decided by itself, the strictest verdict counts: decoy, hide,
 *	deny, ask, allow in this order. None of them, or one that is not known, is deny.
 * @path: below the root, without a leading '/'; "" is the root
 */
struct decision policy_decide(const struct policy *p, const struct policy_who *who, unsigned may,
			      const char *path);

/*
 * policy_look - may it learn that the file is there, and its attributes?
 * Allow when it may do anything with it, or with something that can be below it and that no rule
 * before has refused together with all that is beside it. To be asked counts, and so does a decoy:
 * one that could not be seen would never be opened. A path that rules have refused for everything
 * is not seen, whatever later rules say of what would be below. Otherwise the verdict is hide if
 * one of the rules says so that refuse something there, or else deny.
 */
struct decision policy_look(const struct policy *p, const struct policy_who *who, const char *path);

/*
 * policy_decide_tree - may it do everything with @path, and with whatever can be below it?
 * When it may not, or that cannot be told, the decision is deny, by the rule that stands against
 * it.
 */
struct decision policy_decide_tree(const struct policy *p, const struct policy_who *who,
				   const char *path);

/*
 * policy_is_even - does every caller that a session lets in see the same names everywhere?
 * True only if one of the first rules shows everything to all of them.
 */
bool policy_is_even(const struct policy *p);

#endif
