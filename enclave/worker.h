/*
 * worker - the short-lived child in which passphrases and volume keys live, and die
 *
 * "enclave worker unlock" makes a one-time key, sends its public half (WORKER_ASK), waits for a
 * job with the passphrase sealed to it, does it, answers with a result and ends. Its memory is
 * locked, never dumped, and dies with it; it dies with the keeper. "enclave worker save" is of
 * another kind, and lives longer: saver.h.
 *
 * Source of the reason: Linux 6.9 and later can keep a volume key in a thread keyring for as long
 * as its process lives (repaired in cryptsetup 2.8.7): so no key-holding process may live long.
 */
#ifndef TAZ_ENCLAVE_WORKER_H
#define TAZ_ENCLAVE_WORKER_H

#include <stdint.h>
#include <sys/types.h>

#include "enclave/atrest.h"
#include "enclave/dm.h"
#include "enclave/history.h"
#include "enclave/proto.h"
#include "enclave/seal.h"

#define WORKER_FD 3 /* its socket to the keeper */

enum worker_op {
	WORKER_ASK = 400, /* worker -> keeper: struct worker_ask */
	WORKER_OPEN,	  /* job with [vault directory, keybox] and, when RAM is newer, [image] */
	WORKER_VERIFY,	  /* job with [image]: is this the passphrase? */
	WORKER_RESTORE,	  /* job with [vault directory] */
	WORKER_RESULT,	  /* worker -> keeper: struct worker_result */
};

struct worker_ask {
	uint32_t op;
	uint8_t public_key[32];
};

enum { WORKER_MAY_CREATE = 1, WORKER_ACCEPT_ROLLBACK = 2 };

struct worker_job {
	uint32_t op;
	uint32_t flags;
	uint64_t vault_bytes;	   /* of a new vault */
	struct seal_origin origin; /* OPEN with an image: what it continues */
	struct atrest_seen seen;   /* OPEN, RESTORE */
	uint32_t uid, gid;	   /* the owner */
	char name[64];		   /* of the sealed file in the vault directory */
	char dm_name[DM_NAME_MAX];
	char source[HISTORY_NAME_MAX]; /* RESTORE: the kept file in the vault directory */
	uint32_t box_len;
	uint8_t box[PROTO_BOX_MAX];
};

struct worker_result { /* OPEN comes with [image, decrypted root] */
	uint32_t op;
	int32_t err;
	uint32_t why; /* enum proto_why */
	uint32_t created;
	struct seal_origin origin; /* what the image continues */
	uint64_t vault_bytes;
	uint64_t loop_dev;
};

/*
 * worker_start - start a worker as a child
 * @kind: "unlock", "key" or "save"
 * @ret_sock: our end, owned by the caller
 * Returns 0 or -errno.
 */
int worker_start(const char *kind, pid_t *ret_pid, int *ret_sock);

/* worker_main - what "enclave worker KIND" runs, for "unlock" and "save". Returns an exit code. */
int worker_main(const char *kind);

#endif
