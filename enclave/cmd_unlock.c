#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/base/size.h"
#include "enclave/bridge.h"
#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/opening.h"
#include "enclave/session.h"

static int parse(int argc, char *argv[], struct opening *o)
{
	static const struct option options[] = { { "create", no_argument, NULL, 'c' },
						 { "accept-rollback", no_argument, NULL, 'a' },
						 { "passphrase-fd", required_argument, NULL, 'p' },
						 { "key-file", required_argument, NULL, 'k' },
						 { "fido2", no_argument, NULL, 'f' },
						 { 0 } };
	long long fd;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->flags |= OPEN_CREATE;
			break;
		case 'a':
			o->flags |= OPEN_ACCEPT_ROLLBACK;
			break;
		case 'p':
			if (num_parse(optarg, 0, 1023, &fd) < 0) {
				log_error("--passphrase-fd takes a descriptor's number, not '%s'",
					  optarg);
				return -EINVAL;
			}
			o->passphrase_fd = fd;
			break;
		case 'k':
			o->key_file = optarg;
			break;
		case 'f':
			o->fido2 = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return optind == argc ? 0 : -EINVAL;
}

static int run(int argc, char *argv[])
{
	struct opening o = { .seal_fd = -1, .passphrase_fd = -1, .flags = OPEN_TERMINAL };
	struct session_user user;
	char dir[300];
	int r;

	if (parse(argc, argv, &o) < 0)
		return cmd_usage(&cmd_unlock);
	if (o.passphrase_fd < 0 && !o.key_file && !o.fido2 && !isatty(STDIN_FILENO)) {
		log_error("there is no terminal to ask on; use --passphrase-fd N or --key-file F");
		return CMD_FAILED;
	}
	r = session_find_user(NULL, &user);
	if (r < 0) {
		log_err(r, "find out who uid %d is", getuid());
		return CMD_FAILED;
	}
	r = opening_run(&o);
	if (r < 0)
		return opening_exit_code(r);
	snprintf(dir, sizeof(dir), "%s/secrets", user.home);
	if (opening_show(dir) < 0)
		return CMD_FAILED;
	bridge_repair(user.home);
	return CMD_DONE;
}

const struct cmd cmd_unlock = {
	.name = "unlock",
	.args = "[--create] [--accept-rollback] [--passphrase-fd N | --key-file F | --fido2]",
	.help = "open the vault for this terminal's shell and all it starts",
	.details =
		"  --create           make a new vault when there is none\n"
		"  --accept-rollback  open it although this host has seen a newer state\n"
		"  --passphrase-fd N  read the passphrase from descriptor N to its end\n"
		"  --key-file F       open it with a key file ('enclave key add --key-file F')\n"
		"  --fido2            open it with a FIDO2 token that is plugged in here\n"
		"\n"
		"At the prompt any passphrase will do, and the recovery key, typed in any way. After\n"
		"a wrong one the next is looked at after 1, 2, 4 ... 60 seconds.\n"
		"\n"
		"The shell that leads this terminal becomes a session: it and its children may\n"
		"use ~/secrets until it ends or the vault locks. A passphrase that is typed here\n"
		"has passed through the container engine; 'tazlaunch enter' seals it on the host.\n"
		"\n"
		"Example:  enclave unlock && cat ~/secrets/token\n"
		"\n"
		"Exit codes: 0 the session is open; 2 usage; otherwise it is not open, and nothing is\n"
		"left behind: 3 the sealed file is damaged, 4 tampered with, 5 rolled back, 1 else.\n",
	.run = run,
};
