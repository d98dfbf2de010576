/*
 * sealfd - how a passphrase that is read elsewhere reaches "enclave session --seal-fd N", and both
 * the current and the new key of a change "enclave key ... --seal-fd N"
 *
 * N is one end of a SOCK_SEQPACKET pair. Only a public key and a box sealed for it (base/secret.h)
 * ever cross: whoever relays them (the launcher's agent, a container engine, a console) learns
 * nothing. The order is: ask, box, verdict; again while the verdict says "more".
 * A change has two more asks, SEAL_SAME and SEAL_FRESH, for the key of another worker, before the
 * verdict.
 */
#ifndef TAZ_BASE_SEALFD_H
#define TAZ_BASE_SEALFD_H

#include <stdint.h>

#define SEALFD_BOX_MAX 1024

enum seal_what {
	SEAL_OPEN,   /* the passphrase, or whatever other key is given */
	SEAL_CREATE, /* the vault is being made: a person is asked twice */
	SEAL_SAME,   /* what was answered to SEAL_OPEN, for another key: nobody is asked */
	SEAL_FRESH,  /* the new key: a person is asked twice */
};

struct seal_ask {	  /* enclave session -> relay */
	uint32_t what;	  /* enum seal_what */
	uint32_t attempt; /* 1, 2, 3 */
	uint8_t public_key[32];
};

struct seal_box {     /* relay -> enclave session */
	uint32_t len; /* 0: the user gave up (Ctrl+C, end of file, empty) */
	uint8_t box[SEALFD_BOX_MAX];
};

/* With the first one of a session whose terminal the relay has, one end of another SOCK_SEQPACKET
 * pair may come along: there the keeper asks (base/question.h). */

struct seal_verdict {	   /* enclave session -> relay */
	int32_t err;	   /* 0: the session is open and its command runs; -errno otherwise */
	uint32_t more;	   /* 1: another ask follows */
	uint32_t wait_sec; /* that long from now: a person is told */
	char text[256];	   /* a sentence for the person, empty when err is 0 */
};

#endif
