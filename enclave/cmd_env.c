#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
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

	if (!word)
		return -ENOMEM;
	if (d->entry->value)
		/* Its variable is to hold the value, which is never printed. */
		printf("# %s holds a value: only 'enclave run' gives it\n", d->entry->env);
	else
		printf("%sexport %s=%s\n", d->present ? "" : "# missing: ", d->entry->env, word);
	return 0;
}

static int add_json(const struct declared *d, void *arg)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(d->entry->name));
	json_object_object_add(o, "env", json_object_new_string(d->entry->env));
	json_object_object_add(o, "path", json_object_new_string(d->path));
	json_object_object_add(o, "value", json_object_new_boolean(d->entry->value));
	json_object_object_add(o, "present", json_object_new_boolean(d->present));
	return json_object_array_add(arg, o) < 0 ? -ENOMEM : 0;
}

/* --- the command ----------------------------------------------------------------------------- */

static int parse(int argc, char *argv[], const char **ret_file, bool *ret_json)
{
	static const struct option options[] = { { "file", required_argument, NULL, 'f' },
						 { "json", no_argument, NULL, 'j' },
						 { "value", no_argument, NULL, 'v' },
						 { "values", no_argument, NULL, 'v' },
						 { "show", no_argument, NULL, 'v' },
						 { "reveal", no_argument, NULL, 'v' },
						 { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			*ret_file = optarg;
			break;
		case 'j':
			*ret_json = true;
			break;
		case 'v':
			log_error("secret values are never printed: a terminal, a log or a shell's "
				  "history would keep them; use the paths, or 'enclave run'");
			return -EPERM;
		default:
			return -EINVAL;
		}
	}
	return optind == argc ? 0 : -EINVAL;
}

static int print_all(const struct conf_file *f, const char *home, bool json)
{
	struct json_object *all = json ? json_object_new_array() : NULL;
	int r = declared_each(f, home, all ? add_json : print_export, all);

	if (all) {
		if (r == 0)
			puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN));
		json_object_put(all);
	}
	return r;
}

static int run(int argc, char *argv[])
{
	struct conf_file file = CONF_FILE_NONE;
	struct session_user user;
	const char *path = NULL;
	bool json = false;
	int r;

	if (parse(argc, argv, &path, &json) < 0)
		return cmd_usage(&cmd_env);
	r = session_find_user(NULL, &user);
	if (r < 0) {
		log_err(r, "find out who uid %d is", getuid());
		return CMD_FAILED;
	}
	if (conf_file_load(path, &file) < 0)
		return CMD_FAILED;
	r = print_all(&file, user.home, json);
	conf_file_done(&file);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_env = {
	.name = "env",
	.args = "[--file FILE] [--json]",
	.help = "print the declared secrets' paths as exports for a shell",
	.details =
		"  --file FILE  instead of " CONF_FILE_DEFAULT "\n"
		"  --json       one array on one line: name, env, path, value, present of each\n"
		"\n"
		"Runs in a session. Prints paths, never contents, and is safe to evaluate whatever\n"
		"a path holds. An entry whose file is missing is a comment, and a warning.\n"
		"\n"
		"Example:  eval \"$(enclave env)\" && kubectl get nodes\n"
		"\n"
		"Exit codes: 0 done, also when files are missing; 1 failed, nothing was printed;\n"
		"2 usage, also when values are asked for.\n",
	.run = run,
};
