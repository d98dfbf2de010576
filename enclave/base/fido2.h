/*
 * fido2 - a key that a FIDO2 token makes, with its hmac-secret extension
 *
 * At enrolment the token makes a credential that only it can use; from that and a random salt it
 * derives 32 bytes, the same each time, and only with its PIN (when it has one) and a touch. What
 * is written down, credential id, salt and relying party, opens nothing by itself. The passphrase
 * of the keyslot is the text of a hash, as for a key file (base/keyfile.h), with "taz fido2 1\n".
 * Nothing waits for ever: 30 s for a touch, 5 s for anything else.
 *
 * Source: libfido2's fido_cred_new(3), fido_assert_new(3); CTAP 2.1, section 12.5. The library
 * copies what it gets, so it runs in a child that wipes itself (base/shortlife.h). It is optional
 * (meson setup -Dfido2=disabled); without it every call says -EOPNOTSUPP.
 */
#ifndef TAZ_BASE_FIDO2_H
#define TAZ_BASE_FIDO2_H

#include <stddef.h>

#include "enclave/base/keytoken.h"
#include "enclave/base/secret.h"

/*
 * fido2_enroll - make a credential on the token that is plugged in, and its key
 * @ret: kind, relying party, credential, salt and flags are filled; the rest is zero
 * @ret_key: to be freed by the caller
 *
 * Asks for the PIN on the terminal when the token has one, and says when to touch it. Returns 0, or
 *   -EOPNOTSUPP  built without libfido2
 *   -ENODEV      no token is plugged in
 *   -ENOTUNIQ    several are: which one is to have the key?
 *   -EBUSY       it cannot be opened or does not answer, now
 *   -ENOSYS      it cannot make secrets (hmac-secret); it was not touched for that
 *   -EPERM       wrong PIN, or none where one is needed; how many tries are left was said
 *   -EKEYEXPIRED   three wrong PINs in a row: it wants to be plugged in again
 *   -EKEYREVOKED   its PIN is blocked for good
 *   -ENOTTY      it has a PIN, and there is nobody to ask
 *   -ECANCELED   its person refused
 *   -ETIME       it was not touched in time
 *   -ENXIO       it was unplugged in the middle, or broke off
 *   -EIO         it said something else, which is logged
 *   -errno       also from prompt_ask()
 */
int fido2_enroll(struct keytoken *ret, struct secret **ret_key);

/*
 * fido2_open - the key of one of the vault's FIDO2 tokens
 * @tokens, @n: tokens of any kind; only KEY_FIDO2 counts
 * Of several that are plugged in, the first that knows one of them is used; a token that knows none
 * need not be touched. Returns as fido2_enroll(), but never -ENOTUNIQ, and -ENOKEY when there is no
 * such token in the list, or none that is plugged in knows one of them.
 */
int fido2_open(const struct keytoken *tokens, size_t n, struct secret **ret_key);

/* fido2_why - a sentence for a person: what is wrong and what to do */
const char *fido2_why(int err);

#endif
