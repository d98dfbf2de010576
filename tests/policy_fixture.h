/* A caller and what is decided for it, for the tests of the policy's two halves. */
#ifndef TAZ_TESTS_POLICY_FIXTURE_H
#define TAZ_TESTS_POLICY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tazfs/policy.h"

/* Programs are files of device 1, by the number that they have in the policy. */
enum { OTHER = 1000 };

static inline struct policy *parsed(const char *text)
{
	struct policy_error err;
	struct policy *p = NULL;
	int r = policy_parse(text, strlen(text), &p, &err);

	if (r < 0)
		fail_msg("%u:%u: %s\n%s", err.line, err.column, err.text, text);
	return p;
}

static inline struct file_id file(unsigned ino)
{
	return (struct file_id){ .dev = 1, .ino = ino };
}

static inline struct file_id id_of(const struct policy *p, const char *path)
{
	const char *const *programs;
	unsigned n = policy_programs(p, &programs);

	for (unsigned i = 0; i < n; i++)
		if (path && !strcmp(programs[i], path))
			return file(i + 1);
	return file(OTHER);
}

static inline struct program runs(const struct policy *p, const char *path)
{
	return (struct program){ .known = true, .hashed = true, .exe = id_of(p, path) };
}

/* A member of a session that runs @exe below @parent; NULL: something that no rule names. */
static inline struct facts member(const struct policy *p, const char *exe, const char *parent)
{
	return (struct facts){
		.session = 1,
		.uid = 1000,
		.whole = true,
		.clean_env = true,
		.n_chain = 2,
		.chain = { runs(p, exe), runs(p, parent) },
	};
}

static inline struct policy_who who_of(const struct policy *p, const struct facts *f)
{
	struct file_id programs[POLICY_PROGRAMS_MAX];

	for (unsigned i = 0; i < POLICY_PROGRAMS_MAX; i++)
		programs[i] = file(i + 1);
	return policy_who(p, f, programs);
}

static inline struct decision decided(const struct policy *p, struct facts f, unsigned may,
				      const char *path)
{
	struct policy_who who = who_of(p, &f);

	return policy_decide(p, &who, may, path);
}

static inline struct decision looked(const struct policy *p, struct facts f, const char *path)
{
	struct policy_who who = who_of(p, &f);

	return policy_look(p, &who, path);
}

#define assert_decision(d, v, l)                 \
	do {                                     \
		struct decision d_ = (d);        \
		assert_int_equal(d_.verdict, v); \
		assert_int_equal(d_.line, l);    \
	} while (0)

/* A text of @n lines; a @ in the form is the number of the line. */
static inline char *many(unsigned n, const char *form)
{
	char *text = malloc(POLICY_BYTES_MAX), *to = text;

	for (unsigned i = 0; i < n; i++)
		for (const char *c = form; *c; c++)
			to += *c == '@' ? sprintf(to, "%u", i) : sprintf(to, "%c", *c);
	*to = '\0';
	return text;
}

#endif
