/*
 * declared - the variables that a secrets.conf declares: for "enclave env" and "enclave run"
 */
#ifndef TAZ_ENCLAVE_DECLARED_H
#define TAZ_ENCLAVE_DECLARED_H

#include <stdbool.h>

#include "enclave/conf_file.h"
#include "enclave/consent.h"

enum { DECLARED_VALUE_MAX = 64 << 10 }; /* bytes of a value; the kernel takes 128 KiB a variable */

struct declared {
	const struct entry *entry; /* it has a variable */
	const char *path;	   /* absolute */
	bool present;		   /* there is a regular file */
	int root;		   /* of the vault, borrowed */
};

#define DECLARED_LISTER "enclave env --json" /* shows the hashes */

/*
 * declared_each - call @fn for every entry that has a variable, in the file's order
 * @home: of the caller, who must be a member of an open session
 * @consent: a variable that nobody has confirmed is an error before @fn sees it; NULL: @fn only
 *	reports
 *
 * Says by itself what is wrong; what is missing is a warning. Stops at the first error of @fn,
 * which says it. Before anything is called the vault was seen to be open. Returns 0 or -errno.
 */
int declared_each(const struct conf_file *f, const char *home, struct consent *consent,
		  int (*fn)(const struct declared *d, void *arg), void *arg);

/*
 * declared_set - put it into this process's environment: the path, or with "value" the contents
 * without one final line end. Says what is wrong. Returns 0 or -errno; missing ones are left out.
 */
int declared_set(const struct declared *d, void *arg);

#endif
