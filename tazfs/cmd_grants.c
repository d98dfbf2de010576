#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/hash.h"
#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "enclave/base/size.h"
#include "tazfs/audit_text.h"
#include "tazfs/cmd.h"
#include "tazfs/cmd_grants.h"
#include "tazfs/control_client.h"
#include "tazfs/grant.h"
#include "tazfs/policy.h"

struct args {
	const char *dir;
	bool json, all;
	int n;
	char *const *rest;
};

static int parse(const struct cmd *cmd, const struct option *options, int argc, char *argv[],
		 struct args *a)
{
	int c;

	*a = (struct args){ 0 };
	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == '?')
			return cmd_usage(cmd);
		a->dir = c == 'd' ? optarg : a->dir;
		a->json |= c == 'j';
		a->all |= c == 'a';
	}
	a->n = argc - optind;
	a->rest = argv + optind;
	return CMD_DONE;
}

/* --- the list --------------------------------------------------------------------------------- */

#define NAME_MAX_SHOWN (4 * GRANT_PATH_MAX + 1) /* a byte becomes four at most */

/* Any bytes become something that can be printed. */
static const char *shown(const char *name, char buf[NAME_MAX_SHOWN])
{
	struct audit_out o = { .data = buf, .room = NAME_MAX_SHOWN - 1 };

	audit_put_name(&o, name);
	buf[o.n] = '\0';
	return buf;
}

static const char *letters(unsigned may, char buf[8])
{
	char *at = buf;

	for (int i = 0; POLICY_LETTERS[i]; i++)
		if (may & (1u << i))
			*at++ = POLICY_LETTERS[i];
	*at = '\0';
	return buf;
}

static const char *to_word(const struct control_grant *g)
{
	static const char *const words[] = { [GRANT_PROCESS] = "process",
					     [GRANT_SESSION] = "session",
					     [GRANT_PROGRAM] = "program" };

	return g->once ? "once" : words[g->to];
}

static const char *file_of(const struct control_grant *g)
{
	return *g->path ? g->path : ".";
}

static void print_until(const struct control_grant *g)
{
	char text[32];

	if (g->times)
		snprintf(text, sizeof(text), "%u more", g->times);
	else if (g->left_sec >= 60)
		snprintf(text, sizeof(text), "%u min", g->left_sec / 60);
	else if (g->left_sec)
		snprintf(text, sizeof(text), "%u s", g->left_sec);
	else
		strcpy(text, g->to == GRANT_PROGRAM ? "the lock" : "it ends");
	printf("%-8s  ", text);
}

static void print_who(const struct control_grant *g)
{
	char exe[NAME_MAX_SHOWN], script[NAME_MAX_SHOWN];

	if (g->to == GRANT_PROCESS)
		printf("process %d, ", g->pid);
	else if (g->to == GRANT_PROGRAM && g->yes)
		printf("any program with the SHA-256 of ");
	printf("%s", *g->exe ? shown(g->exe, exe) : "?");
	if (*g->script)
		printf(" with %s", shown(g->script, script));
	if (g->to == GRANT_SESSION)
		printf(" in session %u", g->session);
	puts(g->once ? ", what it has opened" : "");
}

static int print_text(const struct control_grant *g, struct json_object *list)
{
	char path[NAME_MAX_SHOWN], may[8];

	printf("%4u  %-6s  %-6s  ", g->number, g->yes ? "allow" : "deny", letters(g->may, may));
	print_until(g);
	printf("%s  ", shown(file_of(g), path));
	print_who(g);
	return 0;
}

static void add_name(struct json_object *o, const char *key, const char *name)
{
	char text[NAME_MAX_SHOWN];

	json_object_object_add(o, key, *name ? json_object_new_string(shown(name, text)) : NULL);
}

static int add_json(const struct control_grant *g, struct json_object *list)
{
	struct json_object *o = json_object_new_object();
	char hex[HASH_HEX_MAX], may[8];

	hash_hex_of(g->hash, sizeof(g->hash), hex);
	json_object_object_add(o, "id", json_object_new_int64(g->number));
	json_object_object_add(o, "verdict", json_object_new_string(g->yes ? "allow" : "deny"));
	json_object_object_add(o, "to", json_object_new_string(to_word(g)));
	add_name(o, "path", file_of(g));
	json_object_object_add(o, "may", json_object_new_string(letters(g->may, may)));
	json_object_object_add(o, "seconds_left",
			       g->left_sec ? json_object_new_int64(g->left_sec) : NULL);
	json_object_object_add(o, "times_left", g->times ? json_object_new_int64(g->times) : NULL);
	json_object_object_add(o, "rule", json_object_new_int64(g->rule));
	json_object_object_add(o, "session", json_object_new_int64(g->session));
	json_object_object_add(o, "pid", json_object_new_int(g->pid));
	add_name(o, "exe", g->exe);
	add_name(o, "script", g->script);
	json_object_object_add(o, "sha256", g->hashed ? json_object_new_string(hex) : NULL);
	return json_object_array_add(list, o) < 0 ? -ENOMEM : 0;
}

static bool is_whole(const struct control *c, const struct control_grant *g)
{
	return c->size == sizeof(*g) && g->number > c->at && g->to <= GRANT_PROGRAM &&
	       memchr(g->path, '\0', sizeof(g->path)) && memchr(g->exe, '\0', sizeof(g->exe)) &&
	       memchr(g->script, '\0', sizeof(g->script));
}

/* Returns how many, or -errno (said). */
static int each(int root, int (*fn)(const struct control_grant *g, struct json_object *list),
		struct json_object *list)
{
	struct control_grant g = { 0 };
	int n = 0, r;

	for (;; n++) {
		struct control c = { .op = CONTROL_GRANTS, .at = g.number };

		r = control_ask(root, &c);
		if (r < 0 || !c.size)
			return r < 0 ? r : n;
		memcpy(&g, c.data, sizeof(g));
		if (!is_whole(&c, &g))
			return log_err(-EBADMSG, "read the answers");
		if (!n && !list)
			puts("  ID  ANSWER  MAY     UNTIL     FILE  WHO");
		r = fn(&g, list);
		if (r < 0)
			return log_err(r, "list the answers");
	}
}

static int list_json(int root)
{
	struct json_object *list = json_object_new_array();
	int r = each(root, add_json, list);

	if (r >= 0)
		json_print(list);
	else
		json_object_put(list);
	return r;
}

static int list_text(int root)
{
	int r = each(root, print_text, NULL);

	if (r == 0)
		puts("no answer of a person counts now");
	return r;
}

static int run_list(int argc, char *argv[])
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "dir", required_argument, NULL, 'd' },
						 { NULL, 0, NULL, 0 } };
	autoclose int root = -EBADF;
	struct args a;

	if (parse(&cmd_grants, options, argc, argv, &a) != CMD_DONE)
		return CMD_USAGE;
	if (a.n) {
		log_error("grants: no command '%s'; 'tazfs grants --help' lists them", a.rest[0]);
		return CMD_USAGE;
	}
	root = control_open(a.dir);
	return root < 0 || (a.json ? list_json : list_text)(root) < 0 ? CMD_FAILED : CMD_DONE;
}

/* --- revoke ----------------------------------------------------------------------------------- */

#define REVOKE_MAX 256 /* more than a view keeps */

static int say(int err, long long number)
{
	if (err == -ESRCH)
		log_error("no answer has the number %lld (any more); 'tazfs grants' lists them",
			  number);
	else if (err == -EPERM)
		log_error("answer %lld is a refusal, which can't be taken back: it ends with the "
			  "lock",
			  number);
	else
		control_say(err);
	return err;
}

static int revoke(int root, long long number)
{
	struct control c = { .op = CONTROL_REVOKE, .at = (uint64_t)number };
	int r = control_call(root, &c);

	if (r < 0)
		return say(r, number);
	if (number)
		printf("answer %lld was taken back\n", number);
	else
		printf("answers that were taken back: %llu\n", (unsigned long long)c.at);
	return 0;
}

/* Each of them, whatever became of the others. */
static int revoke_these(int root, const long long *numbers, int n)
{
	int code = CMD_DONE;

	for (int i = 0; i < n; i++)
		if (revoke(root, numbers[i]) < 0)
			code = CMD_FAILED;
	return code;
}

int grants_show(const char *dir, uint32_t number)
{
	autoclose int root = control_open(dir);

	if (root < 0)
		return root;
	if (number && revoke(root, number) == 0)
		puts("");
	return list_text(root);
}

static int parse_numbers(const struct args *a, long long *ret)
{
	if (a->n > REVOKE_MAX) {
		log_error("at most %d numbers at once; --all takes back all", REVOKE_MAX);
		return CMD_USAGE;
	}
	for (int i = 0; i < a->n; i++)
		if (num_parse(a->rest[i], 1, UINT32_MAX, &ret[i]) < 0) {
			log_error("'%s' is no number of an answer; 'tazfs grants' lists them",
				  a->rest[i]);
			return CMD_USAGE;
		}
	return CMD_DONE;
}

static const struct cmd cmd_revoke;

static int run_revoke(int argc, char *argv[])
{
	static const struct option options[] = { { "all", no_argument, NULL, 'a' },
						 { "dir", required_argument, NULL, 'd' },
						 { NULL, 0, NULL, 0 } };
	autoclose int root = -EBADF;
	long long numbers[REVOKE_MAX];
	struct args a;

	if (parse(&cmd_revoke, options, argc, argv, &a) != CMD_DONE)
		return CMD_USAGE;
	if (a.all == (a.n > 0)) {
		log_error(a.all ? "--all, or numbers: not both"
				: "which answer? Its number in 'tazfs grants', or --all");
		return CMD_USAGE;
	}
	if (parse_numbers(&a, numbers) != CMD_DONE)
		return CMD_USAGE;
	root = control_open(a.dir);
	if (root < 0)
		return CMD_FAILED;
	if (a.all)
		return revoke(root, 0) < 0 ? CMD_FAILED : CMD_DONE;
	return revoke_these(root, numbers, a.n);
}

static const struct cmd cmd_revoke = {
	.name = "grants revoke",
	.args = "[--dir DIR] ID...|--all",
	.help = "take back what a person has allowed",
	.details =
		"From now on it is asked about again. A file that is open stays open, unless the\n"
		"policy says recheck-always; 'enclave lock' closes all. What was refused can't be taken\n"
		"back here: the program that was refused could do it.\n"
		"\n"
		"Options:\n"
		"  --all       all that was allowed\n"
		"  --dir DIR   where the view is mounted, when not at ~/secrets\n"
		"\n"
		"Example:\n"
		"  tazfs grants revoke 3\n"
		"\n"
		"Exit codes: 0 taken back; 1 there is no such number, or it may not; 2 usage.\n",
	.run = run_revoke,
};

static const struct cmd *const subs[] = { &cmd_revoke, NULL };

const struct cmd cmd_grants = {
	.name = "grants",
	.args = "[--json] [--dir DIR]",
	.help = "list what a person has answered to questions, and take it back",
	.details =
		"What was allowed, and what was refused, as long as it counts. Who may not read\n"
		".tazfs/grants by the policy does not see it.\n"
		"\n"
		"Options:\n"
		"  --json      an array of objects: id, verdict, to, path, may, seconds_left,\n"
		"              times_left, rule, session, pid, exe, script, sha256; what does not\n"
		"              apply is null\n"
		"  --dir DIR   where the view is mounted, when not at ~/secrets\n"
		"\n"
		"Example:\n"
		"  tazfs grants && tazfs grants revoke 3\n"
		"\n"
		"Exit codes: 0 listed, 1 it may not be seen, 2 usage.\n",
	.run = run_list,
	.subs = subs,
};
