/*
 * keyfile - a file as a key
 *
 * The passphrase of its keyslot is the hash of the file as text: 64 lower case hex digits of
 * BLAKE2b-256 over "taz key file 1\n" and the file. So a file of any size and contents will do, and
 * plain cryptsetup opens the vault with it too:
 *
 *	{ echo taz key file 1; cat FILE; } | b2sum -l 256 | cut -c1-64 | tr -d '\n' |
 *		cryptsetup open VAULT NAME --key-file -
 */
#ifndef TAZ_BASE_KEYFILE_H
#define TAZ_BASE_KEYFILE_H

#include "enclave/base/secret.h"

#define KEYFILE_TEXT 64
#define KEYFILE_MAX  (8 << 20) /* bytes: nobody waits for /dev/zero */

/*
 * keyfile_read - the key that a file is
 * @ret: to be freed by the caller; written on success only
 * Returns 0, or
 *   -ENODATA  it is empty
 *   -EFBIG    it is longer than KEYFILE_MAX
 *   -errno    from open(2), read(2); -EISDIR
 */
int keyfile_read(const char *path, struct secret **ret);

/* keyfile_hash - the same text for bytes in memory, with a prefix of its own. 0 or -ENOMEM. */
int keyfile_hash(const char *prefix, const void *data, size_t size, struct secret **ret);

/* keyfile_is_open - may others than the owner and root read it? For a warning. */
int keyfile_is_open(const char *path);

/* keyfile_why - a sentence for a person */
const char *keyfile_why(int err);

#endif
