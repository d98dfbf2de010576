/*
 * audit_key - the key of the log's chain: 32 random bytes in hex, in a file beside the log
 *
 * A whole block of STORE_ALIGN bytes, the rest of which are newlines: so it is read and written
 * with O_DIRECT, and the page cache never has it.
 */
#ifndef TAZ_TAZFS_AUDIT_KEY_H
#define TAZ_TAZFS_AUDIT_KEY_H

#include <stddef.h>

#include "enclave/base/secret.h"

#define AUDIT_KEY_FILE "audit.key"

/*
 * audit_key_load - Returns 0 with @ret, to be freed with secret_free(), or
 *   -ENOENT   there is none
 *   -EBADMSG  the file holds something else
 *   -errno    of open(2), read(2); -ENOMEM
 */
int audit_key_load(int dirfd, struct secret **ret);

/* audit_key_new - a random one, only in memory. Returns 0 or -ENOMEM. */
int audit_key_new(struct secret **ret);

/* audit_key_store - write it there, all or nothing, in place of another one. Returns 0 or -errno.
 */
int audit_key_store(int dirfd, const struct secret *key);

/* audit_key_parse - the text of such a file, for a copy of one. 0, -EBADMSG or -ENOMEM. */
int audit_key_parse(const char *text, size_t size, struct secret **ret);

#endif
