/*
 * recovery - 256 random bits that a person can read aloud, and type again
 *
 *	7K3Q2-M0C4X- ... 13 groups of five, joined by '-': 77 characters
 *
 * Crockford's base32 (no I, L, O, U; typed in any case; O is taken for 0, I and L for 1; spaces and
 * dashes mean nothing). The first four symbols of a group carry 20 bits, the fifth checks them and
 * the group's place: every single wrong symbol and every two that changed places are noticed, and
 * the group is named. 260 bits are 256 of key and 4 of its BLAKE2b, so that of the slips that fool
 * a group's own check most are still noticed.
 *
 * The text, as printed, is the passphrase of its LUKS2 keyslot: plain cryptsetup takes it too.
 */
#ifndef TAZ_BASE_RECOVERY_H
#define TAZ_BASE_RECOVERY_H

#include "enclave/base/secret.h"

#define RECOVERY_BYTES	32
#define RECOVERY_GROUPS 13
#define RECOVERY_TEXT	(RECOVERY_GROUPS * 6 - 1)

/* recovery_new - a fresh one, as text. @ret is freed by the caller. Returns 0 or -errno. */
int recovery_new(struct secret **ret);

/* recovery_encode - the text (RECOVERY_TEXT bytes) of a given key; for recovery_new() and tests */
void recovery_encode(const uint8_t key[RECOVERY_BYTES], uint8_t text[RECOVERY_TEXT]);

enum recovery_is {
	RECOVERY_NO,	  /* something else, such as a passphrase; untouched */
	RECOVERY_YES,	  /* one, however it was typed; it is as printed now */
	RECOVERY_TYPO,	  /* meant to be one: group @ret_group (from 1) is wrong */
	RECOVERY_MISSING, /* meant to be one, with a symbol too few or too many */
};

/*
 * recovery_check - what was typed here?
 * @s: what was typed; has room for RECOVERY_TEXT bytes when it is one
 *
 * Nobody's passphrase is taken for one: 6 of 13 groups must check, by chance 1 in 2^30, and all of
 * it must be of the alphabet.
 */
enum recovery_is recovery_check(struct secret *s, unsigned *ret_group);

#endif
