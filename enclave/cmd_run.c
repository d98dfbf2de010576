#include <errno.h>

#include "enclave/base/log.h"
#include "enclave/cmd.h"
#include "enclave/conf_file.h"
#include "enclave/declared.h"
#include "enclave/visit.h"

static int prepare(const struct session_user *user, void *arg)
{
	return declared_each(arg, user->home, declared_set, NULL);
}

static int parse(int argc, char *argv[], struct visit *v, const char **ret_file)
{
	static const struct option options[] = { VISIT_OPTIONS,
						 { "file", required_argument, NULL, 'f' },
						 { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'f')
			*ret_file = optarg;
		else if (visit_option(v, c, optarg) < 0)
			return -EINVAL;
	}
	return optind < argc ? 0 : -EINVAL;
}

static int run(int argc, char *argv[])
{
	struct conf_file file = CONF_FILE_NONE;
	struct visit v = VISIT_NONE;
	const char *path = NULL;
	int r;

	if (parse(argc, argv, &v, &path) < 0)
		return cmd_usage(&cmd_run);
	/* What is wrong with the file is said before a passphrase is asked for. */
	if (conf_file_load(path, &file) < 0)
		return CMD_FAILED;
	v.prepare = prepare;
	v.arg = &file;
	r = visit_run(&v, argv + optind);
	conf_file_done(&file);
	return r;
}

const struct cmd cmd_run = {
	.name = "run",
	.args = "[--file FILE] [OPTION...] [--] COMMAND [ARGUMENT...]",
	.help = "run one command with the declared variables, in a session of its own",
	.details =
		"  --file FILE        instead of " CONF_FILE_DEFAULT "\n" VISIT_HELP "\n"
		"Asks for the passphrase as 'enclave session' does. The variables of secrets.conf\n"
		"hold paths; those of entries with 'value = true' hold the file's contents, for this\n"
		"command and what it starts only. A file that is missing is a warning.\n"
		"\n"
		"Example:  enclave run -- terraform plan\n"
		"\n"
		"Exit codes: the command's, 128 + N when signal N ended it; 1 the session was not\n"
		"opened and nothing ran, or the last one could not be saved; 2 usage.\n",
	.run = run,
};
