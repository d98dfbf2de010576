/*
 * sealfd - how a passphrase that is read elsewhere reaches "enclave session --seal-fd N"
 *
 * N is one end of a SOCK_SEQPACKET pair. Only a public key and a box sealed for it (base/secret.h)
 * ever cross: whoever relays them (the launcher's agent, a container engine, a console) learns
 * nothing. The order is: ask, box, verdict; again while the verdict says "more".
 */
#ifndef TAZ_BASE_SEALFD_H
#define TAZ_BASE_SEALFD_H

#include <stdint.h>

#define SEALFD_BOX_MAX 1024

struct seal_ask {	  /* enclave session -> relay */
	uint32_t is_new;  /* 1: the vault is being made; a person is asked twice */
	uint32_t attempt; /* 1, 2, 3 */
	uint8_t public_key[32];
};

struct seal_box {     /* relay -> enclave session */
	uint32_t len; /* 0: the user gave up (Ctrl+C, end of file, empty) */
	uint8_t box[SEALFD_BOX_MAX];
};

struct seal_verdict {	/* enclave session -> relay */
	int32_t err;	/* 0: the session is open and its command runs; -errno otherwise */
	uint32_t more;	/* 1: another ask follows */
	char text[256]; /* a sentence for the person, empty when err is 0 */
};

#endif
