/*
 * volume - file systems that are mounted nowhere, and the places where one of them shows
 *
 * Source: fsopen(2), fsconfig(2), fsmount(2), move_mount(2), open_tree(2); tmpfs(5); the kernel's
 * Documentation/filesystems/fuse.rst.
 */
#ifndef TAZ_ENCLAVE_VOLUME_H
#define TAZ_ENCLAVE_VOLUME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * volume_ram - a detached tmpfs for the ciphertext: in no mount namespace, never in swap
 * @bytes: how much it may hold
 * @ret_noswap: false when this kernel has no noswap for tmpfs (before 6.4)
 * Returns a descriptor of its root directory or -errno.
 */
int volume_ram(uint64_t bytes, bool *ret_noswap);

/*
 * volume_ext4 - mount the decrypted device, detached
 * @dev_fd: open descriptor of the block device, borrowed
 * Returns a descriptor of the root directory, the only way to it, or -errno.
 */
int volume_ext4(int dev_fd);

/* volume_mkfs - make the ext4 on a new device; its root belongs to @uid:@gid, mode 0700. 0 or
 * -errno. */
int volume_mkfs(int dev_fd, uid_t uid, gid_t gid);

/*
 * volume_fuse - a detached FUSE mount for the view of @uid
 * @fuse_fd: a fresh descriptor of /dev/fuse, borrowed
 * Returns the mount's descriptor or -errno.
 */
int volume_fuse(int fuse_fd, uid_t uid, gid_t gid);

/* volume_move - attach a detached mount at the directory @target (O_PATH). Returns 0 or -errno. */
int volume_move(int mount_fd, int target);

/* volume_clone - another detached mount of the same tree, which must be attached. fd or -errno. */
int volume_clone(int mount_fd);

/* volume_detach - take an attached mount out of the tree at once, used or not. 0 or -errno. */
int volume_detach(int mount_fd);

/*
 * volume_door - the sealed door: an empty, read-only tmpfs of mode 0 on the directory @target
 * Seen wherever the view is not: nothing can be written below ~/secrets while it is locked.
 * Nothing is done when @target is such a door already. Returns 0 or -errno.
 */
int volume_door(int target, uid_t uid, gid_t gid);

/* volume_mount_id - the mount id of a descriptor's mount (/proc/self/fdinfo), or -errno */
int volume_mount_id(int fd);

/* volume_dev - the device number of the file system behind a descriptor. 0 or -errno. */
int volume_dev(int fd, dev_t *ret);

#endif
