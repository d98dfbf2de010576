/*
 * keychange - the client's side of a change of the keys: a session, two sealed boxes, a durable
 * save
 */
#ifndef TAZ_ENCLAVE_KEYCHANGE_H
#define TAZ_ENCLAVE_KEYCHANGE_H

#include "enclave/base/keyargs.h"

/* keychange_parse - keyargs_parse(), saying what is wrong. Returns 0 or -EINVAL. */
int keychange_parse(int argc, char *argv[], struct keyargs *ret);

/*
 * keychange_main - do what was asked for (everything but KEYARGS_LIST), and wait until it is on
 * disk Opens a session of its own, which is ended again: the last one out locks. Says how it went.
 * Returns an exit code. After CMD_FAILED nothing was changed, unless it says that the change could
 * not be saved.
 */
int keychange_main(struct keyargs *a);

#endif
