/* Rules from whatever may have been recorded. */
#include "tests/suggest_fixture.h"

static uint32_t seed;

static unsigned draw(unsigned below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

/* Names that a text could trip over, and that meet each other often. */
static const char *name(void)
{
	static const char *const names[] = {
		"a",
		"b",
		"**",
		"*",
		"?",
		"[a]",
		"a b",
		"\"",
		"'",
		"#x",
		"~",
		"\\",
		"a,b",
		"\n",
		"\t",
		"\xff",
		"\xc3",
		"\xc3\xa9",
		"-",
		"r",
		"allow",
		"x=y",
		"exe=/a",
		" ",
		"!a",
		"\xe2\x80\xae",
		"a\nallow any - **",
		"audit-only",
		"\r",
		"\x7f",
		"...",
		"a'b\"c",
		"x (deleted)",
		"# b",
		"a\\",
		"\\\n",
		"\xf0\x9f\x98\x80",
		"\xed\xa0\x80",
		"]",
		"[",
	};

	return names[draw(sizeof(names) / sizeof(*names))];
}

static char *draw_path(char *to, unsigned most)
{
	char *at = to;

	*at = '\0';
	for (unsigned i = draw(most + 1); i; i--)
		at += sprintf(at, "%s%s", at > to ? "/" : "", name());
	return to;
}

#define DRAWN 60

static struct drawn {
	char exe[512], script[512], path[512];
	const char *op;
	unsigned may;
	bool has_script;
} drawn[DRAWN];

static struct audit_record draw_record(struct drawn *d)
{
	static const char *const ops[] = { "r", "w", "rw", "wc", "d", "x", "l", "look", "rwcdxl" };
	struct audit_record r;

	strcpy(d->exe, draw(2) ? "/usr/bin/python3" : "/");
	if (d->exe[1] == '\0')
		draw_path(d->exe + 1, 2);
	strcpy(d->script, "/");
	draw_path(d->script + 1, 2);
	draw_path(d->path, 4);
	d->op = ops[draw(9)];
	d->may = parse_may(d->op);
	d->has_script = draw(2);
	r = record(d->exe, d->op, d->path);
	r.script = d->has_script ? d->script : NULL;
	return r;
}

/* Was it made a rule? That is told by the entries; that the rule does what it says, by the policy.
 */
static bool is_plain(const struct drawn *d)
{
	bool interpreter = policy_interpreter(d->exe);
	char text[4096];

	for (size_t i = 0; i < run.s.n; i++) {
		const struct suggest_entry *e = &run.s.entries[i];

		struct audit_out o = { .data = text, .room = sizeof(text) };

		if (e->kind != SUGGEST_RULE || strcmp(e->exe, d->exe) != 0 ||
		    suggest_put_rule(&o, e) < 0)
			continue;
		if (interpreter ? e->script && d->has_script && !strcmp(e->script, d->script) : 1)
			return true;
	}
	return false;
}

static void check_drawn(const struct drawn *d)
{
	struct facts f = caller(d->exe, d->has_script ? d->script : NULL);
	struct facts other = caller("/usr/bin/other", NULL);
	struct policy_who who = who_of(run.got, &f);
	enum verdict v;

	if (!is_plain(d) || (d->may == MAY_ALL && !*d->path))
		return;
	v = d->may == MAY_ALL ? policy_decide_tree(run.got, &who, d->path).verdict
	    : d->may	      ? policy_decide(run.got, &who, d->may, d->path).verdict
			      : policy_look(run.got, &who, d->path).verdict;
	if (v != VERDICT_ALLOW)
		fail_msg("%s '%s' by '%s' is not allowed by:\n%s", d->op, d->path, d->exe,
			 run.text);
	assert_int_not_equal(looked(run.got, other, d->path).verdict, VERDICT_ALLOW);
}

/* Each name is a file, a directory, a program and a script, in all places of a text. */
static void test_whatever_was_recorded_the_rules_allow_it_and_nothing_else_comes_of_it(void **state)
{
	for (unsigned round = 0; round < 400; round++) {
		unsigned n = 1 + round % DRAWN;

		seed = round;
		begin("audit-only\n");
		for (unsigned i = 0; i < n; i++)
			add(draw_record(&drawn[i]));
		suggested();
		for (unsigned i = 0; i < n; i++)
			check_drawn(&drawn[i]);
		for (const char *c = run.text; *c; c++)
			assert_true((unsigned char)*c >= ' ' || *c == '\n');
		teardown(NULL);
	}
}

static void test_more_than_a_policy_can_hold_is_left_out_and_said(void **state)
{
	char exe[64], path[512];

	begin("audit-only\n");
	for (unsigned i = 0; i < 400; i++) {
		snprintf(exe, sizeof(exe), "/opt/program-%u", i);
		snprintf(path, sizeof(path), "%0*u", 100 + (int)(i % 200), i);
		asked(exe, "r", path);
		asked(exe, "w", "x");
	}
	suggested();
	has(" more had no room here: look at less of the audit (--since).\n");
	assert_true(policy_rules(run.got) > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_whatever_was_recorded_the_rules_allow_it_and_nothing_else_comes_of_it),
		T(test_more_than_a_policy_can_hold_is_left_out_and_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
