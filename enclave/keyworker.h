/*
 * keyworker - the short-lived child in which the keys of a vault are changed
 *
 * "enclave worker key" makes a one-time key (WORKER_ASK), gets a struct key_job with the current
 * key and the new one sealed to it, and changes a *copy* of the header: both header copies and the
 * keyslots are the image's first LUKS_HEADER_BYTES, which dm-crypt never touches. The keeper puts
 * the copy back whole, between two saves. So whatever dies, and whenever, the sealed file on disk
 * has all of the change or nothing of it.
 */
#ifndef TAZ_ENCLAVE_KEYWORKER_H
#define TAZ_ENCLAVE_KEYWORKER_H

#include <stdint.h>

#include "enclave/proto.h"

enum key_worker_op { WORKER_KEY = 450, WORKER_KEY_DONE };

struct key_job { /* comes with [image], or to KEY_LIST with [directory of the sealed file] */
	uint32_t op;
	uint32_t in_dir; /* 1: the descriptor is the directory, and name says which file */
	char name[64];
	struct req_key req;
	struct req_key_sealed sealed;
};

struct key_result { /* a change comes with [a memfd: the new header] */
	uint32_t op;
	int32_t err;
	uint32_t why; /* enum proto_why */
	int32_t slot;
	struct res_keys keys; /* of KEY_LIST */
};

/* keyworker_main - what "enclave worker key" runs. Returns an exit code. */
int keyworker_main(void);

/*
 * keyworker_apply - write into @image what differs from it in @header. Returns 0 or -errno.
 */
int keyworker_apply(int header, int image);

#endif
