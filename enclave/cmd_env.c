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
#include "enclave/cmd.h"
#include "enclave/conf_file.h"
#include "enclave/declared.h"
#include "enclave/quote.h"
#include "enclave/session.h"

/* --- one entry ------------------------------------------------------------------------------- */

static int print_export(const struct declared *d, void *arg)
{
	autofree char *word = quote_shell(d->path);
	FILE *out = arg;

	if (!word)
		return log_err(-ENOMEM, "quote the path of %s", d->entry->name);
	if (d->entry->value)
		/* Its variable is to hold the value, which is never printed. */
		fprintf(out, "# %s holds a value: only 'enclave run' gives it\n", d->entry->env);
	else
		fprintf(out, "%sexport %s=%s\n", d->present ? "" : "# missing: ", d->entry->env,
			word);
	return 0;
}

static int add_json(const struct declared *d, void *arg)
{
	struct json_object *o;
	struct approval a;
	int state, r = approval_init_env(d->entry, &a);

	if (r < 0)
		return log_err(r, "look at the variable of %s", d->entry->name);
	state = approval_state(d->root, d->entry, &a);
	if (state < 0) {
		approval_done(&a);
		return log_err(state, "look for the confirmation of %s", d->entry->name);
	}
	o = json_object_new_object();
	json_object_object_add(o, "name", json_object_new_string(d->entry->name));
	json_object_object_add(o, "env", json_object_new_string(d->entry->env));
	json_object_object_add(o, "path", json_object_new_string(d->path));
	json_object_object_add(o, "value", json_object_new_boolean(d->entry->value));
	json_object_object_add(o, "present", json_object_new_boolean(d->present));
	json_object_object_add(o, "approval", json_object_new_string(approval_state_word(state)));
	json_object_object_add(o, "hash", json_object_new_string(a.hash));
	approval_done(&a);
	return json_object_array_add(arg, o) < 0 ? -ENOMEM : 0;
}

/* --- the command ----------------------------------------------------------------------------- */

struct args {
	const char *file;
	bool json;
	struct consent consent;
};

static int parse(int argc, char *argv[], struct args *a)
{
	static const struct option options[] = {
		{ "file", required_argument, NULL, 'f' },    { "json", no_argument, NULL, 'j' },
		{ "approve", required_argument, NULL, 'a' }, { "value", no_argument, NULL, 'v' },
		{ "values", no_argument, NULL, 'v' },	     { "show", no_argument, NULL, 'v' },
		{ "reveal", no_argument, NULL, 'v' },	     { 0 }
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			a->file = optarg;
			break;
		case 'j':
			a->json = true;
			break;
		case 'a':
			r = consent_take(&a->consent, optarg);
			break;
		case 'v':
			log_error("secret values are never printed: a terminal, a log or a shell's "
				  "history would keep them; use the paths, or 'enclave run'");
			return -EPERM;
		default:
			return -EINVAL;
		}
	}
	if (r == 0 && a->json && a->consent.n) {
		log_error("--json only looks: --approve goes without it");
		return -EINVAL;
	}
	return r < 0 || optind != argc ? -EINVAL : 0;
}

static int print_json(const struct conf_file *f, const char *home)
{
	struct json_object *all = json_object_new_array();
	int r = declared_each(f, home, NULL, add_json, all);

	if (r == 0)
		json_print(all);
	else
		json_object_put(all);
	return r;
}

/* All of it or nothing: half of the variables would be another environment than was asked for. */
static int print_exports(const struct conf_file *f, const char *home, struct consent *consent)
{
	autofree char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int r;

	if (!out)
		return log_err(-ENOMEM, "write the exports");
	r = declared_each(f, home, consent, print_export, out);
	if (fclose(out) && r == 0)
		return log_err(-ENOMEM, "write the exports");
	if (r == 0)
		fputs(text, stdout);
	return r;
}

static int run(int argc, char *argv[])
{
	struct conf_file file = CONF_FILE_NONE;
	struct session_user user;
	struct args a = { 0 };
	int r;

	consent_init(&a.consent);
	if (parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_env);
	r = session_find_user(NULL, &user);
	if (r < 0) {
		log_err(r, "find out who uid %d is", getuid());
		return CMD_FAILED;
	}
	if (conf_file_load(a.file, &file) < 0)
		return CMD_FAILED;
	r = a.json ? print_json(&file, user.home) : print_exports(&file, user.home, &a.consent);
	conf_file_done(&file);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_env = {
	.name = "env",
	.args = "[--file FILE] [--approve HASH]... [--json]",
	.help = "print the declared secrets' paths as exports for a shell",
	.details =
		"  --file FILE     instead of " CONF_FILE_DEFAULT "\n"
		"  --approve HASH  confirm the variable that has this hash, as --json shows it\n"
		"  --json          one array on one line: name, env, path, value, present, approval\n"
		"                  and hash of each; asks nothing\n"
		"\n"
		"Runs in a session. Prints paths, never contents, and is safe to evaluate whatever\n"
		"a path holds. An entry whose file is missing is a comment, and a warning. A variable\n"
		"that was never confirmed, or has changed, is shown and must be confirmed on the\n"
		"terminal; 'enclave pull' does it together with the entry's command.\n"
		"\n"
		"Example:  eval \"$(enclave env)\" && kubectl get nodes\n"
		"\n"
		"Exit codes: 0 done, also when files are missing; 1 failed, nothing was printed;\n"
		"2 usage, also when values are asked for.\n",
	.run = run,
};
