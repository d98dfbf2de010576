/*
 * luks - the vault's LUKS2 header: making it, checking it, opening it
 *
 * Only header work: the volume key comes out into locked memory, and dm.c gives it to the kernel.
 * Every call runs in the short-lived worker. Source: libcryptsetup.h.
 */
#ifndef TAZ_ENCLAVE_LUKS_H
#define TAZ_ENCLAVE_LUKS_H

#include <stdint.h>

#include "enclave/base/secret.h"

#define LUKS_KEY_BYTES	  64 /* aes-xts-plain64 with two 256-bit keys */
#define LUKS_SECTOR_BYTES 4096

struct luks_volume {
	struct secret *key;    /* the volume key; owned by whoever has the struct */
	uint64_t offset_bytes; /* where the encrypted data begins in the image */
};

/*
 * luks_format - write a new LUKS2 header with one passphrase
 * @image: the image file, already at its full size, borrowed
 * @ret: filled on success
 * Argon2id is calibrated to about a second on this machine, with at most half of the memory that
 * this machine and our cgroup still have.
 * Returns 0 or -errno.
 */
int luks_format(int image, const struct secret *passphrase, struct luks_volume *ret);

/*
 * luks_open - check the header and open it
 * Returns 0, or
 *   -EPERM       wrong passphrase
 *   -EINVAL      no LUKS2 header that can be read
 *   -EKEYREJECTED it asks for less than we make: another cipher, a smaller key, a weak KDF
 *   -errno
 */
int luks_open(int image, const struct secret *passphrase, struct luks_volume *ret);

#endif
