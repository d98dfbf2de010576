/*
 * fs - the FUSE side: takes requests, asks view_permit(), obeys
 *
 * fs.c (the operations) and fs_serve.c (the session, its workers, notifications) are the only files
 * that know libfuse; fs_ops is what the first gives to the second.
 */
#ifndef TAZ_TAZFS_FS_H
#define TAZ_TAZFS_FS_H

#include <stdint.h>

#include "tazfs/view.h"

struct fs;
struct fuse_lowlevel_ops;
extern const struct fuse_lowlevel_ops fs_ops;

/*
 * fs_new - a session; libfuse's own messages go to log_warn()
 * @v: borrowed for the whole life; v->fs is set
 * @options: for mount(8), or NULL when the mount is ready
 * Returns 0 or -EINVAL.
 */
int fs_new(struct view *v, const char *options);

/*
 * fs_mount - mount at a directory; "/dev/fd/N" takes a ready descriptor of /dev/fuse
 * Returns 0 or -EIO; libfuse has logged why.
 */
int fs_mount(struct fs *fs, const char *mountpoint);
void fs_unmount(struct fs *fs);

/*
 * fs_start - start the workers
 * @ret_ended: an eventfd that becomes readable when the last of them has ended (the mount is gone)
 * Returns 0 or -errno.
 */
int fs_start(struct fs *fs, unsigned workers, int *ret_ended);

/* fs_resume - open the gate and do what was parked before it */
void fs_resume(struct fs *fs);

/* fs_run_asked - an ask_run_t: run a request again that a person was asked about */
void fs_run_asked(struct view *v, struct ask_parked *p, const struct ask_given *given);

/* fs_answer - tell the processes of these fsyncs how they went; takes the list (durable.h) */
void fs_answer(struct durable_item *list);

/* fs_ask - ask the keeper for a save; a durable_ask_t, @arg is the view */
void fs_ask(void *arg, uint64_t seq, bool changed);

/*
 * fs_wipe - overwrite an inode's cached pages in place with zeros, then make the kernel drop them
 * @bytes: how much of it may be cached; 0 only drops
 * Must not be called by a worker. Returns 0 or -errno; an inode that the kernel forgot is fine.
 */
int fs_wipe(struct fs *fs, uint64_t ino, uint64_t bytes);

#endif
