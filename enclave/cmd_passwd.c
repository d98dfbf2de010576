#include <stdio.h>

#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/cmd.h"
#include "enclave/keychange.h"

static int change(struct keyargs *a)
{
	struct prompt p = { 0 };
	int r = a->seal_fd < 0 ? keychange_prompt(a, &p) : 0;

	if (r == 0)
		r = keychange_run(a, &p);
	if (r >= 0 && a->seal_fd < 0) {
		log_info("the passphrase is changed (slot %d) and saved", r);
		keyargs_finish(a, &p);
	}
	prompt_done(&p);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

static int run(int argc, char *argv[])
{
	struct keyargs a;
	char why[160];

	if (keyargs_parse(argc, argv, &a, why, sizeof(why)) < 0) {
		if (*why)
			log_error("%s", why);
		return cmd_usage(&cmd_passwd);
	}
	if (privs_hide() < 0)
		return CMD_FAILED;
	return change(&a);
}

const struct cmd cmd_passwd = {
	.name = "passwd",
	.args = "[--slot SLOT|LABEL] [--forget-history]",
	.help = "change a passphrase of the vault",
	.details = KEYARGS_PASSWD_HELP KEYARGS_FORGET_HELP KEYARGS_FD_HELP
	"\n"
	"Asks for the current passphrase, or for any other key: who forgot it types the\n"
	"recovery key. The new one is added before the old one is destroyed, and the\n"
	"sealed file is replaced as a whole: at every instant one of them opens.\n"
	"Copies and older generations of the sealed file still open with the old one.\n"
	"\n"
	"Example:  enclave passwd\n"
	"\n"
	"Exit codes: 0 changed and saved; 1 not changed, or not saved, and which is said;\n"
	"2 usage.\n",
	.run = run,
};
