#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "tazfs/cmd_policy.h"
#include "tazfs/policy_preset.h"
#include "tazfs/policy_table.h"
#include "tazfs/policy_why.h"

enum { REASONS_MAX = 3, SHOWN_BYTES = 200 }; /* of why, of a rule */

struct test {
	const struct policy *p;
	const char *policy, *table; /* names */
	unsigned rows, failed;
	struct json_object *mismatches; /* or NULL: print text */
};

/* The rule of a line, with blanks where tabs are. */
static const char *rule_text(const struct policy *p, unsigned line, char buf[SHOWN_BYTES])
{
	const char *text;
	size_t len = policy_line(p, line, &text);

	snprintf(buf, SHOWN_BYTES, "%.*s", (int)(len < SHOWN_BYTES ? len : SHOWN_BYTES - 1), text);
	for (char *c = buf; *c; c++)
		if (*c == '\t')
			*c = ' ';
	return buf;
}

/* Why the rules that say what was expected did not decide. */
static unsigned reasons(const struct test *t, const struct table_row *row,
			char ret[REASONS_MAX][2 * SHOWN_BYTES])
{
	unsigned n = 0, last = policy_last_line(t->p);

	for (unsigned line = 1; line <= last && n < REASONS_MAX; line++) {
		struct policy_why why =
			policy_why(t->p, line, &row->facts, row->programs, row->may, row->path);

		if (why.verdict != row->expected || why.why < WHY_CALLER)
			continue;
		if (why.why == WHY_CALLER)
			snprintf(ret[n++], 2 * SHOWN_BYTES,
				 "line %u says %s, but not for this caller: %s: %s", line,
				 policy_verdict_name(why.verdict), why.term, why.because);
		else if (row->is.line && line > row->is.line)
			snprintf(ret[n++], 2 * SHOWN_BYTES, "line %u says %s, but comes later",
				 line, policy_verdict_name(why.verdict));
	}
	if (!n)
		snprintf(ret[n++], 2 * SHOWN_BYTES, "no rule says %s for that path and operation",
			 policy_verdict_name(row->expected));
	return n;
}

static void print_mismatch(const struct test *t, const struct table_row *row)
{
	char why[REASONS_MAX][2 * SHOWN_BYTES], rule[SHOWN_BYTES];
	unsigned n = reasons(t, row, why);

	printf("%s:%u: %s: expected %s, but it is %s\n", t->table, row->line,
	       *row->path ? row->path : ".", policy_verdict_name(row->expected),
	       policy_verdict_name(row->is.verdict));
	if (row->is.line)
		printf("    by line %u of %s: %s\n", row->is.line, t->policy,
		       rule_text(t->p, row->is.line, rule));
	else
		printf("    no rule of %s fits\n", t->policy);
	for (unsigned i = 0; i < n; i++)
		printf("    %s\n", why[i]);
}

static struct json_object *mismatch_json(const struct test *t, const struct table_row *row)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	char why[REASONS_MAX][2 * SHOWN_BYTES], rule[SHOWN_BYTES];
	unsigned n = reasons(t, row, why);

	json_object_object_add(o, "line", json_object_new_int64(row->line));
	json_object_object_add(o, "path", json_object_new_string(row->path));
	json_object_object_add(o, "expected",
			       json_object_new_string(policy_verdict_name(row->expected)));
	json_object_object_add(o, "verdict",
			       json_object_new_string(policy_verdict_name(row->is.verdict)));
	json_object_object_add(o, "rule_line",
			       row->is.line ? json_object_new_int64(row->is.line) : NULL);
	json_object_object_add(
		o, "rule",
		row->is.line ? json_object_new_string(rule_text(t->p, row->is.line, rule)) : NULL);
	for (unsigned i = 0; i < n; i++)
		json_object_array_add(list, json_object_new_string(why[i]));
	json_object_object_add(o, "why", list);
	return o;
}

static void on_row(void *ctx, const struct table_row *row)
{
	struct test *t = ctx;

	t->rows++;
	if (row->is.verdict == row->expected)
		return;
	t->failed++;
	if (t->mismatches)
		json_object_array_add(t->mismatches, mismatch_json(t, row));
	else
		print_mismatch(t, row);
}

static void print_end(const struct test *t, const struct policy_error *err)
{
	struct json_object *o;

	if (!t->mismatches) {
		printf("%u verdict%s, %u not as expected\n", t->rows, t->rows == 1 ? "" : "s",
		       t->failed);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "ok", json_object_new_boolean(!err && !t->failed));
	json_object_object_add(o, "verdicts", json_object_new_int64(t->rows));
	json_object_object_add(o, "failed", json_object_new_int64(t->failed));
	json_object_object_add(o, "error", err ? policy_file_json(err) : NULL);
	json_object_object_add(o, "mismatches", json_object_get(t->mismatches));
	json_print(o);
}

static int run_table(struct test *t, const struct policy_file *table)
{
	struct policy_error err;
	int r = policy_table(t->p, table->text, table->size, on_row, t, &err);

	if (r < 0 && r != -EINVAL) {
		log_err(r, "read %s", table->name);
		return CMD_FAILED;
	}
	if (r < 0)
		policy_file_say(table, &err);
	else if (!t->rows)
		log_warn("%s: there is no line in it that expects something", table->name);
	if (r == 0 || t->mismatches)
		print_end(t, r < 0 ? &err : NULL);
	return r < 0 || t->failed ? CMD_FAILED : CMD_DONE;
}

static int test(const struct policy *p, const char *name, const char *path, bool json)
{
	struct test t = { .p = p, .policy = name };
	struct policy_file table;
	int r = CMD_FAILED;

	if (policy_file_read(path, &table) < 0)
		return CMD_FAILED;
	t.table = table.name;
	t.mismatches = json ? json_object_new_array() : NULL;
	r = run_table(&t, &table);
	json_object_put(t.mismatches);
	policy_file_done(&table);
	return r;
}

static int with_preset(const char *name, const char *table, bool json)
{
	const struct policy_preset *preset = policy_preset(name);
	struct policy *p = NULL;
	struct policy_error err;
	int r;

	if (!preset)
		return policy_no_preset(name);
	r = policy_parse(preset->text, strlen(preset->text), &p, &err);
	if (r < 0) {
		log_err(r, "parse the preset %s", name);
		return CMD_FAILED;
	}
	r = test(p, name, table, json);
	policy_free(p);
	return r;
}

static int with_file(const char *path, const char *table, bool json)
{
	struct policy_file f;
	struct policy *p = NULL;
	int r = CMD_FAILED;

	if (policy_file_parse(path, &f, &p) == 0)
		r = test(p, f.name, table, json);
	policy_free(p);
	policy_file_done(&f);
	return r;
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "policy", required_argument, NULL, 'f' },
						 { "preset", required_argument, NULL, 'p' },
						 { NULL, 0, NULL, 0 } };
	const char *file = NULL, *preset = NULL;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'j')
			json = true;
		else if (c == 'f')
			file = optarg;
		else if (c == 'p')
			preset = optarg;
		else
			return cmd_usage(&cmd_policy_test);
	}
	if (argc - optind != 1 || !file == !preset)
		return cmd_usage(&cmd_policy_test);
	if (file && !strcmp(file, "-") && !strcmp(argv[optind], "-")) {
		log_error("only one of the two can be standard input");
		return CMD_USAGE;
	}
	return preset ? with_preset(preset, argv[optind], json)
		      : with_file(file, argv[optind], json);
}

const struct cmd cmd_policy_test = {
	.name = "policy test",
	.args = "[--json] --policy FILE | --preset NAME  TABLE",
	.help = "hold a policy against a table of the verdicts that you expect",
	.details =
		"A line of TABLE is a verdict, a caller, what it does, and paths:\n"
		"\n"
		"  allow  session exe=/usr/bin/ssh under=/usr/bin/tmux tty  r  ssh/id_rsa\n"
		"\n"
		"tazfs-policy(5) says more. Each verdict that is another one is printed, with the\n"
		"rule that decided and why those that you may have had in mind did not.\n"
		"\n"
		"Options:\n"
		"  --policy FILE   the policy; - is standard input\n"
		"  --preset NAME   one that comes with tazfs instead\n"
		"  --json          one JSON object: ok, verdicts, failed, error (or null),\n"
		"                  mismatches; each of these has line, path, expected, verdict,\n"
		"                  rule_line, rule, why\n"
		"\n"
		"Example:\n"
		"  tazfs policy test my.table --policy my.policy\n"
		"\n"
		"Exit codes: 0 all as expected, 1 not, or an error in one of the files, 2 usage.\n",
	.run = run,
};
