/*
 * keychange - the client's side of a change of the keys: a session, two sealed boxes, a durable
 * save
 */
#ifndef TAZ_ENCLAVE_KEYCHANGE_H
#define TAZ_ENCLAVE_KEYCHANGE_H

#include "enclave/base/keyargs.h"

/* keychange_prompt - keyargs_prompt() with the vault's FIDO2 keys, as the keeper lists them */
int keychange_prompt(struct keyargs *a, struct prompt *p);

/*
 * keychange_run - do what was asked for, and wait until it is on disk
 * @p: of keyargs_prompt(); borrowed. With @a->seal_fd the relay has the keys, and @p is not used
 * Opens a session of its own, which is ended again: the last one out locks. Says what went wrong.
 * Returns the slot that was made or removed, or -errno: then nothing was changed, unless it says
 * that the change could not be saved.
 */
int keychange_run(const struct keyargs *a, struct prompt *p);

#endif
