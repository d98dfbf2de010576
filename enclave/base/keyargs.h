/*
 * keyargs - "passwd" and "key ...", as enclave and tazlaunch both understand them
 *
 * What a person does at a terminal, reading key files, typing passphrases, reading a recovery key
 * aloud, happens in whichever of the two was called; the other one only sees sealed boxes.
 */
#ifndef TAZ_BASE_KEYARGS_H
#define TAZ_BASE_KEYARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "enclave/base/keytoken.h"
#include "enclave/base/prompt.h"

enum keyargs_what {
	KEYARGS_PASSWD = 1,
	KEYARGS_ADD = 2,
	KEYARGS_LIST = 4,
	KEYARGS_REMOVE = 8,
	KEYARGS_RECOVERY = 16,
};

#define KEYARGS_TOKENS 8

struct keyargs {
	enum keyargs_what what;
	const char *kind;	   /* of a new key: "passphrase", "key-file", "recovery", "fido2" */
	const char *label, *which; /* of a new key; which key is meant. NULL: none given */
	const char *key_file;	   /* ADD: the new key */
	const char *with_key_file; /* the current one */
	int passphrase_fd;	   /* the current one, or -1 */
	int new_passphrase_fd;	   /* the new one, or -1 */
	int seal_fd;		   /* a relay has both, or -1 */
	struct keytoken token;	   /* ADD of a FIDO2 key: filled by keyargs_prompt(), or --token */
	struct keytoken tokens[KEYARGS_TOKENS]; /* the vault's, to be filled when with_fido2 */
	int n_tokens;
	bool json, yes_to_stdout, forget_history, fido2, with_fido2;
};

/*
 * keyargs_parse - read a command line
 * @argv: [0] is "passwd" or "key"; its words may be put into another order
 * @why: one sentence on -EINVAL; may be empty: then the usage says enough
 * Returns 0 or -EINVAL.
 */
int keyargs_parse(int argc, char *argv[], struct keyargs *ret, char *why, size_t size);

/*
 * keyargs_prompt - have both keys ready to be sealed, or know that a person is to be asked
 * @p: zeroed; to be given to prompt_done()
 * Says what is wrong: a file that cannot be read, nobody to ask, nobody to show a recovery key to.
 * Returns 0 or -errno.
 */
int keyargs_prompt(struct keyargs *a, struct prompt *p);

/* keyargs_finish - after success: show a recovery key, once, and say what a change does not do */
void keyargs_finish(const struct keyargs *a, const struct prompt *p);

/* What --help says of the options, in both programs. */
#define KEYARGS_PASSWD_HELP                                                                    \
	"  --slot SLOT|LABEL      which passphrase, where there are several and another key\n" \
	"                         is typed (default: the one that is typed)\n"
#define KEYARGS_FORGET_HELP \
	"  --forget-history       remove the kept states of the vault, which the old key opens\n"
#define KEYARGS_FD_HELP                                                                       \
	"  --passphrase-fd N      read the current passphrase from descriptor N to its end\n" \
	"  --with-key-file F      a key file is the current key\n"                            \
	"  --with-fido2           a FIDO2 token that is plugged in has the current key\n"     \
	"  --new-passphrase-fd N  read the new passphrase from descriptor N to its end\n"
#define KEYARGS_KEY_ARGS \
	"add [--label TEXT] [--key-file F | --fido2] | list [--json] | remove SLOT|LABEL | recovery"
#define KEYARGS_KEY_HELP                                                                         \
	"  add                    one more passphrase; asks for the current one first\n"         \
	"    --key-file F         the new key is a file, of any contents, up to 8 MiB\n"         \
	"    --fido2              the new key is made by a FIDO2 token that is plugged in\n"     \
	"    --label TEXT         what it is called: letters, digits and ._@+-\n"                \
	"  list [--json]          every key: slot, kind, label, cost; enclave(1), JSON\n"        \
	"  remove SLOT|LABEL      never the last one\n"                                          \
	"    --forget-history     remove the kept states of the vault, which it opens\n"         \
	"  recovery               make a recovery key of 256 bits and show it once, in groups\n" \
	"                         that can be read aloud, and as a QR code\n"                    \
	"    --yes-to-stdout      also where standard output is no terminal\n"

#endif
