#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "tazfs/cmd_policy.h"
#include "tazfs/policy_machine.h"
#include "tazfs/policy_why.h"

enum { SHOWN_MAX = 100 }; /* warnings or notes; how many more there are is said */

struct findings {
	struct policy_error list[SHOWN_MAX];
	unsigned n;
};

static void print_findings(const struct policy_file *f, const char *what, const struct findings *of)
{
	for (unsigned i = 0; i < of->n && i < SHOWN_MAX; i++)
		printf("%s:%u: %s: %s\n", f->name, of->list[i].line, what, of->list[i].text);
	if (of->n > SHOWN_MAX)
		printf("%s: %u more of these: %s\n", f->name, of->n - SHOWN_MAX, what);
}

static void print_text(const struct policy_file *f, const struct policy *p,
		       const struct findings *never, const struct findings *here)
{
	unsigned rules = policy_rules(p);

	print_findings(f, "warning", never);
	print_findings(f, "here", here);
	if (!rules)
		printf("%s: warning: no rule, so everything is denied\n", f->name);
	printf("%s: %u rule%s, no error%s\n", f->name, rules, rules == 1 ? "" : "s",
	       policy_audit_only(p) ? "; audit-only: nothing is refused" : "");
}

static struct json_object *findings_json(const struct findings *of)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < of->n && i < SHOWN_MAX; i++)
		json_object_array_add(list, policy_file_json(&of->list[i]));
	return list;
}

/* @p is NULL and @err what is wrong, or the other way round. */
static void print_json(const struct policy *p, const struct policy_error *err,
		       const struct findings *never, const struct findings *here)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(p != NULL));
	json_object_object_add(o, "rules", json_object_new_int64(p ? policy_rules(p) : 0));
	json_object_object_add(o, "audit_only", json_object_new_boolean(p && policy_audit_only(p)));
	json_object_object_add(o, "error", p ? NULL : policy_file_json(err));
	json_object_object_add(o, "warnings", findings_json(never));
	json_object_object_add(o, "here", findings_json(here));
	json_print(o);
}

static int check(const struct policy_file *f, bool json)
{
	static struct findings never, here;
	struct policy *p = NULL;
	struct policy_error err;
	int r = policy_parse(f->text, f->size, &p, &err);

	if (r < 0 && r != -EINVAL) {
		log_err(r, "parse %s", f->name);
		return CMD_FAILED;
	}
	if (r == 0) {
		never.n = policy_check(p, never.list, SHOWN_MAX);
		here.n = policy_machine(p, here.list, SHOWN_MAX);
	}
	if (json)
		print_json(p, &err, &never, &here);
	else if (r < 0)
		policy_file_say(f, &err);
	else
		print_text(f, p, &never, &here);
	policy_free(p);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { NULL, 0, NULL, 0 } };
	struct policy_file f;
	bool json = false;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c != 'j')
			return cmd_usage(&cmd_policy_check);
		json = true;
	}
	if (argc - optind > 1)
		return cmd_usage(&cmd_policy_check);
	if (policy_file_read(optind < argc ? argv[optind] : "-", &f) < 0)
		return CMD_FAILED;
	r = check(&f, json);
	policy_file_done(&f);
	return r;
}

const struct cmd cmd_policy_check = {
	.name = "policy check",
	.args = "[--json] [FILE]",
	.help = "say what is wrong with a policy, or not as it seems",
	.details =
		"FILE is standard input when it is left out, or -. Besides errors it finds rules\n"
		"that never decide, because others before always do, and looks at what the\n"
		"programs are on this machine: run it where the policy will be used.\n"
		"\n"
		"Options:\n"
		"  --json   one JSON object: ok, rules, audit_only, error (or null), warnings,\n"
		"           here; an error, a warning and what is found here have line, column\n"
		"           and text\n"
		"\n"
		"Example:\n"
		"  tazfs policy check my.policy\n"
		"\n"
		"Exit codes: 0 no error (there may be warnings), 1 an error, 2 usage.\n",
	.run = run,
};
