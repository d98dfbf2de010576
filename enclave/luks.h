/*
 * luks - the vault's LUKS2 header: making it, checking it, opening it
 *
 * Only header work: the volume key comes out into locked memory, and dm.c gives it to the kernel.
 * Every call runs in the short-lived worker. Source: libcryptsetup.h.
 */
#ifndef TAZ_ENCLAVE_LUKS_H
#define TAZ_ENCLAVE_LUKS_H

#include <stdint.h>

#include "enclave/base/keytoken.h"
#include "enclave/base/secret.h"

#define LUKS_KEY_BYTES	  64 /* aes-xts-plain64 with two 256-bit keys */
#define LUKS_SECTOR_BYTES 4096
#define LUKS_HEADER_BYTES (2 * 1024 * 1024) /* both copies of the header, and the keyslots */

struct luks_volume {
	struct secret *key;    /* the volume key; owned by whoever has the struct */
	uint64_t offset_bytes; /* where the encrypted data begins in the image */
};

/*
 * luks_format - write a new LUKS2 header with one passphrase
 * @image: the image file, already at its full size, borrowed
 * @ret: filled on success
 * Argon2id is calibrated to about a second on this machine, with at most half of the memory that
 * this machine and every cgroup above us still have (kdf.h).
 * Returns 0, or
 *   -ENOMEM  not even the least that we accept would fit
 *   -errno
 */
int luks_format(int image, const struct secret *passphrase, struct luks_volume *ret);

/*
 * luks_open - check the header and open it
 * Returns 0, or
 *   -EPERM       wrong passphrase
 *   -ENOMEM      no slot that fits into the memory that is left opened, and one did not fit
 *   -EINVAL      no LUKS2 header that can be read
 *   -EKEYREJECTED it asks for less than we make: another cipher, a smaller key, a weak KDF
 *   -errno
 */
int luks_open(int image, const struct secret *passphrase, struct luks_volume *ret);

#define LUKS_KEYS_MAX 8

struct luks_key {
	int slot;
	uint32_t memory_kib, passes, threads; /* of Argon2id */
	struct keytoken token;		      /* kind passphrase, no label: it has none of ours */
};

/*
 * luks_list - every key of a header, by slot
 * @header: an image, or its first LUKS_HEADER_BYTES, borrowed
 * Returns how many, or -EINVAL, -EKEYREJECTED as luks_open(), -errno.
 */
int luks_list(int header, struct luks_key keys[LUKS_KEYS_MAX]);

enum luks_what { LUKS_ADD, LUKS_REPLACE, LUKS_REMOVE };

struct luks_change {
	enum luks_what what;
	const struct secret *current; /* any valid key */
	const struct secret *fresh;   /* ADD, REPLACE: the new one */
	const char *which;	      /* REMOVE: a slot's number or a label; REPLACE: that, or "" */
	struct keytoken token;	      /* ADD: kind and label of the new one; REPLACE: made_sec */
};

/*
 * luks_change - add, replace or remove a key
 * @header: as for luks_list(); changed. Give it a copy: a change is several writes
 *
 * REPLACE adds the new slot before it destroys the old one: the passphrase that is named, or was
 * typed, or is the only one. Returns the new or removed slot, or
 *   -EPERM, -ENOMEM, -EINVAL, -EKEYREJECTED  as luks_open()
 *   -ENOSPC    seven keys are there; the eighth place is for REPLACE
 *   -EEXIST    the label is taken
 *   -ENOENT    no such key, or it is no passphrase
 *   -ENOTUNIQ  REPLACE: which passphrase?
 *   -EALREADY  REPLACE: old and new are the same
 *   -EBUSY     REMOVE: it is the last key
 *   -errno
 */
int luks_change(int header, const struct luks_change *c);

#endif
