/*
 * strength - a word on a new passphrase; it never refuses one
 *
 * Source: libpwquality; cracklib below it copies what it looks at, so both run in a child that
 * wipes itself (base/shortlife.h).
 */
#ifndef TAZ_BASE_STRENGTH_H
#define TAZ_BASE_STRENGTH_H

#include "enclave/base/secret.h"

/* strength_hint - say on standard error when a passphrase is easy to guess; nothing otherwise */
void strength_hint(const struct secret *passphrase);

#endif
