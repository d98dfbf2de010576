/*
 * backoff - how long to wait after a wrong passphrase: 1, 2, 4 ... 60 seconds
 *
 * One for root and one for the vault's owner: a process of the owner's uid that guesses can make
 * its own uid wait, never root's "tazlaunch enter". A right passphrase resets its own one only.
 * The keeper holds both, so closing and opening connections changes nothing. Pure: the caller says
 * what time it is.
 */
#ifndef TAZ_ENCLAVE_BACKOFF_H
#define TAZ_ENCLAVE_BACKOFF_H

#include <stdint.h>

#define BACKOFF_MAX_SEC 60

struct backoff { /* zeros: nothing wrong yet */
	unsigned wrong;
	uint64_t until_ns;
};

/* backoff_wrong - a passphrase was wrong, or its verification was cut off before it had told */
void backoff_wrong(struct backoff *b, uint64_t now_ns);

/* backoff_right - the right one was given */
void backoff_right(struct backoff *b);

/* backoff_wait_sec - seconds, rounded up, before the next one is looked at; 0: now */
unsigned backoff_wait_sec(const struct backoff *b, uint64_t now_ns);

#endif
