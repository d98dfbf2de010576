#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/base/size.h"
#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/opening.h"
#include "enclave/session.h"

struct args {
	struct opening opening;
	const char *user;
};

static int parse_fd(const char *text, int *ret)
{
	long long fd;

	if (num_parse(text, 0, 1023, &fd) < 0) {
		log_error("'%s' is not a descriptor's number", text);
		return -EINVAL;
	}
	*ret = fd;
	return 0;
}

static int parse(int argc, char *argv[], struct args *a)
{
	static const struct option options[] = { { "create", no_argument, NULL, 'c' },
						 { "passphrase-fd", required_argument, NULL, 'p' },
						 { "seal-fd", required_argument, NULL, 's' },
						 { "user", required_argument, NULL, 'u' },
						 { 0 } };
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			a->opening.flags |= OPEN_CREATE;
			break;
		case 'p':
			r = parse_fd(optarg, &a->opening.passphrase_fd);
			break;
		case 's':
			r = parse_fd(optarg, &a->opening.seal_fd);
			break;
		case 'u':
			a->user = optarg;
			break;
		default:
			r = -EINVAL;
		}
	}
	return r;
}

/* The passphrase was standard input to its end: the command gets an empty one. */
static int replace_stdin(int passphrase_fd)
{
	if (passphrase_fd != STDIN_FILENO)
		return 0;
	return freopen("/dev/null", "r", stdin) ? 0 : -errno;
}

/* The last one out waits until all is locked and saved: then its user may pull the plug. */
static int leave(int status)
{
	struct res_lock res;
	int r = client_leave(&res);

	if (status < 0)
		return CMD_FAILED;
	if (r == 0 || r == -ESRCH)
		return status; /* -ESRCH: it was locked before, and leads no session any more */
	opening_say(r, res.why, "leave");
	return status ? status : CMD_FAILED;
}

static int run(int argc, char *argv[])
{
	struct args a = { .opening = { .seal_fd = -1, .passphrase_fd = -1 } };
	struct session_user user;
	char dir[300];
	int r;

	if (parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_session);
	if (a.opening.seal_fd < 0 && a.opening.passphrase_fd < 0 && !isatty(STDIN_FILENO)) {
		log_error("there is no terminal to ask on; use --passphrase-fd N");
		return CMD_FAILED;
	}
	r = session_find_user(a.user, &user);
	if (r < 0) {
		log_err(r, "find the user %s", a.user ? a.user : "");
		return CMD_FAILED;
	}
	r = privs_hide();
	if (r < 0) {
		log_err(r, "hide from other processes");
		return CMD_FAILED;
	}
	if (opening_run(&a.opening) < 0)
		return CMD_FAILED;
	r = replace_stdin(a.opening.passphrase_fd);
	if (r < 0) {
		log_err(r, "open /dev/null");
		return CMD_FAILED;
	}
	if (a.opening.seal_fd >= 0)
		close(a.opening.seal_fd);
	snprintf(dir, sizeof(dir), "%s/secrets", user.home);
	if (opening_show(dir) < 0)
		return CMD_FAILED;
	return leave(session_run(&user, argv + optind));
}

const struct cmd cmd_session = {
	.name = "session",
	.args = "[--user NAME] [--create] [--passphrase-fd N | --seal-fd N] [--] [COMMAND...]",
	.help = "open a session, run a command or a login shell in it, and end with it",
	.details =
		"  --user NAME        whose session; needed when called as root\n"
		"  --create           make a new vault when there is none\n"
		"  --passphrase-fd N  read the passphrase from descriptor N to its end\n"
		"  --seal-fd N        a relay that asks elsewhere and sends a sealed box\n"
		"\n"
		"Example:  enclave session -- ssh-keygen -y -f ~/secrets/id_ed25519\n"
		"\n"
		"Exit codes: the command's, 128 + N when signal N ended it; 1 the session was not\n"
		"opened and nothing ran, or the last one could not be saved; 2 usage.\n",
	.run = run,
};
