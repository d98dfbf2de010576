/*
 * grant_fixture - answers and who asks, for the tests of tazfs/grant
 */
#ifndef TAZ_TESTS_GRANT_FIXTURE_H
#define TAZ_TESTS_GRANT_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tazfs/grant.h"
#include "tazfs/policy.h"

#define PATH "kube/config"
#define SEC  1000000000ULL

static struct grants g;

static inline int setup(void **state)
{
	grants_clear(&g);
	return 0;
}

/* A process of the session, which runs that file. */
static inline struct program runs(pid_t pid, uint64_t ino)
{
	struct program p = { .pid = pid, .start = 100 + pid, .known = true, .exe = { 7, ino } };

	return p;
}

static inline struct program hashed(struct program p, unsigned char first)
{
	p.hashed = true;
	p.hash[0] = first;
	return p;
}

/* Of which everything is known. */
static inline struct program whole(pid_t pid, uint64_t ino)
{
	return hashed(runs(pid, ino), 1);
}

static inline struct program python(pid_t pid, uint64_t script)
{
	struct program p = whole(pid, 5);

	p.interpreter = true;
	if (script)
		p.script = (struct file_id){ 7, script };
	return p;
}

static inline struct grant to(enum grant_to whom, bool yes, struct program p)
{
	struct grant x = { .yes = yes, .to = whom, .session = 1, .who = p, .may = MAY_READ };

	strcpy(x.path, PATH);
	return x;
}

static inline int add(struct grant x)
{
	return grants_add(&g, &x, 0);
}

static inline enum grant_answer in_session(struct program p, uint32_t session)
{
	struct grant_request req = { &p, true, session, MAY_READ, PATH, 0 };

	return grants_answer(&g, &req, NULL);
}

static inline enum grant_answer asked(struct program p)
{
	return in_session(p, 1);
}

static inline enum grant_answer asked_for(struct program p, unsigned may, const char *path,
					  uint64_t now)
{
	struct grant_request req = { &p, true, 1, may, path, now };

	return grants_answer(&g, &req, NULL);
}

#endif
