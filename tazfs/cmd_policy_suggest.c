#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "tazfs/audit_print.h"
#include "tazfs/audit_show.h"
#include "tazfs/audit_source.h"
#include "tazfs/cmd_policy.h"
#include "tazfs/control_client.h"
#include "tazfs/suggest.h"

struct args {
	struct audit_filter filter;
	const char *policy, *file, *dir;
	bool json;
};

/* --- reading ------------------------------------------------------------------------------------
 */

/* On the machine where the rules are to be used. */
static const char *wrong_here(const char *exe, const char *script)
{
	struct stat st;

	if (lstat(exe, &st) < 0)
		return "its program is not there any more";
	if (!S_ISREG(st.st_mode))
		return "what is at its program's path now is a link, or no program";
	if (script && (stat(script, &st) < 0 || !S_ISREG(st.st_mode)))
		return "its script is not there any more";
	return NULL;
}

struct reader {
	struct suggest *s;
	const struct audit_filter *filter;
	char *mem; /* AUDIT_PARSE_MEM(AUDIT_LINE_MAX) */
	bool read;
};

static int read_line(void *arg, const char *line, size_t size)
{
	struct reader *r = arg;
	struct audit_record record;

	if (audit_parse(line, size, r->mem, &record) < 0)
		return 0; /* of a later version */
	r->read = true;
	/* When the policy was replaced is known of all times. */
	if (record.verdict && !audit_filter_fits(r->filter, &record))
		return 0;
	return suggest_add(r->s, &record);
}

static int read_log(const struct args *a, struct suggest *s)
{
	struct reader reader = { .s = s, .filter = &a->filter };
	struct audit_source *source;
	bool said;
	int r = audit_source_open(a->file, a->dir, &source);

	if (r < 0)
		return r;
	said = source->says;
	reader.mem = malloc(AUDIT_PARSE_MEM(AUDIT_LINE_MAX));
	r = reader.mem ? audit_lines(source, false, read_line, &reader) : -ENOMEM;
	source->close(source);
	free(reader.mem);
	if (r == 0 && a->file && !reader.read) {
		log_error("%s is no copy of an audit: make one with 'tazfs audit --json'", a->file);
		return -EBADMSG;
	}
	if (r == -EBADMSG)
		log_error("that is no log: a line is longer than %lu bytes", AUDIT_LINE_MAX);
	else if (r < 0 && !said)
		log_err(r, "read the log");
	return r;
}

/* --- the policy that the rules are for ----------------------------------------------------------
 */

static int policy_of_view(const char *dir, struct policy **ret)
{
	autoclose int root = control_open(dir);
	struct policy_file f = { .name = "the policy in force" };
	struct policy_error err;
	int r = root < 0 ? root : control_policy(root, &f.text, &f.size);

	if (r < 0)
		return r;
	r = policy_parse(f.text, f.size, ret, &err);
	if (r == -EINVAL)
		policy_file_say(&f, &err);
	else if (r < 0)
		log_err(r, "parse %s", f.name);
	policy_file_done(&f);
	return r;
}

static int find_policy(const struct args *a, struct policy **ret)
{
	struct policy_file f = { 0 };
	int r = a->policy ? policy_file_parse(a->policy, &f, ret) : policy_of_view(a->dir, ret);

	policy_file_done(&f);
	return r;
}

/* --- printing -----------------------------------------------------------------------------------
 */

static struct json_object *json_text(const char *text, size_t n)
{
	return json_object_new_string_len(text, (int)n);
}

/* Any bytes, as they stand in the log. */
static struct json_object *json_name(const char *name, size_t len)
{
	autofree char *copy = name ? strndup(name, len) : NULL;
	struct audit_out o = { .room = 4 * len + 1 };
	struct json_object *ret;

	if (!copy)
		return NULL;
	o.data = malloc(o.room);
	if (!o.data)
		return NULL;
	audit_put_name(&o, copy);
	ret = json_text(o.data, o.n);
	free(o.data);
	return ret;
}

static struct json_object *json_when(uint64_t ns)
{
	char text[64];
	struct audit_out o = { .data = text, .room = sizeof(text) };

	if (!ns)
		return NULL;
	audit_put_time(&o, ns);
	return json_text(o.data, o.n);
}

static struct json_object *json_paths(const struct suggest_entry *e)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < e->n; i++)
		json_object_array_add(list, json_name(e->units[i].path, e->units[i].len));
	return list;
}

static struct json_object *json_rule(const struct suggest_entry *e, char *buf)
{
	struct audit_out o = { .data = buf, .room = SUGGEST_TEXT_MAX };

	return e->kind != SUGGEST_NONE && suggest_put_rule(&o, e) > 0 ? json_text(o.data, o.n)
								      : NULL;
}

static struct json_object *json_entry(const struct suggest_entry *e, char *buf)
{
	static const char *const kinds[SUGGEST_KINDS] = { "rule", "interpreter", "on-purpose",
							  "none" };
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "kind", json_object_new_string(kinds[e->kind]));
	json_object_object_add(o, "rule", json_rule(e, buf));
	json_object_object_add(o, "exe", json_name(e->exe, e->exe ? strlen(e->exe) : 0));
	json_object_object_add(o, "script",
			       json_name(e->script, e->script ? strlen(e->script) : 0));
	json_object_object_add(o, "paths", json_paths(e));
	json_object_object_add(o, "count", json_object_new_uint64(e->count));
	json_object_object_add(o, "last", json_when(e->last_ns));
	json_object_object_add(o, "why", e->why ? json_object_new_string(e->why) : NULL);
	json_object_object_add(o, "line", e->line ? json_object_new_int64(e->line) : NULL);
	return o;
}

static void print_json(const struct suggest *s, const struct audit_out *text, unsigned left_out)
{
	char *buf = malloc(SUGGEST_TEXT_MAX);
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; buf && i < s->n; i++)
		json_object_array_add(list, json_entry(&s->entries[i], buf));
	json_object_object_add(o, "refused", json_object_new_uint64(s->refused));
	json_object_object_add(o, "since", json_when(s->since_ns));
	json_object_object_add(o, "until", json_when(s->until_ns));
	json_object_object_add(o, "suggestions", list);
	json_object_object_add(o, "left_out", json_object_new_int64(left_out));
	json_object_object_add(o, "text", json_text(text->data, text->n));
	json_print(o);
	free(buf);
}

static int print(const struct suggest *s, bool json)
{
	struct audit_out text = { .data = malloc(SUGGEST_TEXT_MAX), .room = SUGGEST_TEXT_MAX };
	unsigned left_out = text.data ? suggest_text(s, &text) : 0;

	if (!text.data)
		return log_err(-ENOMEM, "write the rules");
	if (json)
		print_json(s, &text, left_out);
	else
		fwrite(text.data, 1, text.n, stdout);
	free(text.data);
	if (left_out)
		log_warn("%u more had no room in one policy: look at less with --since", left_out);
	return fflush(stdout) || ferror(stdout) ? log_err(errno ? -errno : -EIO, "write") : 0;
}

static int suggest(const struct args *a)
{
	struct policy *policy = NULL;
	struct suggest s;
	int r = find_policy(a, &policy);

	if (r < 0)
		return r;
	suggest_init(&s, policy, !a->policy, wrong_here);
	r = read_log(a, &s);
	if (r == 0) {
		r = suggest_end(&s);
		r = r < 0 ? log_err(r, "find rules") : print(&s, a->json);
	}
	suggest_done(&s);
	policy_free(policy);
	return r;
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "since", required_argument, NULL, 's' },
						 { "policy", required_argument, NULL, 'p' },
						 { "file", required_argument, NULL, 'F' },
						 { "json", no_argument, NULL, 'j' },
						 { NULL, 0, NULL, 0 } };
	struct args a = { .filter.denied = true };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 's' && audit_print_since(optarg, &a.filter.since_ns) < 0)
			return CMD_USAGE;
		if (c == '?')
			return cmd_usage(&cmd_policy_suggest);
		a.policy = c == 'p' ? optarg : a.policy;
		a.file = c == 'F' ? optarg : a.file;
		a.json |= c == 'j';
	}
	if (argc - optind > 1 || (a.file && optind != argc))
		return cmd_usage(&cmd_policy_suggest);
	if (a.file && !a.policy) {
		log_error("--file needs --policy: what the rules are to be added to");
		return CMD_USAGE;
	}
	a.dir = argv[optind];
	return suggest(&a) < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_policy_suggest = {
	.name = "policy suggest",
	.args = "[--since TIME] [--policy FILE] [--json] [DIR | --file FILE]",
	.help = "write rules for what was refused, or what an audit-only policy would refuse",
	.details =
		"Prints a policy of rules that allow each program what the audit of the view at DIR\n"
		"has it refused; each with how often, and when last. What the policy refuses on\n"
		"purpose, and interpreters that may have been told anything, are commented out. Read\n"
		"it before you use it: whatever ran in that time is in it. It changes nothing.\n"
		"\n"
		"Options:\n"
		"  --since TIME   10m, 2h, 90 (seconds); or 2026-01-31, 2026-01-31T08:15\n"
		"  --policy FILE  what the rules are to be added to; otherwise what is in force\n"
		"  --file FILE    a copy of an audit, made with 'tazfs audit --json'; - is standard\n"
		"                 input. Needs --policy\n"
		"  --json         one JSON object: refused, since, until, left_out, text, and\n"
		"                 suggestions: each kind, rule, exe, script, paths, count, last, why, "
		"line\n"
		"\n"
		"Example:\n"
		"  tazfs policy suggest --since 8h >new.rules && tazfs policy check new.rules\n"
		"\n"
		"Exit codes: 0 printed (also when there is nothing), 1 failed, 2 usage.\n",
	.run = run,
};
