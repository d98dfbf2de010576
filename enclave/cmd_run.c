#include <errno.h>

#include "enclave/base/log.h"
#include "enclave/cmd.h"
#include "enclave/conf_file.h"
#include "enclave/declared.h"
#include "enclave/visit.h"

enum { RUN_FILE = VISIT_OWN, RUN_APPROVE };

struct args {
	const char *path;
	struct conf_file file;
	struct consent consent;
};

static int prepare(const struct session_user *user, void *arg)
{
	struct args *a = arg;

	return declared_each(&a->file, user->home, &a->consent, declared_set, NULL);
}

static int parse(int argc, char *argv[], struct visit *v, struct args *a)
{
	static const struct option options[] = { VISIT_OPTIONS,
						 { "file", required_argument, NULL, RUN_FILE },
						 { "approve", required_argument, NULL,
						   RUN_APPROVE },
						 { 0 } };
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == RUN_FILE)
			a->path = optarg;
		else if (c == RUN_APPROVE)
			r = consent_take(&a->consent, optarg);
		else
			r = visit_option(v, c, optarg);
	}
	return r < 0 || optind == argc ? -EINVAL : 0;
}

static int run(int argc, char *argv[])
{
	struct args a = { .file = CONF_FILE_NONE };
	struct visit v = VISIT_NONE;
	int r;

	consent_init(&a.consent);
	if (parse(argc, argv, &v, &a) < 0)
		return cmd_usage(&cmd_run);
	/* What is wrong with the file is said before a passphrase is asked for. */
	if (conf_file_load(a.path, &a.file) < 0)
		return CMD_FAILED;
	v.prepare = prepare;
	v.arg = &a;
	r = visit_run(&v, argv + optind);
	conf_file_done(&a.file);
	return r;
}

const struct cmd cmd_run = {
	.name = "run",
	.args = "[--file FILE] [--approve HASH]... [OPTION...] [--] COMMAND [ARGUMENT...]",
	.help = "run one command with the declared variables, in a session of its own",
	.details =
		"  --file FILE        instead of " CONF_FILE_DEFAULT "\n"
		"  --approve HASH     as 'enclave env'\n" VISIT_HELP "\n"
		"Asks for the passphrase as 'enclave session' does. The variables of secrets.conf\n"
		"hold paths; those of entries with 'value = true' hold the file's contents, for this\n"
		"command and what it starts only. A file that is missing is a warning; a variable that\n"
		"was never confirmed ('enclave env') is asked for, or nothing runs.\n"
		"\n"
		"Example:  enclave run -- terraform plan\n"
		"\n"
		"Exit codes: the command's, 128 + N when signal N ended it; 1 the session was not\n"
		"opened and nothing ran, or the last one could not be saved; 2 usage.\n",
	.run = run,
};
