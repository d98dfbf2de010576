/*
 * stack - from an image of ciphertext to a decrypted directory that no path leads to, and back
 *
 * tmpfs -> image -> loop -> dm-crypt -> ext4, each held by a descriptor only: when the last one is
 * closed the kernel takes it all down. Runs in the worker.
 */
#ifndef TAZ_ENCLAVE_STACK_H
#define TAZ_ENCLAVE_STACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "enclave/luks.h"

/*
 * stack_image - a new, empty image of @bytes on a tmpfs of its own
 * @ret_noswap: see volume_ram()
 * Returns its descriptor or -errno.
 */
int stack_image(uint64_t bytes, bool *ret_noswap);

struct stack_owner {
	uid_t uid;
	gid_t gid;
};

/*
 * stack_up - put loop, crypt target and ext4 over the image
 * @image: borrowed
 * @vol: the volume key and where the data begins
 * @dm_name: the mapping's name, also of the key in /proc/keys while it is being loaded
 * @make_fs: not NULL: make the file system first, for this owner
 * @ret_loop: the loop device's number
 *
 * Returns a descriptor of the decrypted root, or -errno; nothing is left behind then.
 */
int stack_up(int image, const struct luks_volume *vol, const char *dm_name,
	     const struct stack_owner *make_fs, dev_t *ret_loop);

/* What stack_check_gone() found to be gone. */
struct stack_gone {
	bool mapping, loop, key;
};

/*
 * stack_check_gone - is everything of that name gone from the kernel?
 * An empty mapping, left by a worker that was killed before it had a key, is removed on the way.
 * Returns true when all of it is.
 */
bool stack_check_gone(const char *dm_name, dev_t loop, struct stack_gone *ret);

#endif
