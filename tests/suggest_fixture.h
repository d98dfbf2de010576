/*
 * suggest_fixture - a policy, what was recorded beside it, and what is suggested then
 */
#ifndef TAZ_TESTS_SUGGEST_FIXTURE_H
#define TAZ_TESTS_SUGGEST_FIXTURE_H

#include "tests/policy_fixture.h"

#include <stdbool.h>

#include "tazfs/policy_parse.h"
#include "tazfs/policy_why.h"
#include "tazfs/suggest.h"

#define WHEN 1769847300000000000ULL /* 2026-01-31T08:15:00Z */
#define SSH  "/usr/bin/ssh"

struct run {
	struct policy *policy;
	struct suggest s;
	char text[SUGGEST_TEXT_MAX + 1];
	struct policy *got;
};

static struct run run;

static inline void begin_for(const char *policy, suggest_wrong_t *wrong)
{
	run.policy = parsed(policy);
	suggest_init(&run.s, run.policy, true, wrong);
}

static inline void begin(const char *policy)
{
	begin_for(policy, NULL);
}

static inline struct audit_record record(const char *exe, const char *op, const char *path)
{
	return (struct audit_record){ .time_ns = WHEN,
				      .verdict = AUDIT_DENY,
				      .by = AUDIT_BY_NOBODY,
				      .op = op,
				      .path = path,
				      .count = 1,
				      .pid = 41,
				      .exe = exe,
				      .session = 1 };
}

static inline void add(struct audit_record r)
{
	assert_int_equal(suggest_add(&run.s, &r), 0);
}

static inline void asked(const char *exe, const char *op, const char *path)
{
	add(record(exe, op, path));
}

/* What is printed is always a policy, and all that it does is to allow. */
static inline const char *suggested(void)
{
	struct audit_out o = { .data = run.text, .room = SUGGEST_TEXT_MAX };

	assert_int_equal(suggest_end(&run.s), 0);
	suggest_text(&run.s, &o);
	assert_false(o.full);
	run.text[o.n] = '\0';
	assert_int_equal(strlen(run.text), o.n);
	run.got = parsed(run.text);
	assert_false(policy_audit_only(run.got) || policy_audit_all(run.got));
	for (unsigned i = 0; i < run.got->n_rules; i++)
		assert_int_equal(run.got->rules[i].verdict, VERDICT_ALLOW);
	return run.text;
}

static inline int teardown(void **state)
{
	suggest_done(&run.s);
	policy_free(run.policy);
	policy_free(run.got);
	memset(&run, 0, sizeof(run));
	return 0;
}

static inline void has(const char *part)
{
	if (!strstr(run.text, part))
		fail_msg("'%s' is not in:\n%s", part, run.text);
}

static inline void has_not(const char *part)
{
	if (strstr(run.text, part))
		fail_msg("'%s' is in:\n%s", part, run.text);
}

static inline struct facts caller(const char *exe, const char *script)
{
	struct facts f = member(run.got, exe, "/usr/bin/tmux");

	if (script)
		f.chain[0].script = id_of(run.got, script);
	return f;
}

static inline bool may(const char *exe, unsigned letters, const char *path)
{
	return decided(run.got, caller(exe, NULL), letters, path).verdict == VERDICT_ALLOW;
}

static inline bool sees(const char *exe, const char *path)
{
	return looked(run.got, caller(exe, NULL), path).verdict == VERDICT_ALLOW;
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

#endif
