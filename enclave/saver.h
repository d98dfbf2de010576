/*
 * saver - the process that writes the sealed file, for as long as the vault's image is in RAM
 *
 * "enclave worker save" gets SAVER_START and then does one step after the other, as the keeper asks
 * (sealer.h). It holds the ciphertext, the vault's directory and the seal key, never a volume key.
 * Before the file that was found at the unlock gives way for the first time, it is kept under a
 * second name (history.h), and the kept ones that are too many go after it.
 *
 * What it touches is locked in memory; it is never dumped; it dies with the keeper. When the
 * keeper closes the socket it removes its spare file and ends.
 *
 * An answer carries the id of the request: the keeper may give a save up and begin another one at
 * any time, and then ignores what comes of the first.
 */
#ifndef TAZ_ENCLAVE_SAVER_H
#define TAZ_ENCLAVE_SAVER_H

#include <limits.h>
#include <stdint.h>

#include "enclave/seal.h"

enum saver_op {
	/* keeper to saver: struct saver_start first, then struct saver_do */
	SAVER_START = 450, /* with [vault directory, keybox, image] */
	SAVER_PREPARE,	   /* while the image changes; answer: SAVER_PREPARED */
	SAVER_COPY,	   /* the image is still; answer: SAVER_COPIED */
	SAVER_COMMIT,	   /* the image may change again; answer: SAVER_DONE */

	/* saver to keeper: struct saver_said */
	SAVER_PREPARED,
	SAVER_COPIED,
	SAVER_SEALED, /* origin: what is about to be put in place */
	SAVER_BUSY,   /* now and then, while the disk takes what is written */
	SAVER_DONE,   /* origin: the sealed file as it is now, when err is 0 */
};

struct saver_start {
	uint32_t op;
	char name[NAME_MAX + 1];      /* of the sealed file, or of a conflict's */
	uint32_t keep;		      /* how many earlier states stay beside it */
	uint32_t kept;		      /* 1: what was found at the unlock is kept already */
	struct seal_origin origin[2]; /* as sealer_new() */
};

struct saver_do {
	uint32_t op;
	uint32_t id;
};

struct saver_said {
	uint32_t op;
	uint32_t id;
	int32_t err;
	uint32_t whole, unchanged; /* DONE: struct sealer_cost */
	uint64_t written_bytes;
	struct seal_origin origin;
};

/* saver_main - what "enclave worker save" does on its socket. Returns an exit code. */
int saver_main(int sock);

#endif
