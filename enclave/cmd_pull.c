#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "enclave/base/size.h"
#include "enclave/cmd.h"
#include "enclave/command.h"
#include "enclave/incoming.h"
#include "enclave/place.h"
#include "enclave/pull.h"
#include "enclave/quote.h"
#include "enclave/session.h"

enum { TIMEOUT_MAX = 3600 };

struct args {
	const char *file;
	bool list, json;
	unsigned timeout_sec;
	struct consent consent;
	char **names;
	int n_names;
};

static int take_timeout(struct args *a, const char *text)
{
	if (duration_parse(text, &a->timeout_sec) < 0 || !a->timeout_sec ||
	    a->timeout_sec > TIMEOUT_MAX) {
		log_error("--timeout takes a time from 1s to 1h, such as 90s or 5m");
		return -EINVAL;
	}
	return 0;
}

static int parse(int argc, char *argv[], struct args *a)
{
	static const struct option options[] = { { "file", required_argument, NULL, 'f' },
						 { "list", no_argument, NULL, 'l' },
						 { "json", no_argument, NULL, 'j' },
						 { "approve", required_argument, NULL, 'a' },
						 { "timeout", required_argument, NULL, 't' },
						 { 0 } };
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			a->file = optarg;
			break;
		case 'l':
			a->list = true;
			break;
		case 'j':
			a->json = true;
			break;
		case 'a':
			r = consent_take(&a->consent, optarg);
			break;
		case 't':
			r = take_timeout(a, optarg);
			break;
		default:
			r = -EINVAL;
		}
	}
	a->names = argv + optind;
	a->n_names = argc - optind;
	return r;
}

/* --- what is there: --list ------------------------------------------------------------------- */

static bool is_present(int root, const struct entry *e)
{
	autoclose int fd = place_file(root, e->file);

	return fd >= 0;
}

static void list_text(int root, const struct entry *e, const struct approval *a, int state,
		      const char *why)
{
	printf("%s: %s, %s\n", e->name, is_present(root, e) ? "there" : "missing",
	       why ? why : approval_state_text(state));
	if (a->text && state != APPROVAL_GIVEN)
		fputs(a->text, stdout);
}

static struct json_object *json_list(char *const *list)
{
	struct json_object *o = json_object_new_array();

	for (; list && *list; list++)
		json_object_array_add(o, json_object_new_string(*list));
	return o;
}

static struct json_object *json_entry(int root, const struct entry *e, const struct approval *a,
				      int state, const struct program *p)
{
	struct json_object *o = json_object_new_object();
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", e->mode & 07777U);
	json_object_object_add(o, "name", json_object_new_string(e->name));
	json_object_object_add(o, "file", json_object_new_string(e->file));
	json_object_object_add(o, "env", e->env ? json_object_new_string(e->env) : NULL);
	json_object_object_add(o, "mode", json_object_new_string(mode));
	json_object_object_add(o, "value", json_object_new_boolean(e->value));
	json_object_object_add(o, "present", json_object_new_boolean(is_present(root, e)));
	json_object_object_add(o, "command", e->argv ? json_list(e->argv) : NULL);
	json_object_object_add(o, "pass", json_list(e->pass));
	json_object_object_add(o, "program", p->path ? json_object_new_string(p->path) : NULL);
	json_object_object_add(o, "contents", p->path ? json_object_new_string(p->hash) : NULL);
	json_object_object_add(o, "approval",
			       a->text ? json_object_new_string(approval_state_word(state)) : NULL);
	json_object_object_add(o, "hash", a->text ? json_object_new_string(a->hash) : NULL);
	return o;
}

static int list_entry(const struct pull *p, const struct entry *e, struct json_object *all)
{
	struct program prog = PROGRAM_NONE;
	struct approval a = { 0 };
	const char *why = e->argv ? NULL : "no command";
	int state = APPROVAL_NEW, r = 0;

	if (e->argv) {
		r = program_find(p->file->dirfd, e->argv[0], &prog);
		if (r < 0)
			why = pull_find_why(r);
		else
			r = approval_init(e, &prog, p->file->dir, &a);
		if (r == 0)
			state = approval_state(p->root, e, &a);
	}
	if (state < 0)
		log_err(state, "look for the confirmation of %s", e->name);
	else if (all)
		json_object_array_add(all, json_entry(p->root, e, &a, state, &prog));
	else
		list_text(p->root, e, &a, state, why);
	approval_done(&a);
	program_done(&prog);
	return state < 0 ? state : 0;
}

static int list(const struct pull *p, const struct entry *const *entries, bool json)
{
	struct json_object *all = json ? json_object_new_array() : NULL;
	int r = 0;

	for (; r == 0 && *entries; entries++)
		r = list_entry(p, *entries, all);
	if (r == 0)
		json_print(all);
	else
		json_object_put(all);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

/* --- the pull itself ------------------------------------------------------------------------- */

static void report(const struct entry *e, const struct pull_result *res, struct json_object *all)
{
	struct json_object *o;

	if (!all)
		return;
	o = json_object_new_object();
	json_object_object_add(o, "name", json_object_new_string(e->name));
	json_object_object_add(o, "done", json_object_new_boolean(res->err == 0));
	json_object_object_add(o, "bytes", json_object_new_uint64(res->bytes));
	json_object_object_add(o, "ms", json_object_new_int64(res->ms));
	json_object_object_add(o, "error", res->err ? json_object_new_string(res->why) : NULL);
	json_object_array_add(all, o);
}

/* One after the other: a person can answer one question at a time. */
static int pull_all(const struct pull *p, const struct entry *const *entries,
		    struct json_object *all)
{
	size_t n = 0;
	int code = CMD_DONE;

	while (entries[n])
		n++;
	for (size_t i = 0; i < n; i++) {
		struct pull_result res;

		if (p->consent->terminal)
			log_info("[%zu/%zu] %s ...", i + 1, n, entries[i]->name);
		pull_entry(p, entries[i], &res);
		report(entries[i], &res, all);
		if (res.err == -ECANCELED) {
			log_error("%s: %s", entries[i]->name, res.why);
			return 128 + res.signal;
		}
		if (res.err < 0) {
			log_error("%s: %s", entries[i]->name, res.why);
			code = CMD_FAILED;
		} else if (p->consent->terminal) {
			log_info("[%zu/%zu] %s: %llu bytes in %u ms", i + 1, n, entries[i]->name,
				 (unsigned long long)res.bytes, res.ms);
		}
	}
	return code;
}

static int take_lock(int root)
{
	int fd = incoming_lock(root, false);

	if (fd == -EWOULDBLOCK) {
		log_info("another pull is at work: waiting for it");
		fd = incoming_lock(root, true);
	}
	return fd;
}

static int pull(struct pull *p, const struct args *a, const struct entry *const *entries)
{
	struct json_object *all;
	autoclose int lock = -EBADF, watch = -EBADF;
	int code;

	lock = take_lock(p->root);
	if (lock < 0) {
		log_err(lock, "take the lock of the vault's pulls");
		return CMD_FAILED;
	}
	incoming_sweep(p->root);
	watch = command_watch();
	if (watch < 0) {
		log_err(watch, "watch for signals");
		return CMD_FAILED;
	}
	p->consent->watch = watch;
	all = a->json ? json_object_new_array() : NULL;
	code = pull_all(p, entries, all);
	if (consent_check(p->consent, "enclave pull --list") < 0 && code == CMD_DONE)
		code = CMD_FAILED;
	json_print(all);
	return code;
}

static bool has_command(const struct entry *e)
{
	return e->argv;
}

static int run_with(struct args *a, struct pull *p, const struct session_user *user)
{
	autofree const struct entry **entries = NULL;
	autoclose int root = -EBADF;

	if (conf_file_select(p->file, a->names, a->n_names, a->list ? NULL : has_command,
			     &entries) < 0)
		return CMD_FAILED;
	root = place_open(user->home);
	if (root < 0) {
		const char *why = place_why(root);

		log_error("%s/%s: %s", user->home, PLACE_DIR, why ? why : strerror(-root));
		return CMD_FAILED;
	}
	p->root = root;
	return a->list ? list(p, entries, a->json) : pull(p, a, entries);
}

static int run(int argc, char *argv[])
{
	struct args a = { .timeout_sec = PULL_TIMEOUT_SEC };
	struct conf_file file = CONF_FILE_NONE;
	struct session_user user;
	struct pull p = { .file = &file, .consent = &a.consent };
	int r;

	consent_init(&a.consent);
	if (parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_pull);
	r = session_find_user(NULL, &user);
	if (r < 0) {
		log_err(r, "find out who uid %d is", getuid());
		return CMD_FAILED;
	}
	if (conf_file_load(a.file, &file) < 0)
		return CMD_FAILED;
	p.home = user.home;
	p.user = user.name;
	p.timeout_sec = a.timeout_sec;
	r = run_with(&a, &p, &user);
	conf_file_done(&file);
	return r;
}

const struct cmd cmd_pull = {
	.name = "pull",
	.args = "[--file FILE] [--approve HASH]... [--timeout TIME] [--json] [NAME...]\n"
		"       enclave pull --list [--file FILE] [--json] [NAME...]",
	.help = "bring declared secrets into the vault by running their commands",
	.details =
		"  --file FILE     instead of " CONF_FILE_DEFAULT "\n"
		"  --list          show the entries, and each command that is not confirmed in full\n"
		"  --approve HASH  confirm the command that has this hash, and its variable, as --list\n"
		"                  shows them\n"
		"  --timeout TIME  for each command (120s)\n"
		"  --json          one array on one line: the entries, or how each pull went (name,\n"
		"                  done, bytes, ms, error); enclave(1), JSON, has those of --list\n"
		"\n"
		"Runs in a session. Without a NAME, every entry that has a command. A command's\n"
		"output goes straight into the vault; the file is replaced when it has ended well,\n"
		"and stays as it is otherwise. A command that was never confirmed, or has changed,\n"
		"is shown and must be confirmed on the terminal. secrets.conf(5) has the format.\n"
		"\n"
		"Example:  enclave pull kubeconfig && kubectl get nodes\n"
		"\n"
		"Exit codes: 0 all done; 1 some entry was not (its file is as it was); 2 usage;\n"
		"128 + N ended by signal N, also 130 by Ctrl+C.\n",
	.run = run,
};
