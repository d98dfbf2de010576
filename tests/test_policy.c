#include <time.h>

#include "tests/policy_fixture.h"

static void test_no_rule_is_deny(void **state)
{
	struct policy *p = parsed("# nothing\n\n");

	assert_decision(decided(p, member(p, NULL, NULL), MAY_READ, "a"), VERDICT_DENY, 0);
	assert_decision(looked(p, member(p, NULL, NULL), ""), VERDICT_DENY, 0);
	policy_free(p);
}

static void test_the_first_rule_that_fits_decides(void **state)
{
	struct policy *p = parsed("# a comment\n"
				  "deny  any     w  ssh/** # and one behind\n"
				  "allow session rw **\n"
				  "hide  any     -  **\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(decided(p, f, MAY_WRITE, "ssh/id"), VERDICT_DENY, 2);
	assert_decision(decided(p, f, MAY_READ, "ssh/id"), VERDICT_ALLOW, 3);
	assert_decision(decided(p, f, MAY_WRITE, "kube"), VERDICT_ALLOW, 3);
	assert_decision(decided(p, f, MAY_DELETE, "kube"), VERDICT_HIDE, 4);
	f.session = 0;
	assert_decision(decided(p, f, MAY_READ, "kube"), VERDICT_HIDE, 4);
	policy_free(p);
}

static void test_of_several_operations_the_strictest_verdict_counts(void **state)
{
	struct policy *p = parsed("allow any r **\n"
				  "ask   any w a\n"
				  "hide  any d a\n"
				  "deny  any x a\n"
				  "decoy any c a\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_ALLOW, 1);
	assert_decision(decided(p, f, MAY_READ | MAY_WRITE, "a"), VERDICT_ASK, 2);
	assert_decision(decided(p, f, MAY_WRITE | MAY_EXECUTE, "a"), VERDICT_DENY, 4);
	assert_decision(decided(p, f, MAY_EXECUTE | MAY_DELETE, "a"), VERDICT_HIDE, 3);
	assert_decision(decided(p, f, MAY_READ | MAY_LIST, "a"), VERDICT_DENY, 0);
	assert_decision(decided(p, f, MAY_DELETE | MAY_LIST, "a"), VERDICT_HIDE, 3);
	assert_decision(decided(p, f, MAY_ALL, "a"), VERDICT_DECOY, 5);
	policy_free(p);
}

static void test_no_operation_and_an_unknown_one_are_denied(void **state)
{
	struct policy *p = parsed("allow any - **\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(decided(p, f, MAY_ALL, ""), VERDICT_ALLOW, 1);
	assert_decision(decided(p, f, 0, "a"), VERDICT_DENY, 0);
	assert_decision(decided(p, f, MAY_READ | 64, "a"), VERDICT_DENY, 0);
	policy_free(p);
}

static void test_each_letter_is_its_operation(void **state)
{
	static const struct {
		const char *text;
		unsigned may;
	} rows[] = {
		{ "allow any r **", MAY_READ },	   { "allow any w **", MAY_WRITE },
		{ "allow any c **", MAY_CREATE },  { "allow any d **", MAY_DELETE },
		{ "allow any x **", MAY_EXECUTE }, { "allow any l **", MAY_LIST },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct policy *p = parsed(rows[i].text);

		for (unsigned may = 1; may < MAY_ALL; may <<= 1)
			assert_int_equal(decided(p, member(p, NULL, NULL), may, "a").verdict ==
						 VERDICT_ALLOW,
					 may == rows[i].may);
		policy_free(p);
	}
}

static void test_a_member_that_is_open_or_none_at_all_is_no_session(void **state)
{
	struct policy *p = parsed("hide session r a\nallow session - **\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(decided(p, f, MAY_WRITE, "a"), VERDICT_ALLOW, 2);
	f.open = true;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	assert_decision(decided(p, f, MAY_WRITE, "a"), VERDICT_DENY, 0);
	f = member(p, NULL, NULL);
	f.session = 0;
	assert_decision(decided(p, f, MAY_WRITE, "a"), VERDICT_DENY, 0);
	policy_free(p);
}

static void test_a_program_is_known_by_its_file(void **state)
{
	struct policy *p = parsed("allow session exe=/usr/bin/ssh,/usr/bin/git r ssh/**\n"
				  "allow session exe=/usr/bin/git - git/**\n");
	const char *const *programs;

	assert_int_equal(policy_programs(p, &programs), 2);
	assert_string_equal(programs[0], "/usr/bin/ssh");
	assert_string_equal(programs[1], "/usr/bin/git");
	assert_decision(decided(p, member(p, "/usr/bin/ssh", NULL), MAY_READ, "ssh/id"),
			VERDICT_ALLOW, 1);
	assert_decision(decided(p, member(p, "/usr/bin/git", NULL), MAY_READ, "git/x"),
			VERDICT_ALLOW, 2);
	assert_decision(decided(p, member(p, "/usr/bin/ssh", NULL), MAY_READ, "git/x"),
			VERDICT_DENY, 0);
	/* Its parent's program is not its own. */
	assert_decision(decided(p, member(p, NULL, "/usr/bin/ssh"), MAY_READ, "ssh/id"),
			VERDICT_DENY, 0);
	policy_free(p);
}

static void test_the_same_number_on_another_device_is_another_program(void **state)
{
	struct policy *p = parsed("allow session exe=/usr/bin/ssh r **\n");
	struct facts f = member(p, "/usr/bin/ssh", NULL);

	f.chain[0].exe.dev = 2;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	policy_free(p);
}

static void test_a_program_that_is_not_there_is_nobody(void **state)
{
	struct policy *p = parsed("hide  under=/usr/bin/gemini - **\n"
				  "deny  exe=/usr/bin/gemini - **\n"
				  "allow session not-under=/usr/bin/gemini - **\n"
				  "allow session exe=/usr/bin/gemini - **\n");
	const struct file_id none = { 0 };
	struct facts f = member(p, NULL, NULL);
	struct policy_who who = policy_who(p, &f, &none);

	assert_int_equal(who.rules[0], 4);
	f.chain[0].exe = none; /* and one that is unknown is not taken for it */
	f.chain[0].known = false;
	f.whole = false;
	who = policy_who(p, &f, &none);
	assert_int_equal(who.rules[0], 4);
	policy_free(p);
}

static void test_under_is_oneself_or_any_ancestor_by_program_or_script(void **state)
{
	struct policy *p = parsed("hide  under=/usr/bin/gemini - **\nallow session - **\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_ALLOW, 2);
	assert_decision(decided(p, member(p, "/usr/bin/gemini", NULL), MAY_READ, "a"), VERDICT_HIDE,
			1);
	assert_decision(decided(p, member(p, NULL, "/usr/bin/gemini"), MAY_READ, "a"), VERDICT_HIDE,
			1);
	f.chain[1].script = id_of(p, "/usr/bin/gemini");
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_HIDE, 1);
	policy_free(p);
}

static void test_not_under_allows_who_is_certainly_not(void **state)
{
	struct policy *p = parsed("allow session not-under=/usr/bin/gemini,/usr/bin/claude - **\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_ALLOW, 1);
	assert_decision(decided(p, member(p, NULL, "/usr/bin/claude"), MAY_READ, "a"), VERDICT_DENY,
			0);
	f.whole = false;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	f = member(p, NULL, NULL);
	f.chain[1].known = false;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	f = member(p, NULL, NULL);
	f.n_chain = 0;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	policy_free(p);
}

/* Each of these leaves out what the rule asks for: refused by the first, given nothing by the last.
 */
static void test_what_is_unknown_fits_what_refuses_and_nothing_that_allows(void **state)
{
	static const char *const terms[] = {
		"exe=/p",
		"pin=sha256:0000000000000000000000000000000000000000000000000000000000000000",
		"under=/p",
		"not-under=/p",
		"uid=7",
		"exe=/p script=/q",
	};
	static const char *const verdicts[] = { "deny", "hide", "decoy", "ask", "allow" };
	static const enum verdict expected[] = { VERDICT_DENY, VERDICT_HIDE, VERDICT_DECOY,
						 VERDICT_ASK };

	for (size_t t = 0; t < sizeof(terms) / sizeof(*terms); t++)
		for (size_t v = 0; v < 5; v++) {
			char text[200];
			struct facts f = { .session = 1, .uid = (uid_t)-1, .n_chain = 1 };
			struct policy *p;

			snprintf(text, sizeof(text), "%s %s - **\n", verdicts[v], terms[t]);
			p = parsed(text);
			if (v < 4)
				assert_decision(decided(p, f, MAY_READ, "a"), expected[v], 1);
			else
				assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
			policy_free(p);
		}
}

static void test_a_pin_is_the_hash_of_the_program(void **state)
{
	struct policy *p = parsed(
		"allow session pin=sha256:"
		"00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF,"
		"sha256:1111111111111111111111111111111111111111111111111111111111111111 r **\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	for (unsigned i = 0; i < FACTS_HASH_BYTES; i++)
		f.chain[0].hash[i] = (i % 16) * 0x11;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_ALLOW, 1);
	f.chain[0].hash[31] ^= 1;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	memset(f.chain[0].hash, 0x11, FACTS_HASH_BYTES);
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_ALLOW, 1);
	f.chain[0].hashed = false;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	policy_free(p);
}

static void test_a_script_is_ones_own_and_not_an_ancestors(void **state)
{
	struct policy *p = parsed("allow session exe=/usr/bin/python3 script=/usr/bin/aws r **\n");
	struct facts f = member(p, "/usr/bin/python3", "/usr/bin/python3");

	f.chain[1].script = id_of(p, "/usr/bin/aws");
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	f.chain[0].script = f.chain[1].script;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_ALLOW, 1);
	f.chain[0].exe = file(OTHER);
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	policy_free(p);
}

static void test_a_script_that_is_a_guess_is_refused_for_and_not_allowed(void **state)
{
	struct policy *p = parsed("hide  under=/usr/bin/gemini - **\n"
				  "allow session exe=/usr/bin/python3 script=/usr/bin/aws r **\n"
				  "allow session not-under=/usr/bin/claude l **\n");
	struct facts f = member(p, "/usr/bin/python3", NULL);

	/* A guess that is another one: nothing is in the way, and nothing is given for it. */
	f.chain[0].doubt = true;
	f.chain[0].script = id_of(p, "/usr/bin/aws");
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	assert_decision(decided(p, f, MAY_LIST, "a"), VERDICT_ALLOW, 3);
	f.chain[0].script = id_of(p, "/usr/bin/gemini");
	assert_decision(decided(p, f, MAY_LIST, "a"), VERDICT_HIDE, 1);
	/* One that could be any. */
	f.chain[0].script = (struct file_id){ 0 };
	assert_decision(decided(p, f, MAY_LIST, "a"), VERDICT_HIDE, 1);
	f.chain[0].doubt = false;
	assert_decision(decided(p, f, MAY_LIST, "a"), VERDICT_ALLOW, 3);
	f.chain[1].doubt = true;
	assert_decision(decided(p, f, MAY_LIST, "a"), VERDICT_HIDE, 1);
	policy_free(p);
}

static void test_uid_tty_tracer_and_environment_are_asked_for(void **state)
{
	struct policy *p = parsed("deny  traced                 - **\n"
				  "allow uid=0,1000 tty         r **\n"
				  "allow uid=1000 clean-env     w **\n");
	struct facts f = member(p, NULL, NULL);

	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	f.tty = true;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_ALLOW, 2);
	assert_decision(decided(p, f, MAY_WRITE, "a"), VERDICT_ALLOW, 3);
	f.clean_env = false;
	assert_decision(decided(p, f, MAY_WRITE, "a"), VERDICT_DENY, 0);
	f.uid = 1001;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 0);
	f.uid = 0;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_ALLOW, 2);
	f.traced = true;
	assert_decision(decided(p, f, MAY_READ, "a"), VERDICT_DENY, 1);
	policy_free(p);
}

static void test_only_what_a_rule_asks_for_is_needed(void **state)
{
	static const struct {
		const char *text;
		unsigned needs;
	} rows[] = {
		{ "allow session - **", 0 },
		{ "allow session exe=/a - **", FACT_EXE },
		{ "allow session exe=/a script=/b - **", FACT_EXE | FACT_SCRIPT },
		{ "hide under=/a - **", FACT_EXE | FACT_SCRIPT | FACT_CHAIN },
		{ "deny traced - **\nallow tty uid=1 - **", FACT_TRACED | FACT_TTY | FACT_UID },
		{ "allow clean-env - **", FACT_ENV },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct policy *p = parsed(rows[i].text);

		assert_int_equal(policy_needs(p), rows[i].needs);
		policy_free(p);
	}
}

static double nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* What one decision costs when a hundred rules are for the caller; printed, not judged. */
static void test_the_last_of_a_hundred_rules_decides(void **state)
{
	char *text = many(99, "deny session rw dir@/**\n");
	struct policy *p = parsed(strcat(text, "allow session rw **\n"));
	struct facts f = member(p, NULL, NULL);
	struct policy_who who = who_of(p, &f);
	const unsigned rounds = 200000;
	double start = nanoseconds();

	for (unsigned i = 0; i < rounds; i++)
		assert_true(policy_decide(p, &who, MAY_READ, "files/f042").line == 100);
	print_message("# a decision by the last of 100 rules: %.0f ns\n",
		      (nanoseconds() - start) / rounds);
	assert_decision(policy_decide(p, &who, MAY_READ, "dir98/x"), VERDICT_DENY, 99);
	policy_free(p);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rule_is_deny),
		cmocka_unit_test(test_the_first_rule_that_fits_decides),
		cmocka_unit_test(test_of_several_operations_the_strictest_verdict_counts),
		cmocka_unit_test(test_no_operation_and_an_unknown_one_are_denied),
		cmocka_unit_test(test_each_letter_is_its_operation),
		cmocka_unit_test(test_a_member_that_is_open_or_none_at_all_is_no_session),
		cmocka_unit_test(test_a_program_is_known_by_its_file),
		cmocka_unit_test(test_the_same_number_on_another_device_is_another_program),
		cmocka_unit_test(test_a_program_that_is_not_there_is_nobody),
		cmocka_unit_test(test_under_is_oneself_or_any_ancestor_by_program_or_script),
		cmocka_unit_test(test_not_under_allows_who_is_certainly_not),
		cmocka_unit_test(test_what_is_unknown_fits_what_refuses_and_nothing_that_allows),
		cmocka_unit_test(test_a_pin_is_the_hash_of_the_program),
		cmocka_unit_test(test_a_script_is_ones_own_and_not_an_ancestors),
		cmocka_unit_test(test_a_script_that_is_a_guess_is_refused_for_and_not_allowed),
		cmocka_unit_test(test_uid_tty_tracer_and_environment_are_asked_for),
		cmocka_unit_test(test_only_what_a_rule_asks_for_is_needed),
		cmocka_unit_test(test_the_last_of_a_hundred_rules_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
