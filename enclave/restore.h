/*
 * restore - a kept state becomes the current one, sealed anew. Runs in the worker.
 *
 * The kept file is proved first (atrest.h), as if it was to be opened. What is current gets a
 * second name before its own is taken: a kept one when it is authentic too, otherwise one of
 * "damaged". The new file continues it, with a generation above every authentic one and above the
 * newest that this host has seen, so that it is no rollback. Each step is one of the file system's:
 * after a crash at any instant the current file is the old or the new one, and the kept ones are
 * all there.
 */
#ifndef TAZ_ENCLAVE_RESTORE_H
#define TAZ_ENCLAVE_RESTORE_H

#include <stdint.h>

#include "enclave/proto.h"
#include "enclave/seal.h"

struct restore {
	int dir;	    /* of the sealed file, borrowed */
	const char *vault;  /* its name */
	const char *source; /* the kept file's, of history_find_name() */
	uint64_t seen;	    /* the newest generation that this host has seen */
};

/*
 * restore_run - do it
 * @ret: the new current file
 * Returns 0, or -errno with @ret_why; then the current file is as it was:
 *   -ENOENT WHY_NO_SUCH  there is no such file
 *   and as atrest_read() and atrest_prove() for the kept file
 */
int restore_run(const struct restore *r, const struct secret *passphrase, struct seal_origin *ret,
		enum proto_why *ret_why);

#endif
