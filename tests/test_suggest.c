/* Rules from what an audit has recorded: what they allow, and what nobody can make of them. */
#include "tests/suggest_fixture.h"

/* --- rules --- */

static void test_a_program_is_allowed_what_it_was_refused_and_nobody_else(void **state)
{
	begin("audit-only\n");
	asked(SSH, "look", "");
	asked(SSH, "look", "ssh");
	asked(SSH, "r", "ssh/id");
	asked(SSH, "r", "ssh/config");
	asked(SSH, "r", "ssh/id");
	asked("/usr/bin/git", "wc", "git/index");
	asked("/usr/bin/git", "d", "git/index");
	suggested();
	has("\n# 3 times, last 2026-01-31T08:15:00Z\n"
	    "allow  session exe=/usr/bin/ssh  r  ssh/config ssh/id\n");
	has("\n# 2 times, last 2026-01-31T08:15:00Z\n"
	    "allow  session exe=/usr/bin/git  wcd  git/index\n");
	assert_int_equal(policy_rules(run.got), 2);
	assert_true(may(SSH, MAY_READ, "ssh/id") && sees(SSH, "ssh") && sees(SSH, ""));
	assert_false(may(SSH, MAY_WRITE, "ssh/id") || may(SSH, MAY_READ, "ssh/other"));
	assert_false(may("/usr/bin/git", MAY_READ, "ssh/id") || sees("/usr/bin/git", "ssh/id"));
	assert_false(sees(SSH, "git"));
}

static void test_the_order_of_the_log_does_not_matter(void **state)
{
	static const char *const paths[] = { "b/x", "a", "b-c", "b", "b/a" };
	char first[SUGGEST_TEXT_MAX + 1];

	begin("audit-only\n");
	for (int i = 0; i < 5; i++)
		asked(i & 1 ? "/b" : "/a", "r", paths[i]);
	strcpy(first, suggested());
	teardown(NULL);
	begin("audit-only\n");
	for (int i = 4; i >= 0; i--)
		asked(i & 1 ? "/b" : "/a", "r", paths[i]);
	assert_string_equal(suggested(), first);
	has("r  b/a b/x b-c\n");
}

static void many_names(const char *dir, unsigned n)
{
	char path[64];

	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s%sname-%u", dir, *dir ? "/" : "", i);
		asked("/usr/bin/x", "r", path);
	}
}

static void test_many_names_of_a_directory_become_all_below_it(void **state)
{
	begin("audit-only\n");
	many_names("few", SUGGEST_SIBLINGS);
	many_names("d/many", SUGGEST_SIBLINGS + 1);
	suggested();
	has("d/many/** stands for 9 paths");
	has(" d/many/** few/name-0 few/name-1 ");
	assert_true(may("/usr/bin/x", MAY_READ, "d/many/name-8"));
	assert_false(may("/usr/bin/x", MAY_READ, "d/other"));
	assert_false(may("/usr/bin/x", MAY_READ, "few/other"));
}

static void test_directories_that_are_many_fold_as_files_do(void **state)
{
	char path[64];

	begin("audit-only\n");
	for (unsigned i = 0; i <= SUGGEST_SIBLINGS; i++) {
		snprintf(path, sizeof(path), "objects/%02x/file", i);
		asked("/usr/bin/git", "r", path);
	}
	suggested();
	has("r  objects/**\n");
}

static void test_the_root_is_never_folded(void **state)
{
	begin("audit-only\n");
	many_names("", 40);
	asked("/usr/bin/x", "l", "");
	suggested();
	has(" name-39");
	has("  l  . *\n");
	has_not("**");
	assert_false(may("/usr/bin/x", MAY_READ, "other"));
}

static void test_a_directory_with_something_that_is_refused_by_name_is_not_folded(void **state)
{
	begin("decoy any r aws/root\nhide under=/usr/bin/gemini - **\nallow session - note\n");
	many_names("aws", SUGGEST_SIBLINGS + 1);
	suggested();
	has_not("aws/**");
	has("after what refuses on purpose, now line 1, 2.\n");
	assert_false(may("/usr/bin/x", MAY_READ, "aws/root"));
}

static void test_who_lists_a_directory_sees_the_names_in_it_and_no_more(void **state)
{
	begin("audit-only\n");
	asked("/usr/bin/ls", "l", "ssh");
	suggested();
	has("  l  ssh ssh/*\n");
	assert_true(sees("/usr/bin/ls", "ssh/id") && may("/usr/bin/ls", MAY_LIST, "ssh"));
	assert_false(sees("/usr/bin/ls", "ssh/sockets/x") ||
		     may("/usr/bin/ls", MAY_READ, "ssh/id"));
}

static void test_what_was_only_looked_at_is_shown_and_not_read(void **state)
{
	begin("audit-only\n");
	asked("/usr/bin/stat", "look", "ssh");
	asked("/usr/bin/stat", "look", "ssh/id");
	suggested();
	has("names were looked at: l is the least that shows them\n");
	has("  l  ssh/id\n");
	assert_true(sees("/usr/bin/stat", "ssh/id"));
	assert_false(may("/usr/bin/stat", MAY_READ, "ssh/id"));
}

static void test_a_directory_that_was_renamed_is_allowed_with_all_below_it(void **state)
{
	begin("audit-only\n");
	asked("/usr/bin/mv", "rwcdxl", "old");
	suggested();
	has("  -  old/**\n");
}

/* --- what is no plain rule --- */

static void test_an_interpreter_needs_its_script_or_its_rule_is_a_comment(void **state)
{
	struct audit_record r = record("/usr/bin/python3.11", "r", "deploy/key");

	begin("audit-only\n");
	r.script = "/usr/local/bin/deploy";
	add(r);
	r.path = "doubtful";
	r.doubt = 1;
	add(r);
	r.path = "relative";
	r.doubt = 0;
	r.script = "deploy";
	asked("/usr/bin/bash", "w", "history");
	suggested();
	has("\nallow  session exe=/usr/bin/python3.11 script=/usr/local/bin/deploy  r  deploy/key\n");
	has("\n# allow  session exe=/usr/bin/python3.11 interpreter-ok  r  doubtful\n");
	has("\n# allow  session exe=/usr/bin/bash interpreter-ok  w  history\n");
	assert_int_equal(policy_rules(run.got), 1);
	assert_false(may("/usr/bin/python3.11", MAY_READ, "deploy/key"));
	assert_int_equal(decided(run.got, caller("/usr/bin/python3.11", "/usr/local/bin/deploy"),
				 MAY_READ, "deploy/key")
				 .verdict,
			 VERDICT_ALLOW);
}

static void test_a_program_that_is_not_known_for_certain_is_told_in_a_comment(void **state)
{
	struct audit_record outsider = record("/usr/bin/cat", "r", "note"), more = outsider;

	begin("audit-only\n");
	asked(NULL, "r", "a");
	asked("/tmp/x (deleted)", "r", "b");
	asked("(unreachable)/x", "r", "c");
	asked("/tmp/\xff\nallow any - **", "r", "d");
	asked("/tmp/a//b", "r", "e");
	asked("/usr/bin/x", "r", "/");
	outsider.session = 0;
	add(outsider);
	more.path = NULL;
	more.count = 7;
	add(more);
	suggested();
	assert_int_equal(policy_rules(run.got), 0);
	has("# ?: what it ran is not known (1 time, last 2026-01-31T08:15:00Z): a\n");
	has("# /tmp/x (deleted): its program was deleted or replaced while it ran");
	has("/tmp/\\xff\\x0aallow any - **: ");
	has("# /tmp/a//b: no rule of the language says that");
	has("no rule lets it in (1 time,");
	has("was not kept one by one (7 times");
}

static const char *gone(const char *exe, const char *script)
{
	return strcmp(exe, "/gone") ? NULL : "its program is not there any more";
}

static void test_what_is_not_on_the_machine_is_no_rule(void **state)
{
	begin_for("audit-only\n", gone);
	asked("/gone", "r", "a");
	asked("/here", "r", "a");
	suggested();
	has("# /gone: its program is not there any more");
	assert_int_equal(policy_rules(run.got), 1);
}

/* --- beside the policy --- */

static void by_rule(const char *exe, unsigned verdict, unsigned line, const char *path)
{
	struct audit_record r = record(exe, "r", path);

	r.verdict = verdict;
	r.rule = line;
	r.by = AUDIT_BY_RULE;
	add(r);
}

static void test_what_is_refused_on_purpose_is_a_comment_that_names_the_rule(void **state)
{
	begin("decoy any r aws/root\nhide under=/usr/bin/gemini - **\ndeny traced - **\ndeny any - "
	      "**\n");
	by_rule("/usr/bin/cat", AUDIT_DECOY, 1, "aws/root");
	by_rule("/usr/bin/cat", AUDIT_HIDE, 2, "note");
	by_rule("/usr/bin/cat", AUDIT_DENY, 3, "other");
	by_rule("/usr/bin/cat", AUDIT_DENY, 4, "mine");
	suggested();
	has("\n# line 1: decoy any r aws/root\n# allow  session exe=/usr/bin/cat  r  aws/root\n");
	has("\n# line 2: hide under=/usr/bin/gemini - **\n");
	has("\n# line 3: deny traced - **\n");
	has("\nallow  session exe=/usr/bin/cat  r  mine\n");
	assert_int_equal(policy_rules(run.got), 1);
}

static void test_a_rule_beside_one_that_refuses_others_by_name_says_so(void **state)
{
	begin("deny under=/usr/bin/gemini - ssh/**\n");
	asked(SSH, "r", "ssh/id");
	suggested();
	has("# line 1 refuses by name, put this rule after it: deny under=/usr/bin/gemini - "
	    "ssh/**\nallow ");
}

static void test_conditions_that_were_not_so_are_not_given_up(void **state)
{
	begin("allow session clean-env exe=/usr/bin/ssh r ssh/**\n");
	asked(SSH, "r", "ssh/id");
	suggested();
	assert_int_equal(policy_rules(run.got), 0);
	has("under conditions that were not so\n# line 1: allow session clean-env");
}

static void test_a_question_is_a_rule_that_says_so(void **state)
{
	begin("ask session - **\n");
	by_rule(SSH, AUDIT_ASK, 1, "ssh/id");
	suggested();
	has("\n# line 1 asks somebody: ask session - **\nallow  session exe=/usr/bin/ssh  r  "
	    "ssh/id\n");
}

static void replaced(const char *hash)
{
	char text[128];
	const struct audit_record r = { .event = AUDIT_NOTE, .time_ns = WHEN, .text = text };

	snprintf(text, sizeof(text), AUDIT_NOTE_POLICY "9 bytes" AUDIT_NOTE_SHA256 "%s", hash);
	add(r);
}

static void test_what_an_older_policy_refused_is_decided_by_the_present_one(void **state)
{
	struct audit_record r = record("/usr/bin/cat", "r", "note");

	begin("hide under=/usr/bin/gemini - **\nallow session exe=/usr/bin/ssh r ssh/**\n");
	by_rule(SSH, AUDIT_DENY, 1, "ssh/id");
	r.n_chain = 1;
	r.chain[0] = (struct audit_program){ 40, "/usr/bin/gemini" };
	r.rule = 7;
	add(r);
	by_rule("/usr/bin/cat", AUDIT_DENY, 1, "fine");
	replaced(run.s.hash);
	suggested();
	has("# 1 of these decisions the policy allows now.\n");
	has_not("exe=/usr/bin/ssh  r");
	has("# line 1: hide under=/usr/bin/gemini - **\n# allow  session exe=/usr/bin/cat  r  note");
	has("\nallow  session exe=/usr/bin/cat  r  fine\n");
}

static void test_nothing_refused_is_a_policy_without_a_rule(void **state)
{
	struct audit_record r = record(SSH, "r", "ssh/id");

	begin("audit-only\n");
	r.verdict = AUDIT_ALLOW;
	add(r);
	assert_string_equal(suggested(),
			    "# Suggested by \"tazfs policy suggest\": nothing was refused.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_program_is_allowed_what_it_was_refused_and_nobody_else),
		T(test_the_order_of_the_log_does_not_matter),
		T(test_many_names_of_a_directory_become_all_below_it),
		T(test_directories_that_are_many_fold_as_files_do),
		T(test_the_root_is_never_folded),
		T(test_a_directory_with_something_that_is_refused_by_name_is_not_folded),
		T(test_who_lists_a_directory_sees_the_names_in_it_and_no_more),
		T(test_what_was_only_looked_at_is_shown_and_not_read),
		T(test_a_directory_that_was_renamed_is_allowed_with_all_below_it),
		T(test_an_interpreter_needs_its_script_or_its_rule_is_a_comment),
		T(test_a_program_that_is_not_known_for_certain_is_told_in_a_comment),
		T(test_what_is_not_on_the_machine_is_no_rule),
		T(test_what_is_refused_on_purpose_is_a_comment_that_names_the_rule),
		T(test_a_rule_beside_one_that_refuses_others_by_name_says_so),
		T(test_conditions_that_were_not_so_are_not_given_up),
		T(test_a_question_is_a_rule_that_says_so),
		T(test_what_an_older_policy_refused_is_decided_by_the_present_one),
		T(test_nothing_refused_is_a_policy_without_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
