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

/*
 * Is that part gone from the kernel? An empty mapping, left by a worker that was killed before it
 * had a key, is removed on the way. The key is gone when /proc/keys does not name it and no table
 * under that name is one of dm-crypt. What cannot be told is not gone.
 */
bool stack_mapping_gone(const char *dm_name);
bool stack_loop_gone(dev_t loop);
bool stack_key_gone(const char *dm_name);

/*
 * The rest is for a volume that somebody pins, or tries to hold. All of it may block in the kernel:
 * call it in a process that can be left behind.
 */

/*
 * stack_thaw - undo what would make an orderly close wait for ever: a frozen file system, a
 * suspended mapping
 * @view, @view_fd: the process that holds the decrypted root, and as which descriptor; @view 0:
 * none Returns 0 (also when there was nothing to undo) or -errno. Source: ioctl_fsfreeze(2) FITHAW;
 * freeze_super(), bdev_freeze() in the kernel's fs/super.c.
 */
int stack_thaw(const char *dm_name, pid_t view);

/* stack_cut - an error target in the place of the table: the key is gone. 0 (also when there is no
 * mapping) or -errno. */
int stack_cut(const char *dm_name);

/*
 * stack_shut_fs - after stack_cut(): let what the file system still has in its cache fail, too
 * Reads and writes through held descriptors get EIO from then on; pages that are mapped stay
 * readable for whoever mapped them. Returns 0, or -errno: nobody had it mounted (-EIO).
 * Source: EXT4_IOC_SHUTDOWN in the kernel's fs/ext4/ioctl.c.
 */
int stack_shut_fs(const char *dm_name);

#endif
