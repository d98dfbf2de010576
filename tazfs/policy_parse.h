/*
 * policy_parse - what the files of the parser share: policy_words.c takes lines apart into words,
 * policy_terms.c knows "who", policy_parse.c the rest; policy_table.c reads another language of the
 * same words
 */
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

/*
 * parse_lines - @line for each line of a text; the one that is at work is in the struct
 * Returns 0, or the first of what @line returns that is not 0, or -EINVAL.
 */
typedef int (*parse_line_fn)(struct parse *ps, void *ctx);
int parse_lines(struct parse *ps, const char *text, size_t size, parse_line_fn line, void *ctx);

/* parse_next - the next word; there is room for the longest. Returns 1, 0 at the line's end,
 * -EINVAL. */
int parse_next(struct parse *ps);

/* parse_may - the operations of a word, or 0 when it is none such */
unsigned parse_may(const char *word);

/* parse_verdict - the last word as a verdict. Returns 0 or -EINVAL. */
int parse_verdict(struct parse *ps, enum verdict *ret);

/* parse_comma - the next comma without a backslash before it, or the end */
char *parse_comma(char *list);

/* One value of a term, at @column. 0 or -EINVAL. parse_path takes the backslashes out, in place. */
int parse_path(struct parse *ps, unsigned column, char *text);
int parse_hash(struct parse *ps, unsigned column, const char *text,
	       unsigned char hash[FACTS_HASH_BYTES]);
int parse_uid(struct parse *ps, unsigned column, const char *text, unsigned *ret);

/* parse_term - the last word as a term of @rule. Returns 0, -EINVAL or -ENOMEM. */
int parse_term(struct parse *ps, struct rule *rule);

/* parse_who_check - do the terms of a rule make sense together, and for its verdict? */
int parse_who_check(struct parse *ps, const struct rule *rule);

/* policy_interpreter - does a program of that name do what a file says that is given to it? */
bool policy_interpreter(const char *path);

/* policy_term_name - as it is written, with its '=' */
const char *policy_term_name(enum term term);

#endif
