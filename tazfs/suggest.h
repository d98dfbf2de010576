/*
 * suggest - rules from what an audit has recorded as refused. Pure.
 *
 * Whatever a program is called, and whatever it asked for, stands in its place of the text, or
 * there is no rule: each is parsed as a policy of one line before it is shown. A rule allows one
 * program that the kernel named, by its path, and with its script when it is an interpreter.
 *
 * What a rule of the policy refuses on purpose, and interpreters that could have been told
 * anything, make rules that are commented out.
 */
#ifndef TAZ_TAZFS_SUGGEST_H
#define TAZ_TAZFS_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tazfs/audit_record.h"
#include "tazfs/audit_text.h"
#include "tazfs/policy.h"
#include "tazfs/suggest_paths.h"

enum suggest_kind {
	SUGGEST_RULE,
	SUGGEST_INTERPRETER, /* its script is not known for certain: commented out */
	SUGGEST_PURPOSE,     /* the policy refuses it on purpose: commented out */
	SUGGEST_NONE,	     /* there is no such rule */
	SUGGEST_KINDS,
};

struct suggest_entry {
	enum suggest_kind kind;
	const char *exe, *script; /* NULL: not known, or none */
	const char *why;	  /* for people: why it is no plain rule; NULL: it is */
	unsigned line;		  /* of the policy: that refuses it, or asks somebody; 0: none */
	unsigned may;		  /* 0 with SUGGEST_NONE */
	const struct suggest_unit *units;
	size_t n;
	uint64_t count, last_ns;
};

/* suggest_wrong_t - what is wrong with a program and its script on this machine, or NULL */
typedef const char *suggest_wrong_t(const char *exe, const char *script);

struct suggest {
	const struct policy *policy;
	bool in_force; /* it is the one that the view had last; else its hash must be in the log */
	suggest_wrong_t *wrong;	   /* NULL: nobody looks */
	char hash[POLICY_SUM_MAX]; /* of the policy, and of the one that the log has as the last */
	char last_hash[POLICY_SUM_MAX];
	unsigned replaced;	     /* how often, so far */
	uint64_t since_ns, until_ns; /* of what was recorded; 0: nothing */
	uint64_t refused;	     /* how many decisions */
	uint64_t rest;		     /* of them not kept one by one */
	uint64_t allowed;	     /* of them allowed by the policy as it is now */
	struct suggest_item *items;
	size_t n_items;
	/* After suggest_end(). */
	struct suggest_entry *entries;
	size_t n;
	struct suggest_use *uses;
	struct suggest_unit **units; /* of each program */
	size_t n_units;
};

/* suggest_init - @policy is what the rules are meant to be added to; borrowed for the whole life */
void suggest_init(struct suggest *s, const struct policy *policy, bool in_force,
		  suggest_wrong_t *wrong);
void suggest_done(struct suggest *s);

/* suggest_add - a record; of a log in its order. Copied. Returns 0 or -ENOMEM. */
int suggest_add(struct suggest *s, const struct audit_record *r);

/* suggest_end - there are no more: fills the entries, in an order that only they decide. 0, -ENOMEM
 */
int suggest_end(struct suggest *s);

/*
 * suggest_put_rule - an entry's rule without a line's end, also of one that is commented out
 * Returns how many paths it has, or -EINVAL when the parser would not take it.
 */
int suggest_put_rule(struct audit_out *o, const struct suggest_entry *e);

#define SUGGEST_TEXT_MAX POLICY_BYTES_MAX

/*
 * suggest_text - all of it as a policy, in @o with SUGGEST_TEXT_MAX bytes of room
 * Returns how many entries were left out for want of room, in a policy of its limits.
 */
unsigned suggest_text(const struct suggest *s, struct audit_out *o);

#endif
