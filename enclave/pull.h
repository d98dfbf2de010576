/*
 * pull - one entry's command, from the confirmation to the file in the vault
 */
#ifndef TAZ_ENCLAVE_PULL_H
#define TAZ_ENCLAVE_PULL_H

#include <stdint.h>

#include "enclave/conf_file.h"
#include "enclave/consent.h"

enum {
	PULL_BYTES_MAX = 16 << 20, /* of one secret */
	PULL_TIMEOUT_SEC = 120,
};

struct pull {
	const struct conf_file *file;
	int root;		 /* of the vault */
	struct consent *consent; /* with a watch */
	const char *home, *user;
	unsigned timeout_sec;
};

struct pull_result {
	int err;       /* 0 done; -ECANCELED: a signal, or Ctrl+C, ended it: do not go on */
	char why[320]; /* when it failed: a sentence, and what to do */
	uint64_t bytes;
	unsigned ms;
	int signal; /* with -ECANCELED */
};

/*
 * pull_entry - the file is replaced by what the command printed, or stays as it is
 * Prints only to ask, and on a terminal how far it is.
 */
void pull_entry(const struct pull *p, const struct entry *e, struct pull_result *ret);

/* pull_find_why - a sentence about an error of program_find() */
const char *pull_find_why(int err);

#endif
