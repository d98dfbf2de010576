/*
 * store - files of the tree below, always by descriptor, never through its page cache
 *
 * Contents are read and written with O_DIRECT in whole blocks of STORE_ALIGN, but for one kind: a
 * block that is only in part inside the file. O_DIRECT cannot end a file in the middle of a block,
 * and ftruncate(2) there makes ext4 load that block into its page cache
 * (ext4_block_truncate_page(); cachestat(2) shows the page). A page that the kernel drops it does
 * not clear, so such blocks are written through the page cache from the start, are remembered as
 * the file's tails (tails.h), go through the cache as long as they are remembered, and are
 * overwritten there at the end: by store_wipe_tails() at the lock, or just before they are cut off
 * or their file is deleted.
 *
 * The caller holds the inode's lock (node.h), which guards the tails, and the gate, so that no copy
 * of the store catches a write in its middle. NULL for tails: nobody will ask for them.
 *
 * A file system that refuses O_DIRECT (tmpfs before 6.6, some network ones) is used as it is.
 */
#ifndef TAZ_TAZFS_STORE_H
#define TAZ_TAZFS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "tazfs/tails.h"

#define STORE_ALIGN  4096UL
#define STORE_IO_MAX (256UL * 1024) /* bytes in one read or write; each worker has such buffers */

struct store_file {
	int fd;
	bool direct;
};

/*
 * store_open - open the file behind an O_PATH descriptor
 * @pathfd: borrowed
 * @flags: O_RDONLY, O_WRONLY or O_RDWR, with O_TRUNC
 *
 * A file that may be written is opened for reading, too, for the rest of its blocks; one that its
 * owner may write and not read is opened without O_DIRECT.
 * Returns 0 or -errno of open(2); @ret is to be closed with store_close().
 */
int store_open(int pathfd, int flags, struct store_file *ret);

/*
 * store_create - make a regular file, or open it if it is there and O_EXCL is not given
 * @dirfd, @name: as openat(2); symbolic links are not followed
 * Returns 0 or -errno of openat(2).
 */
int store_create(int dirfd, const char *name, int flags, mode_t mode, struct store_file *ret);
void store_close(struct store_file *f);

/*
 * store_read - read at @at
 * @size: at most STORE_IO_MAX
 * @ret_data: the bytes, in a buffer of this thread that is valid until its next call;
 *	      wipe it with store_wipe() when done
 * Returns the number of bytes, less than @size only at the end of the file, or -errno.
 */
ssize_t store_read(const struct store_file *f, size_t size, off_t at, const char **ret_data);

/* store_write - write all of it; at most STORE_IO_MAX. Returns 0 or -errno. */
int store_write(const struct store_file *f, const char *data, size_t size, off_t at,
		struct tails *tails);

/*
 * store_truncate - as ftruncate(2)
 * @f: open for writing, or NULL: the file behind @pathfd is opened
 * Returns 0 or -errno.
 */
int store_truncate(int pathfd, const struct store_file *f, off_t size, struct tails *tails);

/* store_fallocate - as fallocate(2). Returns 0 or -errno. */
int store_fallocate(const struct store_file *f, int mode, off_t at, off_t size,
		    struct tails *tails);

/*
 * store_wipe_tails - overwrite the cached tails of a file with zeros
 *
 * This changes the file, and its mode when that forbids writing: only for one that is gone already,
 * or on a device that takes no more writes. Returns 0 or -errno.
 */
int store_wipe_tails(int pathfd, const struct tails *tails);

/* store_bury - the same for a file that has no name any more; -EEXIST when it has one */
int store_bury(int pathfd, const struct tails *tails);

/* store_reads_zeros - does the device read as zeros at @at? 1, 0, or -errno (-EOPNOTSUPP without
 * O_DIRECT) */
int store_reads_zeros(const struct store_file *f, off_t at);

/* store_probe - look for a tail that is not all zeros. 1 with its place, 0 for none, or -errno */
int store_probe(const struct store_file *f, const struct tails *tails, off_t *ret_at);

/* store_wipe - clear what the last call left in this thread's buffer, and in its registers */
void store_wipe(void);

/* What has no *at() call for an O_PATH descriptor. Each returns 0 or -errno. */
int store_chmod(int pathfd, mode_t mode);
int store_access(int pathfd, int mask);
int store_link(int pathfd, int dirfd, const char *name);

/* As setxattr(2) and its family; the sizes are returned, or -errno. */
int store_setxattr(int pathfd, const char *name, const char *value, size_t size, int flags);
ssize_t store_getxattr(int pathfd, const char *name, char *value, size_t size);
ssize_t store_listxattr(int pathfd, char *list, size_t size);
int store_removexattr(int pathfd, const char *name);

#endif
