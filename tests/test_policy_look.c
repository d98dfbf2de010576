/* Who learns that a file is there, and what is asked of a policy about more than one path. */
#include "tests/policy_fixture.h"

static void test_directories_on_the_way_to_what_is_allowed_are_seen(void **state)
{
	struct policy *p = parsed("allow session r kube/prod/config *.pub\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(looked(p, f, ""), VERDICT_ALLOW, 1);
	assert_decision(looked(p, f, "kube"), VERDICT_ALLOW, 1);
	assert_decision(looked(p, f, "kube/prod"), VERDICT_ALLOW, 1);
	assert_decision(looked(p, f, "kube/prod/config"), VERDICT_ALLOW, 1);
	assert_decision(looked(p, f, "kube/prod/other"), VERDICT_DENY, 0);
	assert_decision(looked(p, f, "kube/test"), VERDICT_DENY, 0);
	assert_decision(looked(p, f, "ssh"), VERDICT_DENY, 0);
	assert_decision(looked(p, f, "a.pub"), VERDICT_ALLOW, 1);
	f.session = 0;
	assert_decision(looked(p, f, ""), VERDICT_DENY, 0);
	policy_free(p);
}

static void test_what_is_hidden_with_all_below_is_not_seen(void **state)
{
	struct policy *p = parsed("hide  under=/usr/bin/gemini - **\n"
				  "hide  any - ssh/** kube/config\n"
				  "allow session - ** ssh/id_rsa **/*.pub\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(looked(p, f, "ssh"), VERDICT_HIDE, 2);
	assert_decision(looked(p, f, "ssh/id_rsa"), VERDICT_HIDE, 2);
	/* It is a file, but nobody says so: what would be below it changes nothing. */
	assert_decision(looked(p, f, "kube/config"), VERDICT_HIDE, 2);
	assert_decision(looked(p, f, "kube"), VERDICT_ALLOW, 3);
	assert_decision(looked(p, member(p, NULL, "/usr/bin/gemini"), ""), VERDICT_HIDE, 1);
	assert_decision(looked(p, member(p, NULL, "/usr/bin/gemini"), "kube"), VERDICT_HIDE, 1);
	policy_free(p);
}

static void test_what_is_allowed_first_is_reached_through_what_is_hidden_then(void **state)
{
	struct policy *p = parsed("allow session r ssh/config\n"
				  "hide  any     - ssh/**\n"
				  "allow session - **\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(looked(p, f, "ssh"), VERDICT_ALLOW, 1);
	assert_decision(looked(p, f, "ssh/config"), VERDICT_ALLOW, 1);
	assert_decision(looked(p, f, "ssh/id_rsa"), VERDICT_HIDE, 2);
	policy_free(p);
}

static void test_what_is_refused_in_part_is_still_seen(void **state)
{
	struct policy *p = parsed("hide  any rwcdx **\n"
				  "allow any l     **\n"
				  "allow any r     ssh/id_rsa\n");
	struct policy *q = parsed("hide  any r     **\n"
				  "allow any r     ssh/id_rsa\n");
	struct policy *s = parsed("deny  any l     ssh\n"
				  "allow any r     ssh/id_rsa\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(looked(p, f, "ssh"), VERDICT_ALLOW, 2);
	/* The one thing that the second rule gives the first has taken. */
	assert_decision(looked(q, f, "ssh"), VERDICT_HIDE, 1);
	assert_decision(looked(s, f, "ssh"), VERDICT_ALLOW, 2);
	policy_free(p);
	policy_free(q);
	policy_free(s);
}

static void test_a_rule_that_hides_wins_over_one_that_denies_something_else(void **state)
{
	struct policy *p = parsed("deny  any   x **\n"
				  "hide  under=/usr/bin/gemini - **\n"
				  "allow session - **\n");

	assert_decision(looked(p, member(p, NULL, "/usr/bin/gemini"), "a"), VERDICT_HIDE, 2);
	policy_free(p);
}

static void test_who_may_be_asked_sees_and_a_decoy_is_seen(void **state)
{
	struct policy *p = parsed("decoy any     rw ssh/id_old\n"
				  "ask   session r  kube/config\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(looked(p, f, "ssh/id_old"), VERDICT_ALLOW, 1);
	assert_decision(looked(p, f, "ssh"), VERDICT_ALLOW, 1);
	assert_decision(looked(p, f, "kube"), VERDICT_ALLOW, 2);
	assert_decision(looked(p, f, "kube/config"), VERDICT_ALLOW, 2);
	assert_decision(decided(p, f, MAY_READ, "ssh/id_old"), VERDICT_DECOY, 1);
	policy_free(p);
}

static void test_a_whole_tree_is_allowed_when_nothing_in_it_can_be_refused(void **state)
{
	static const struct {
		const char *text, *path;
		enum verdict verdict;
		unsigned line;
	} rows[] = {
		{ "allow any - **", "a", VERDICT_ALLOW, 1 },
		{ "allow any - **", "", VERDICT_ALLOW, 1 },
		{ "allow any - a/**", "a", VERDICT_ALLOW, 1 },
		{ "allow any - a/**", "a/b", VERDICT_ALLOW, 1 },
		{ "allow any - a/**", "", VERDICT_DENY, 0 },
		{ "allow any - a a/*", "a", VERDICT_DENY, 0 },
		{ "allow any rwcd **\nallow any xl a/**", "a", VERDICT_ALLOW, 2 },
		{ "allow any rwcd **\nallow any x a/**", "a", VERDICT_DENY, 0 },
		{ "deny any r a/b/c\nallow any - **", "a", VERDICT_DENY, 1 },
		{ "deny any r a/b/c\nallow any - **", "", VERDICT_DENY, 1 },
		{ "deny any r a/b/c\nallow any - **", "a/x", VERDICT_ALLOW, 2 },
		{ "hide any r **/id\nallow any - **", "a", VERDICT_DENY, 1 },
		{ "ask any r a\nallow any - **", "a", VERDICT_DENY, 1 },
		{ "decoy any r a/old\nallow any - **", "a", VERDICT_DENY, 1 },
		{ "allow any r **\ndeny any r **\nallow any - **", "a", VERDICT_ALLOW, 3 },
		{ "hide exe=/p - **\nallow any - **", "a", VERDICT_ALLOW, 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct policy *p = parsed(rows[i].text);
		struct facts f = member(p, NULL, NULL);
		struct policy_who who = who_of(p, &f);

		assert_decision(policy_decide_tree(p, &who, rows[i].path), rows[i].verdict,
				rows[i].line);
		policy_free(p);
	}
}

static void test_a_policy_is_even_when_all_members_see_everything(void **state)
{
	static const struct {
		const char *text;
		bool even;
	} rows[] = {
		{ "", false },
		{ "allow session - **", true },
		{ "ask any r **", true },
		{ "allow session - a/**", false },
		{ "allow session tty - **", false },
		{ "allow session tty - **\nallow session r a **", true },
		{ "deny any w a\nallow session rw **", true },
		{ "deny any rw a\nallow session rw **", false },
		{ "hide under=/p - a\nallow session - **", false },
		{ "allow session - **\nhide under=/p - a", true },
		{ "decoy any r a\nallow session - **", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct policy *p = parsed(rows[i].text);

		if (policy_is_even(p) != rows[i].even)
			fail_msg("%s", rows[i].text);
		policy_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directories_on_the_way_to_what_is_allowed_are_seen),
		cmocka_unit_test(test_what_is_hidden_with_all_below_is_not_seen),
		cmocka_unit_test(test_what_is_allowed_first_is_reached_through_what_is_hidden_then),
		cmocka_unit_test(test_what_is_refused_in_part_is_still_seen),
		cmocka_unit_test(test_a_rule_that_hides_wins_over_one_that_denies_something_else),
		cmocka_unit_test(test_who_may_be_asked_sees_and_a_decoy_is_seen),
		cmocka_unit_test(test_a_whole_tree_is_allowed_when_nothing_in_it_can_be_refused),
		cmocka_unit_test(test_a_policy_is_even_when_all_members_see_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
