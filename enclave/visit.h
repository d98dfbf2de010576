/*
 * visit - a session from the passphrase to the exit code: what "session" and "run" share, and the
 * options of "unlock"
 *
 * The order is the point: what can be wrong is found before a passphrase is asked for, nothing runs
 * unless the vault is open, and the last one out waits until it is locked and saved.
 */
#ifndef TAZ_ENCLAVE_VISIT_H
#define TAZ_ENCLAVE_VISIT_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "enclave/opening.h"
#include "enclave/session.h"

struct visit {
	struct opening opening;
	const char *user; /* whose session; NULL: the real uid's */
	/* Called in the command's process, as the user and a member of the session: may set its
	 * environment. An error (said by itself) means that the command does not run. May be NULL.
	 */
	session_prepare_t *prepare;
	void *arg; /* for @prepare */
};

#define VISIT_NONE                                                 \
	{                                                          \
		.opening = { .seal_fd = -1, .passphrase_fd = -1 }, \
	}

/* What getopt_long(3) returns for them: no letters, so that a command's own never meet them. */
enum visit_val {
	VISIT_CREATE = 256,
	VISIT_ACCEPT_ROLLBACK,
	VISIT_PASSPHRASE_FD,
	VISIT_KEY_FILE,
	VISIT_FIDO2,
	VISIT_SEAL_FD,
	VISIT_USER,
	VISIT_OWN, /* the first of a command's own */
};

/* What opens a vault, in "unlock" too, for getopt_long(3); visit_option() takes what it returns. */
#define VISIT_OPEN_OPTIONS                                                         \
	{ "create", no_argument, NULL, VISIT_CREATE },                             \
		{ "accept-rollback", no_argument, NULL, VISIT_ACCEPT_ROLLBACK },   \
		{ "passphrase-fd", required_argument, NULL, VISIT_PASSPHRASE_FD }, \
		{ "key-file", required_argument, NULL, VISIT_KEY_FILE },           \
	{                                                                          \
		"fido2", no_argument, NULL, VISIT_FIDO2                            \
	}
#define VISIT_OPEN_HELP                                                                   \
	"  --create           make a new vault when there is none\n"                      \
	"  --accept-rollback  open it although this host has seen a newer state\n"        \
	"  --passphrase-fd N  read the passphrase from descriptor N to its end\n"         \
	"  --key-file F       open it with a key file ('enclave key add --key-file F')\n" \
	"  --fido2            open it with a FIDO2 token that is plugged in here\n"

#define VISIT_OPTIONS                                                              \
	VISIT_OPEN_OPTIONS, { "seal-fd", required_argument, NULL, VISIT_SEAL_FD }, \
	{                                                                          \
		"user", required_argument, NULL, VISIT_USER                        \
	}
#define VISIT_HELP                                                                         \
	"  --user NAME        whose session; needed when called as root\n" VISIT_OPEN_HELP \
	"  --seal-fd N        a relay that asks elsewhere and sends a sealed box\n"

/* visit_option - take one of VISIT_OPTIONS. Returns 0, or -EINVAL (said) when it is none or wrong.
 */
int visit_option(struct visit *v, int val, const char *arg);

/* visit_can_ask - has it a key, or a terminal to ask for one on? Says so when it has neither. */
bool visit_can_ask(const struct visit *v);

/*
 * visit_run - open, run, leave; says by itself what went wrong
 * @argv: the command; empty for a login shell
 * Returns an exit code: the command's, or 1.
 */
int visit_run(const struct visit *v, char *const argv[]);

#endif
