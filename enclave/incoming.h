/*
 * incoming - a new file of the vault, whole or not at all
 *
 * It grows as .taz/incoming/NAME.RANDOM, inside the vault, so that it is never anywhere else, and
 * the rename that ends it is atomic. What a kill left there is removed by the next one: the lock
 * says that nobody else is at work.
 */
#ifndef TAZ_ENCLAVE_INCOMING_H
#define TAZ_ENCLAVE_INCOMING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "enclave/entry.h"

struct incoming {
	int dir; /* .taz/incoming */
	int out; /* the file, for writing */
	char name[ENTRY_NAME_MAX + 32];
};

/*
 * incoming_lock - one pull at a time: the lock is the descriptor
 * @wait: wait for it; otherwise -EWOULDBLOCK when another has it
 * Returns a descriptor, owned by the caller, or -errno.
 */
int incoming_lock(int root, bool wait);

/* incoming_sweep - with the lock held: remove what a killed one left. Returns their number or
 * -errno. */
int incoming_sweep(int root);

/* incoming_begin - a new, empty file of mode 0600. Returns 0 or -errno; end with incoming_drop().
 */
int incoming_begin(int root, const char *name, struct incoming *ret);

/*
 * incoming_commit - check it, and put it where it belongs, durably
 * @path: in the vault; @mode: of the file
 * @max: bytes
 * @ret_bytes: its size
 *
 * Returns 0, or (the old file is as it was)
 *   -ENODATA  it is empty
 *   -EFBIG    longer than @max
 *   -ENOSPC   the vault is full: what was written may not be all
 *   -ETXTBSY  someone still has it open for writing
 *   -EEXIST   something that is no regular file has that name
 *   -errno    from openat2(2), fsync(2), renameat(2)
 */
int incoming_commit(struct incoming *in, int root, const char *path, mode_t mode, uint64_t max,
		    uint64_t *ret_bytes);

/* incoming_drop - forget it; after a commit only the descriptors are left to close */
void incoming_drop(struct incoming *in);

#endif
