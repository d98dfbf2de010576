/*
 * A policy, and after a line "====" a table of expected verdicts: whatever a person wrote, what
 * comes through keeps its limits, an error has a place in the text, and decisions keep their
 * promises.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tazfs/policy.h"
#include "tazfs/policy_table.h"
#include "tazfs/policy_why.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct policy_error *err, const char *text, size_t size)
{
	unsigned lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	if (!*err->text || !err->line || !err->column || err->line > lines ||
	    err->column > size + 1)
		abort();
	for (const char *c = err->text; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			abort();
}

static bool refuses(enum verdict v)
{
	return v == VERDICT_DENY || v == VERDICT_HIDE;
}

/* What holds for every policy, caller and path. */
static void check_decisions(const struct policy *p, const struct policy_who *who, const char *path)
{
	struct decision look = policy_look(p, who, path),
			all = policy_decide(p, who, MAY_ALL, path);

	for (unsigned may = 1; may < MAY_ALL; may <<= 1) {
		struct decision one = policy_decide(p, who, may, path);

		/* What may be done is seen, and more is never allowed than a part of it. */
		if (!refuses(one.verdict) && look.verdict != VERDICT_ALLOW)
			abort();
		if (all.verdict == VERDICT_ALLOW && one.verdict != VERDICT_ALLOW)
			abort();
	}
	if (policy_decide_tree(p, who, path).verdict == VERDICT_ALLOW &&
	    all.verdict != VERDICT_ALLOW)
		abort();
}

static void on_row(void *ctx, const struct table_row *row)
{
	const struct policy *p = ctx;
	struct policy_who who = policy_who(p, &row->facts, row->programs), nobody;
	struct facts unknown = row->facts;

	check_decisions(p, &who, row->path);
	/* Who is less known has none of the allow rules that it had not before. */
	unknown.whole = false;
	unknown.n_chain = 0;
	unknown.uid = (uid_t)-1;
	nobody = policy_who(p, &unknown, row->programs);
	check_decisions(p, &nobody, row->path);
	for (unsigned line = 1; line <= policy_last_line(p); line++) {
		struct policy_why known =
			policy_why(p, line, &row->facts, row->programs, MAY_ALL, row->path);
		struct policy_why less =
			policy_why(p, line, &unknown, row->programs, MAY_ALL, row->path);

		if (known.verdict == VERDICT_ALLOW && less.why == WHY_FITS && known.why != WHY_FITS)
			abort();
		if (refuses(known.verdict) && known.why == WHY_FITS && less.why != WHY_FITS)
			abort();
	}
}

static void check_policy(const struct policy *p, const char *table, size_t size)
{
	static const char *const paths[] = { "", "a", "ssh/id_rsa", ".x/y/z", "a/b/c/d/e" };
	struct policy_error err, never[4];
	struct facts f = { .session = 1, .whole = true, .n_chain = 1 };
	struct file_id none[POLICY_PROGRAMS_MAX] = { 0 };
	struct policy_who who = policy_who(p, &f, none);
	const char *const *programs;
	unsigned n = policy_programs(p, &programs);

	if (n > POLICY_PROGRAMS_MAX || policy_rules(p) > POLICY_RULES_MAX)
		abort();
	for (unsigned i = 0; i < n; i++)
		if (programs[i][0] != '/')
			abort();
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		check_decisions(p, &who, paths[i]);
		if (policy_is_even(p) && policy_look(p, &who, paths[i]).verdict != VERDICT_ALLOW)
			abort();
	}
	policy_check(p, never, 4);
	if (policy_table(p, table, size, on_row, (void *)p, &err) < 0)
		check_error(&err, table, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *cut = memmem(text, size, "\n====\n", 6);
	size_t policy_size = cut ? (size_t)(cut - text) + 1 : size;
	size_t table = cut ? policy_size + 5 : size;
	struct policy_error err = { 0 };
	struct policy *p = NULL;

	if (policy_parse(text, policy_size, &p, &err) < 0) {
		check_error(&err, text, policy_size);
		return 0;
	}
	check_policy(p, text + table, size - table);
	policy_free(p);
	return 0;
}
