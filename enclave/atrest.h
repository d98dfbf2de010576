/*
 * atrest - opening a sealed file: three different refusals, before anything is mapped or mounted
 *
 *	damaged		the file is cut short, cannot be read, or its bytes are not those that its
 *own checksum was made over. It proves that they have changed since, not by whom: bit rot, a copy
 *that broke off, or somebody who did not take the trouble. tampered	the checksum is right and
 *the passphrase too, but the seal was not made with this vault's key; or the LUKS2 header asks for
 *less than we make. Chance does not do that: somebody wrote it. rolled back	authentic, and older
 *than the newest state that this host has seen. Proves that an earlier file was put back (or, with
 *two hosts, that another one is behind).
 *
 * A header whose salts or key slots were changed *with* a right checksum shows as a wrong
 * passphrase: without the key nobody can tell these apart.
 *
 * Runs in the worker. Nothing here changes a file.
 */
#ifndef TAZ_ENCLAVE_ATREST_H
#define TAZ_ENCLAVE_ATREST_H

#include <stdbool.h>
#include <stdint.h>

#include "enclave/keybox.h"
#include "enclave/luks.h"
#include "enclave/proto.h"
#include "enclave/seal.h"

/* The newest state this host knows of: of which vault, and which generation. */
struct atrest_seen {
	uint64_t generation; /* 0: none yet */
	uint8_t vault_id[SEAL_ID_BYTES];
};

/*
 * atrest_read - the sealed file, copied into RAM and checked against its own checksum
 * @ret_image: owned by the caller
 * Returns 0, -EUCLEAN with WHY_DAMAGED, or -errno for what is not the file's fault.
 */
int atrest_read(int file, int *ret_image, struct seal_footer *ret_footer, enum proto_why *ret_why);

/* atrest_luks - luks_open(), with the reason. */
int atrest_luks(int image, const struct secret *passphrase, struct luks_volume *ret,
		enum proto_why *ret_why);

/*
 * atrest_prove - open the header of @image and prove that the whole is what was sealed
 * @vol: filled, also after an error that comes later than the passphrase's
 * @box: the seal key
 * Returns 0, -EBADE with WHY_HEADER or WHY_TAMPERED, -EPERM with WHY_WRONG_PASSPHRASE, -errno.
 */
int atrest_prove(int image, const struct seal_footer *footer, const struct secret *passphrase,
		 struct luks_volume *vol, struct keybox *box, enum proto_why *ret_why);

/*
 * atrest_is_older - is an authentic state not as new as what this host has seen? Pure.
 * Also one of another vault: it is not the one that was here.
 */
bool atrest_is_older(const struct atrest_seen *seen, uint64_t generation,
		     const uint8_t vault_id[SEAL_ID_BYTES]);

/*
 * atrest_note - remember a state that was proved, or that we sealed. Pure.
 * The generation never goes back, not even when another vault was accepted.
 */
void atrest_note(struct atrest_seen *seen, uint64_t generation,
		 const uint8_t vault_id[SEAL_ID_BYTES]);

/*
 * atrest_seen_parse - "GENERATION" or "GENERATION:ID", the ID in 32 hexadecimal digits
 * Returns 0 or -EINVAL.
 */
int atrest_seen_parse(const char *text, struct atrest_seen *ret);

/* atrest_id_text - 32 digits and a NUL */
void atrest_id_text(const uint8_t vault_id[SEAL_ID_BYTES], char buf[2 * SEAL_ID_BYTES + 1]);

#endif
