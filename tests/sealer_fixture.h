/*
 * sealer_fixture - an image in RAM, a folder and a sealer between them: what the sealer's tests
 * share
 *
 * One at a time, in a global: what fails in a helper fails the test.
 */
#ifndef TAZ_TESTS_SEALER_FIXTURE_H
#define TAZ_TESTS_SEALER_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "enclave/sealer.h"

#define MIB	(1UL << 20)
#define IMAGE	(64 * MIB)
#define DATA	(10 * MIB) /* from 16 MiB on */
#define DATA_AT (16 * MIB)
#define NAME	"vault.luks"

struct fixture {
	char path[64];
	int dir, image;
	uint8_t key[SEAL_KEY_BYTES];
	struct sealer *sealer;
	struct seal_origin origin;
	struct sealer_cost cost;
};

extern struct fixture f;

int setup(void **state);    /* an image of IMAGE bytes, with DATA bytes at DATA_AT in it */
int teardown(void **state); /* also: no file is left but the vault's */

/* make - as setup(), of that size, and empty */
void make(size_t image_bytes);

/* fill - random bytes from @at on, always the same for a @seed; whole blocks */
void fill(uint64_t at, size_t bytes, unsigned seed);

/* new_sealer - another one that continues f.origin, or @maybe (as sealer_new()) when it is given */
void new_sealer(const struct seal_origin *maybe);

/* try_save - all steps of one. Returns 0 or -errno; save() takes no error. */
int try_save(void);
void save(void);

/* load - what an unlock would find: the footer, and when asked for the image, which the caller owns
 * Returns 0 when the file is what was sealed, or -errno. */
int load(struct seal_footer *footer, int *ret_image);

/* names_in_dir - how many files there are */
unsigned names_in_dir(void);

#endif
