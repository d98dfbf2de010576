#include "enclave/cmd.h"
#include "enclave/keychange.h"

static int run(int argc, char *argv[])
{
	struct keyargs a;

	if (keychange_parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_passwd);
	return keychange_main(&a);
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
