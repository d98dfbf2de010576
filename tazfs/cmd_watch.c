#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "tazfs/audit_source.h"
#include "tazfs/cmd.h"
#include "tazfs/control_client.h"
#include "tazfs/watch.h"

/* What keeps us from it is said before the screen is taken. */
static int try_once(const char *dir)
{
	struct audit_source *s;
	char *buf = malloc(AUDIT_CHUNK);
	uint64_t at = 0;
	ssize_t n = -ENOMEM;

	if (!buf)
		return log_err(-ENOMEM, "watch");
	n = audit_source_view(dir, &s);
	if (n == 0) {
		n = s->read(s, &at, buf, AUDIT_CHUNK);
		s->close(s);
	}
	free(buf);
	return n < 0 ? (int)n : 0;
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "since", required_argument, NULL, 's' },
						 { "denied", no_argument, NULL, 'd' },
						 { NULL, 0, NULL, 0 } };
	struct audit_print log = { 0 };
	char home[PATH_MAX];
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 's' && audit_print_since(optarg, &log.filter.since_ns) < 0)
			return CMD_USAGE;
		log.filter.denied |= c == 'd';
		if (c == '?')
			return cmd_usage(&cmd_watch);
	}
	if (argc - optind > 1)
		return cmd_usage(&cmd_watch);
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		log_error("standard input and output must be a terminal; 'tazfs audit --follow' "
			  "shows the same as lines");
		return CMD_USAGE;
	}
	/* As a path of its own: HOME is taken away. */
	log.dir = argv[optind];
	if (!log.dir && control_default(home, sizeof(home)) == 0)
		log.dir = home;
	if (try_once(log.dir) < 0)
		return CMD_FAILED;
	setlocale(LC_CTYPE, "");
	return watch(&log);
}

const struct cmd cmd_watch = {
	.name = "watch",
	.args = "[--since TIME] [--denied] [DIR]",
	.help = "see live who opens what, full screen; lock by a key",
	.details =
		"Shows what the view at DIR (~/secrets) records, repeats in one row, with sessions\n"
		"and the time to lock. What is allowed is only recorded with a policy that says\n"
		"audit-all. To watch keeps no vault open. Keys:\n"
		"  up, down, k, j   choose a row; page keys, g, G: further\n"
		"  Enter            all that is known of it\n"
		"  d                a rule that denies it, for 'tazfs policy edit'\n"
		"  /                only rows with a text; Escape: all\n"
		"  !                only what was not allowed\n"
		"  l                lock the vault, after a y\n"
		"  ?                help\n"
		"  q, ^C            quit\n"
		"\n"
		"When the vault is locked, what was shown is forgotten. It begins again when this\n"
		"process may look again: '^Z', 'enclave unlock', 'fg'.\n"
		"\n"
		"Options:\n"
		"  --since TIME   begin there: 10m, 2h; as for tazfs audit\n"
		"  --denied       begin with only what was not allowed\n"
		"\n"
		"Example:\n"
		"  tazfs watch --denied --since 1h\n"
		"\n"
		"Exit codes: 0 quit, 1 failed, 2 usage, or no terminal for a full screen.\n",
	.run = run,
};
