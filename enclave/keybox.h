/*
 * keybox - one page of memory that two of our processes share, for the seal key, and for
 * what the keeper must know of a worker that is killed
 *
 * memfd_secret(2) where the kernel has it: the page is in no other mapping, not even the kernel's
 * own, and is cleared when the last user dies, however it dies. Otherwise a memfd, locked.
 * The key crosses no pipe and no socket: only the descriptor does.
 */
#ifndef TAZ_ENCLAVE_KEYBOX_H
#define TAZ_ENCLAVE_KEYBOX_H

#include <stdint.h>
#include <sys/types.h>

#define SEAL_KEY_BYTES 32

struct keybox {
	uint32_t filled; /* 1: key holds the seal key */
	uint8_t key[SEAL_KEY_BYTES];
	dev_t loop; /* the device below the mapping, told before there is one; 0: none yet */
};

/* keybox_new - a new, empty one. Returns its descriptor or -errno. */
int keybox_new(void);

/* keybox_map - see it. Returns the mapping, to be given to keybox_unmap(), or NULL with errno. */
struct keybox *keybox_map(int fd);
void keybox_unmap(struct keybox *box); /* NULL is allowed */

/* keybox_wipe - forget the key, for everyone who maps it */
void keybox_wipe(struct keybox *box);

#endif
