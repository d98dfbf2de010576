#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/prompt.h"
#include "enclave/base/size.h"
#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/opening.h"

#define ATTEMPTS 3

struct args {
	struct opening opening;
	const char *what;
	bool yes;
};

static int parse_fd(const char *option, const char *text, int *ret)
{
	long long fd;

	if (num_parse(text, 0, 1023, &fd) < 0) {
		log_error("--%s takes a descriptor's number, not '%s'", option, text);
		return -EINVAL;
	}
	*ret = fd;
	return 0;
}

static int parse(int argc, char *argv[], struct args *a)
{
	static const struct option options[] = { { "yes", no_argument, NULL, 'y' },
						 { "passphrase-fd", required_argument, NULL, 'p' },
						 { "seal-fd", required_argument, NULL, 's' },
						 { 0 } };
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'y')
			a->yes = true;
		else if (c == 'p')
			r = parse_fd("passphrase-fd", optarg, &a->opening.passphrase_fd);
		else if (c == 's')
			r = parse_fd("seal-fd", optarg, &a->opening.seal_fd);
		else
			r = -EINVAL;
	}
	if (r < 0 || optind + 1 != argc)
		return -EINVAL;
	a->what = argv[optind];
	return 0;
}

static bool is_meant(const struct args *a)
{
	bool from_elsewhere = a->opening.seal_fd >= 0 || a->opening.passphrase_fd >= 0;

	if (!isatty(STDIN_FILENO) && !(a->yes && from_elsewhere)) {
		log_error("there is no terminal to ask on; use --yes and --passphrase-fd N");
		return false;
	}
	if (a->yes ||
	    prompt_confirm("Make %s the current vault? What is current now is kept. [y/N] ",
			   a->what))
		return true;
	log_error("nothing was changed");
	return false;
}

/* One attempt; each has a worker and a one-time key of its own. */
static int attempt(const struct args *a, struct prompt *prompt, unsigned number,
		   struct res_done *ret)
{
	struct res_seal_to to;
	struct seal_ask ask = { .attempt = number };
	struct seal_box box;
	autoclose int sock = client_restore(a->what, &to, ret);
	int r, given_up;

	if (sock < 0)
		return sock;
	memcpy(ask.public_key, to.public_key, sizeof(ask.public_key));
	given_up = opening_box(&a->opening, prompt, &ask, &box);
	r = client_restore_sealed(sock, box.box, box.len, ret);
	if (given_up < 0) {
		*ret = (struct res_done){ 0 };
		return given_up;
	}
	return r;
}

static int restore(const struct args *a, struct prompt *prompt, struct res_done *ret)
{
	unsigned attempts = a->opening.passphrase_fd >= 0 ? 1 : ATTEMPTS;
	int r = 0;

	if (a->opening.passphrase_fd >= 0) {
		r = prompt_read_fd(a->opening.passphrase_fd, &prompt->given);
		if (r < 0)
			return opening_say(r, WHY_NONE, "restore");
	}
	for (unsigned i = 1; i <= attempts; i++) {
		bool more;

		r = attempt(a, prompt, i, ret);
		more = ret->why == WHY_WRONG_PASSPHRASE && i < attempts;
		opening_tell(&a->opening, r, ret, more, "restore");
		if (!more)
			break;
		opening_wait(&a->opening, ret->wait_sec);
	}
	return r;
}

static int run(int argc, char *argv[])
{
	struct args a = { .opening = { .seal_fd = -1, .passphrase_fd = -1 } };
	struct prompt prompt = { 0 };
	struct res_done done = { 0 };
	int r;

	if (parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_restore);
	if (!is_meant(&a))
		return CMD_FAILED;
	r = restore(&a, &prompt, &done);
	secret_free(prompt.given);
	if (r < 0)
		return opening_exit_code(r);
	printf("restored: %s is current, as generation %llu\n", a.what,
	       (unsigned long long)done.generation);
	return CMD_DONE;
}

const struct cmd cmd_restore = {
	.name = "restore",
	.args = "[--yes] [--passphrase-fd N] GENERATION|NAME",
	.help = "make a kept state the current one; what was current is kept",
	.details =
		"  --yes              do not ask whether it is meant\n"
		"  --passphrase-fd N  read the passphrase from descriptor N to its end\n"
		"  --seal-fd N        a relay that asks elsewhere and sends a sealed box\n"
		"\n"
		"GENERATION or NAME is one that 'enclave history' shows: 7, or conflict-7-0123abcd.\n"
		"The vault must be locked. The passphrase is the one that state had. It is proved to\n"
		"be whole and ours, and sealed anew under a generation above all others, so it is no\n"
		"rollback. When anything fails, the current vault is as it was.\n"
		"\n"
		"Example:  enclave restore 7\n"
		"\n"
		"Exit codes: 0 it is the current one; 2 usage; otherwise nothing was changed: 3 that\n"
		"state is damaged, 4 tampered with, 1 else.\n",
	.run = run,
};
