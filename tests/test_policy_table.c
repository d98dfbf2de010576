/* Tables of expected verdicts, the shipped presets by such tables, and why a rule does not decide.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/policy_fixture.h"

#include "enclave/base/io.h"
#include "tazfs/policy_preset.h"
#include "tazfs/policy_table.h"
#include "tazfs/policy_why.h"

struct counted {
	const struct policy *p;
	const char *name;
	unsigned rows, wrong;
	struct table_row last;
};

static void count(void *ctx, const struct table_row *row)
{
	struct counted *c = ctx;

	c->rows++;
	c->last = *row;
	if (row->is.verdict == row->expected)
		return;
	c->wrong++;
	if (c->name)
		print_message("# %s line %u, %s: expected %s, is %s by line %u\n", c->name,
			      row->line, row->path, policy_verdict_name(row->expected),
			      policy_verdict_name(row->is.verdict), row->is.line);
}

static struct counted run_table(const struct policy *p, const char *table, const char *name)
{
	struct counted c = { .p = p, .name = name };
	struct policy_error err;

	if (policy_table(p, table, strlen(table), count, &c, &err) < 0)
		fail_msg("%s: %u:%u: %s", name, err.line, err.column, err.text);
	return c;
}

static void test_each_preset_answers_as_its_table_says(void **state)
{
	for (const struct policy_preset *preset = policy_presets(); preset->name; preset++) {
		struct policy *p = parsed(preset->text);
		struct policy_error never;
		char path[512], table[POLICY_BYTES_MAX];
		struct counted c;

		snprintf(path, sizeof(path), TAZ_SOURCE_DIR "/tests/policies/%s.table",
			 preset->name);
		assert_true(io_read_text(AT_FDCWD, path, table, sizeof(table)) > 0);
		c = run_table(p, table, preset->name);
		assert_int_equal(c.wrong, 0);
		assert_true(c.rows > 5);
		assert_int_equal(policy_check(p, &never, 1), 0);
		policy_free(p);
	}
}

static void test_a_preset_is_the_file_that_is_installed(void **state)
{
	for (const struct policy_preset *preset = policy_presets(); preset->name; preset++) {
		char path[512], text[POLICY_BYTES_MAX];

		snprintf(path, sizeof(path), TAZ_SOURCE_DIR "/tazfs/policies/%s.policy",
			 preset->name);
		assert_true(io_read_text(AT_FDCWD, path, text, sizeof(text)) > 0);
		assert_string_equal(preset->text, text);
	}
	assert_non_null(policy_preset(POLICY_PRESET_DEFAULT));
	assert_null(policy_preset("none"));
}

static void test_the_default_asks_the_kernel_nothing_more(void **state)
{
	struct policy *p = parsed(policy_preset(POLICY_PRESET_DEFAULT)->text);

	assert_int_equal(policy_needs(p), 0);
	assert_true(policy_is_even(p));
	policy_free(p);
}

static void test_a_callers_facts_are_those_of_the_line(void **state)
{
	struct policy *p = parsed("allow exe=/a under=/b,/c script=/s r **\n");
	struct counted c = run_table(
		p,
		"deny session open tty traced clean-env orphan exe=/a script=/s under=/c,/x "
		"uid=7 pin=sha256:"
		"0a00000000000000000000000000000000000000000000000000000000000000 r a\\*b\n",
		NULL);
	const struct facts *f = &c.last.facts;

	assert_true(f->session && f->open && f->tty && f->traced && f->clean_env && !f->whole);
	assert_int_equal(f->uid, 7);
	assert_int_equal(f->n_chain, 3);
	assert_int_equal(f->chain[0].exe.ino, id_of(p, "/a").ino);
	assert_int_equal(f->chain[0].script.ino, id_of(p, "/s").ino);
	assert_int_equal(f->chain[1].exe.ino, id_of(p, "/c").ino);
	assert_true(f->chain[2].exe.ino > POLICY_PROGRAMS_MAX);
	assert_int_equal(f->chain[0].hash[0], 10);
	assert_true(f->chain[0].hashed && f->chain[0].known);
	assert_int_equal(c.wrong, 1);
	assert_int_equal(c.last.is.verdict, VERDICT_ALLOW);
	run_table(p, "deny outsider unknown r .\n", NULL);
	policy_free(p);
}

static void test_a_mismatch_is_seen_for_each_path(void **state)
{
	struct policy *p = parsed("allow session r a\n");
	struct counted c =
		run_table(p, "allow session r a b # b is wrong\ndeny outsider look .\n", NULL);

	assert_int_equal(c.rows, 3);
	assert_int_equal(c.wrong, 1);
	policy_free(p);
}

static void test_an_error_in_a_table_has_its_place(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *says;
	} rows[] = {
		{ "alow session r a", 1, 1, "did you mean 'allow'" },
		{ "allow sessoin r a", 1, 7, "did you mean 'session'" },
		{ "allow any r a", 1, 7, "session or outsider" },
		{ "allow tty r a", 1, 11, "session or not" },
		{ "allow session outsider r a", 1, 24, "session or not" },
		{ "allow session session r a", 1, 15, "twice" },
		{ "allow session exe=ssh r a", 1, 19, "absolute" },
		{ "allow session pin=1 r a", 1, 19, "sha256sum" },
		{ "allow session uid=x r a", 1, 19, "id -u" },
		{ "allow session", 1, 14, "before what is done" },
		{ "allow session r", 1, 16, "before a path" },
		{ "allow session r **", 1, 17, "no glob" },
		{ "allow session r /a", 1, 17, "empty part" },
		{ "# ok\n\nallow session r \"a", 3, 17, "not closed" },
	};
	struct policy *p = parsed("");

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct counted c = { .p = p };
		struct policy_error err;

		assert_int_equal(
			policy_table(p, rows[i].text, strlen(rows[i].text), count, &c, &err),
			-EINVAL);
		if (err.line != rows[i].line || err.column != rows[i].column ||
		    !strstr(err.text, rows[i].says))
			fail_msg("%s: %u:%u: %s", rows[i].text, err.line, err.column, err.text);
	}
	policy_free(p);
}

static void test_why_a_rule_does_not_decide_is_told(void **state)
{
	static const struct {
		unsigned line;
		enum why why;
		const char *term;
	} rows[] = {
		{ 1, WHY_NO_RULE, NULL },    { 2, WHY_PATH, NULL },
		{ 3, WHY_OPERATION, NULL },  { 4, WHY_CALLER, "exe=" },
		{ 5, WHY_CALLER, "under=" }, { 6, WHY_CALLER, "not-under=" },
		{ 7, WHY_CALLER, "tty" },    { 8, WHY_FITS, NULL },
		{ 99, WHY_NO_RULE, NULL },
	};
	struct policy *p = parsed("# a comment\n"
				  "allow session r b\n"
				  "allow session w a\n"
				  "allow session exe=/x r a\n"
				  "hide under=/x - a\n"
				  "allow session not-under=/p - a\n"
				  "deny session tty - a\n"
				  "allow session r a\n");
	struct facts f = member(p, NULL, "/p");
	struct file_id programs[POLICY_PROGRAMS_MAX];

	for (unsigned i = 0; i < POLICY_PROGRAMS_MAX; i++)
		programs[i] = file(i + 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct policy_why why = policy_why(p, rows[i].line, &f, programs, MAY_READ, "a");

		assert_int_equal(why.why, rows[i].why);
		if (rows[i].term)
			assert_string_equal(why.term, rows[i].term);
		if (why.why != WHY_FITS)
			assert_non_null(why.because);
	}
	f.whole = false;
	assert_int_equal(policy_why(p, 5, &f, programs, MAY_READ, "a").why, WHY_FITS);
	assert_non_null(strstr(policy_why(p, 6, &f, programs, MAY_READ, "a").because, "one of"));
	policy_free(p);
}

static void test_a_rule_that_can_never_decide_is_found(void **state)
{
	static const struct {
		const char *text;
		unsigned never; /* line, or 0 */
	} rows[] = {
		{ "allow any - **\ndeny session r ssh/**", 2 },
		{ "allow any r **\ndeny session rw ssh/**", 0 },
		{ "allow any r **\nallow any w **\ndeny session rw ssh/**", 3 },
		{ "deny any - ssh/**\nallow session r ssh/id_* ssh", 2 },
		{ "deny any - ssh/**\nallow session r ssh/id_* kube", 0 },
		{ "allow session - **\ndeny any - **", 0 },
		{ "allow session - **\ndeny session tty - **", 2 },
		{ "allow exe=/a,/b - **\nallow exe=/b session - a", 2 },
		{ "allow exe=/b - **\nallow exe=/a,/b - a", 0 },
		{ "deny not-under=/a - **\ndeny not-under=/a,/b - a", 2 },
		{ "deny not-under=/a,/b - **\ndeny not-under=/a - a", 0 },
		/* Who is not known passes the first and not the second. */
		{ "allow exe=/a - **\nhide exe=/a - a", 0 },
		{ "hide exe=/a - **\nallow exe=/a - a", 2 },
		{ "allow uid=1,2 - **\nallow uid=2 - a", 2 },
		{ "ask any - **\nallow any - **", 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct policy *p = parsed(rows[i].text);
		struct policy_error found = { 0 };
		unsigned n = policy_check(p, &found, 1);

		if (n != !!rows[i].never || found.line != rows[i].never)
			fail_msg("%s: %u, line %u", rows[i].text, n, found.line);
		policy_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_preset_answers_as_its_table_says),
		cmocka_unit_test(test_a_preset_is_the_file_that_is_installed),
		cmocka_unit_test(test_the_default_asks_the_kernel_nothing_more),
		cmocka_unit_test(test_a_callers_facts_are_those_of_the_line),
		cmocka_unit_test(test_a_mismatch_is_seen_for_each_path),
		cmocka_unit_test(test_an_error_in_a_table_has_its_place),
		cmocka_unit_test(test_why_a_rule_does_not_decide_is_told),
		cmocka_unit_test(test_a_rule_that_can_never_decide_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
