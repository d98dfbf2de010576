/* keychoice - which key is meant by a slot's number, a label, or nothing at all. Pure. */
#ifndef TAZ_ENCLAVE_KEYCHOICE_H
#define TAZ_ENCLAVE_KEYCHOICE_H

#include "enclave/luks.h"

/* keychoice_find - the slot of a number or a label, or -ENOENT */
int keychoice_find(const struct luks_key *keys, int n, const char *which);

/*
 * keychoice_replaced - which passphrase does a change replace?
 * @typed: the slot that the current key opened
 * @which: as keychoice_find(), or ""
 *
 * The named one, or the one that was typed, or, when another kind of key was given (the recovery
 * key of a person who forgot it), the only one there is. Returns its slot, or
 *   -ENOENT    there is none, or it is no passphrase
 *   -ENOTUNIQ  there are several
 */
int keychoice_replaced(const struct luks_key *keys, int n, int typed, const char *which);

/* keychoice_name - a label for a key without one: its kind, with a number where that is taken */
void keychoice_name(const struct luks_key *keys, int n, struct keytoken *t);

#endif
