/* A program that is replaced while it runs. */
#include "tests/policy_fixture.h"

#include "tazfs/former.h"

static const char rules[] = "hide  under=/agent - **\n"
			    "allow session not-under=/other exe=/ssh r ssh/**\n"
			    "allow session - **\n";

struct now {
	struct file_id programs[POLICY_PROGRAMS_MAX];
};

/* What is at the paths: /agent, /other, /ssh, in this order. */
static struct now at(unsigned agent, unsigned other, unsigned ssh)
{
	return (struct now){ { file(agent), file(other), file(ssh) } };
}

static struct decision reads(struct former *f, const struct policy *p, struct facts facts,
			     struct now now)
{
	struct policy_who who = former_who(f, p, &facts, now.programs);

	return policy_decide(p, &who, MAY_READ, "ssh/id");
}

static struct facts runs_below(unsigned exe, unsigned parent)
{
	struct facts f = { .session = 1, .whole = true, .n_chain = 2 };

	f.chain[0] = (struct program){ .known = true, .exe = file(exe) };
	f.chain[1] = (struct program){ .known = true, .exe = file(parent) };
	return f;
}

static void test_an_agent_that_was_updated_while_it_runs_is_still_one(void **state)
{
	struct policy *p = parsed(rules);
	struct former *f = former_new(p, NULL, NULL);

	assert_decision(reads(f, p, runs_below(50, 10), at(10, 20, 30)), VERDICT_HIDE, 1);
	assert_decision(reads(f, p, runs_below(50, 10), at(11, 20, 30)), VERDICT_HIDE, 1);
	assert_decision(reads(f, p, runs_below(50, 11), at(11, 20, 30)), VERDICT_HIDE, 1);
	/* Nothing is there for a moment, and then a third one. */
	assert_decision(reads(f, p, runs_below(50, 10), at(0, 20, 30)), VERDICT_HIDE, 1);
	assert_decision(reads(f, p, runs_below(50, 11), at(12, 20, 30)), VERDICT_HIDE, 1);
	assert_decision(reads(f, p, runs_below(50, 13), at(12, 20, 30)), VERDICT_ALLOW, 3);
	former_free(f);
	policy_free(p);
}

static void test_who_is_under_what_was_there_is_given_nothing(void **state)
{
	struct policy *p = parsed(rules);
	struct former *f = former_new(p, NULL, NULL);

	assert_decision(reads(f, p, runs_below(30, 50), at(10, 20, 30)), VERDICT_ALLOW, 2);
	assert_decision(reads(f, p, runs_below(30, 20), at(10, 21, 30)), VERDICT_ALLOW, 3);
	assert_decision(reads(f, p, runs_below(30, 50), at(10, 21, 30)), VERDICT_ALLOW, 2);
	former_free(f);
	policy_free(p);
}

static void test_a_tool_that_was_replaced_is_not_the_one_that_is_allowed(void **state)
{
	struct policy *p = parsed("allow session exe=/ssh r **\n");
	struct former *f = former_new(p, NULL, NULL);
	struct now old = { { file(30) } }, new = { { file(31) } };

	assert_decision(reads(f, p, runs_below(30, 50), old), VERDICT_ALLOW, 1);
	assert_decision(reads(f, p, runs_below(31, 50), new), VERDICT_ALLOW, 1);
	assert_decision(reads(f, p, runs_below(30, 50), new), VERDICT_DENY, 0);
	former_free(f);
	policy_free(p);
}

static void test_tools_that_only_allow_fill_nothing(void **state)
{
	struct policy *p = parsed(rules);
	struct former *f = former_new(p, NULL, NULL);

	assert_true(policy_watches(p, 0) && policy_watches(p, 1));
	assert_false(policy_watches(p, 2));
	for (unsigned i = 0; i < 4 * FORMER_MAX; i++)
		assert_decision(reads(f, p, runs_below(50, 50), at(10 + i % 2, 20, 100 + i)),
				VERDICT_ALLOW, 3);
	former_free(f);
	policy_free(p);
}

static void test_after_too_many_replacements_anyone_may_be_the_agent(void **state)
{
	struct policy *p = parsed(rules);
	struct former *f = former_new(p, NULL, NULL);

	for (unsigned i = 0; i < FORMER_MAX; i++)
		assert_decision(reads(f, p, runs_below(50, 50), at(100 + i, 20, 30)), VERDICT_ALLOW,
				3);
	assert_decision(reads(f, p, runs_below(50, 50), at(99, 20, 30)), VERDICT_HIDE, 1);
	former_free(f);
	policy_free(p);
}

static void test_each_path_counts_for_itself(void **state)
{
	struct policy *p = parsed(rules);
	struct former *f = former_new(p, NULL, NULL);

	for (unsigned i = 0; i < FORMER_MAX; i++) {
		reads(f, p, runs_below(50, 50), at(100 + i, 20, 30));
		reads(f, p, runs_below(50, 50), at(100 + i, 200 + i, 30));
	}
	assert_decision(reads(f, p, runs_below(50, 50), at(100, 200, 30)), VERDICT_HIDE, 1);
	former_free(f);
	f = former_new(p, NULL, NULL);
	for (unsigned i = 0; i < FORMER_MAX; i++)
		reads(f, p, runs_below(50, 50), at(100 + i, 200 + i, 30));
	assert_decision(reads(f, p, runs_below(50, 50), at(100, 200, 30)), VERDICT_ALLOW, 3);
	assert_decision(reads(f, p, runs_below(50, 103), at(100, 200, 30)), VERDICT_HIDE, 1);
	assert_decision(reads(f, p, runs_below(30, 203), at(100, 200, 30)), VERDICT_ALLOW, 3);
	former_free(f);
	policy_free(p);
}

static void test_a_program_and_its_script_may_change_one_after_the_other(void **state)
{
	struct policy *p = parsed("hide exe=/node script=/agent - **\nallow any - **\n");
	struct former *f = former_new(p, NULL, NULL);
	struct now first = { { file(10), file(20) } }, script = { { file(10), file(21) } },
		   both = { { file(11), file(21) } };
	struct facts facts = runs_below(10, 50);

	facts.chain[0].script = file(20);
	reads(f, p, runs_below(50, 50), first);
	reads(f, p, runs_below(50, 50), script);
	assert_decision(reads(f, p, facts, both), VERDICT_HIDE, 1);
	facts.chain[0].script = file(21);
	assert_decision(reads(f, p, facts, script), VERDICT_HIDE, 1);
	former_free(f);
	policy_free(p);
}

static void test_without_memory_anyone_may_be_the_agent(void **state)
{
	struct policy *p = parsed(rules);

	assert_decision(reads(NULL, p, runs_below(50, 50), at(10, 20, 30)), VERDICT_HIDE, 1);
	policy_free(p);
}

static void test_another_policy_knows_what_the_one_before_knew(void **state)
{
	struct policy *p = parsed(rules), *q = parsed("deny  exe=/new - **\n"
						      "hide  under=/agent - **\n"
						      "allow session - **\n");
	struct former *f = former_new(p, NULL, NULL), *g;
	struct now now = { { file(40), file(11) } };

	reads(f, p, runs_below(50, 50), at(10, 20, 30));
	g = former_new(q, f, p);
	assert_decision(reads(g, q, runs_below(50, 10), now), VERDICT_HIDE, 2);
	assert_decision(reads(g, q, runs_below(50, 20), now), VERDICT_ALLOW, 3);
	former_free(f);
	former_free(g);
	policy_free(p);
	policy_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_agent_that_was_updated_while_it_runs_is_still_one),
		cmocka_unit_test(test_who_is_under_what_was_there_is_given_nothing),
		cmocka_unit_test(test_a_tool_that_was_replaced_is_not_the_one_that_is_allowed),
		cmocka_unit_test(test_tools_that_only_allow_fill_nothing),
		cmocka_unit_test(test_after_too_many_replacements_anyone_may_be_the_agent),
		cmocka_unit_test(test_each_path_counts_for_itself),
		cmocka_unit_test(test_a_program_and_its_script_may_change_one_after_the_other),
		cmocka_unit_test(test_without_memory_anyone_may_be_the_agent),
		cmocka_unit_test(test_another_policy_knows_what_the_one_before_knew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
