/* policy_parse - what the parser's files share: policy_parse.c reads lines, policy_terms.c "who" */
#ifndef TAZ_TAZFS_POLICY_PARSE_H
#define TAZ_TAZFS_POLICY_PARSE_H

#include "tazfs/policy_priv.h"

struct parse {
	struct policy *p;
	struct policy_error *err;
	const char *at, *end; /* of what is left of the line */
	const char *start;    /* of the line */
	unsigned line;
	/* The last word, ended by NUL: without its quotes, with its backslashes. */
	char *word;
	size_t len;
	unsigned column;
	unsigned columns[N_TERMS]; /* of the rule's terms */
};

/* parse_fail - fill the error in; @column from 1, 0 for the whole line. Returns -EINVAL. */
int parse_fail(struct parse *ps, unsigned column, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* parse_nearest - the word of a list, ended by NULL, that was perhaps meant, or NULL */
const char *parse_nearest(const char *word, const char *const *list);

/* parse_room - one element more for an array of @n. Returns 0 or -ENOMEM. */
int parse_room(void *array, unsigned n, size_t element);

/* parse_may - the operations of a word, or 0 when it is none such */
unsigned parse_may(const char *word);

/* parse_term - the last word as a term of @rule. Returns 0, -EINVAL or -ENOMEM. */
int parse_term(struct parse *ps, struct rule *rule);

/* parse_who_check - do the terms of a rule make sense together, and for its verdict? */
int parse_who_check(struct parse *ps, const struct rule *rule);

/* policy_interpreter - does a program of that name do what a file says that is given to it? */
bool policy_interpreter(const char *path);

/* policy_term_name - as it is written, with its '=' */
const char *policy_term_name(enum term term);

#endif
