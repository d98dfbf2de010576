/* fs_priv - shared by the files of fs, which are the only ones that know libfuse */
#ifndef TAZ_TAZFS_FS_PRIV_H
#define TAZ_TAZFS_FS_PRIV_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "tazfs/fs.h"

enum { LOOK = 0 }; /* beside enum may: the file is there, and its attributes */

static inline struct view *view_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline struct node_file *file_of(const struct fuse_file_info *fi)
{
	return (struct node_file *)(uintptr_t)fi->fh; // NOLINT(performance-no-int-to-ptr)
}

/* fs_tails - where the store remembers what its page cache holds; a plain directory needs no memory
 */
static inline struct tails *fs_tails(const struct view *v, struct node *n)
{
	return v->keeper >= 0 ? node_tails(n) : NULL;
}

/* reply - done, or an error (-errno); ASK_LATER: a copy of it waits, and will be answered */
static inline void reply(fuse_req_t req, int r)
{
	if (r == ASK_LATER)
		fuse_reply_none(req);
	else
		fuse_reply_err(req, r < 0 ? -r : 0);
}

/*
 * fs_permit - permission for what a request names, then the node behind @ino held
 * @name: see struct judge_request
 * Returns 0, -EACCES or another -errno for the caller; -ESTALE when the node is not there.
 */
int fs_permit(fuse_req_t req, fuse_ino_t ino, const char *name, unsigned may, struct node_hold *h);

/*
 * fs_begin - permission for the file behind @ino, then the file
 * fs_begin_at - permission for what @parent has, or is to have, under @name; then the directory
 * @may: LOOK or bits of enum may
 * Returns false when the error has been sent.
 */
bool fs_begin(fuse_req_t req, fuse_ino_t ino, unsigned may, struct node_hold *h);
bool fs_begin_at(fuse_req_t req, fuse_ino_t parent, const char *name, unsigned may,
		 struct node_hold *dir);

/* fs_reply_entry - tell the kernel what @name is now, unless @r says that making it failed */
void fs_reply_entry(fuse_req_t req, const struct node_hold *dir, const char *name, int r);

/*
 * fs_give - with --allow-other, what was just made belongs to who made it
 * @mode: with its type. Returns 0, or -errno of fchownat(2): then it is gone again.
 */
int fs_give(fuse_req_t req, const struct node_hold *dir, const char *name, mode_t mode);

/* fs_entry - what the kernel is told of a node; names are never cached */
struct fuse_entry_param fs_entry(const struct node_entry *e);

/*
 * fs_wait_durable - answer the request when everything that was changed is in the sealed file
 * @written: what a write is answered with; 0: an fsync
 */
void fs_wait_durable(fuse_req_t req, size_t written);

/* Something that passes the gate. @run is called once, by whichever thread. */
struct fs_later {
	struct gate_item item;
	void (*run)(struct view *v, struct fs_later *later); /* frees it */
};

/* fs_pass_gate - run it inside the gate: now, or when it opens. Does not wait. */
void fs_pass_gate(struct view *v, struct fs_later *later);

/* What the kernel will drop of a file's cached pages when a request is answered. */
struct fs_drop {
	uint64_t ino;
	uint64_t from, to; /* bytes; nothing when from is not below to */
	bool forget;	   /* nobody can bring pages behind @from back until the answer */
	bool unless_used;  /* not when more than @users have it open: they still need it; otherwise
			      what  was overwritten is dropped at once */
	unsigned users;
};

/*
 * fs_drop_* - overwrite that, then answer (fs_drop.c). @req is taken; @fi is open and answered by
 * fs_reply_open().
 */
int fs_drop_start(struct view *v);
void fs_drop_done(fuse_req_t req, const struct fs_drop *drop);
void fs_drop_attr(fuse_req_t req, const struct fs_drop *drop, const struct stat *st);
void fs_drop_open(fuse_req_t req, const struct fs_drop *drop, const struct fuse_file_info *fi);

/* fs_store_zeros - overwrite pages in place; not by a worker. 0 or -errno. */
int fs_store_zeros(struct fs *fs, uint64_t ino, uint64_t from, uint64_t to);

/* fs_reply_open - answer, and close the file when nobody waits for the answer any more */
void fs_reply_open(fuse_req_t req, struct fuse_file_info *fi);

/* fs_attr_sec - how long the kernel may keep an inode's attributes */
double fs_attr_sec(fuse_ino_t ino);

/*
 * fs_cut - truncate the held file
 * @f: it is open for writing there, or NULL
 * @ret: what the kernel is going to drop
 * Returns 0 or -errno.
 */
int fs_cut(fuse_req_t req, const struct node_hold *h, const struct node_file *f, off_t size,
	   struct fs_drop *ret);

/* The operations on open files and directories (fs_file.c). */
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t at,
	      struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t at, off_t size,
		  struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t at, int whence, struct fuse_file_info *fi);
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* On names (fs_names.c). */
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	       const char *new_name, unsigned flags);

/* fs_control.c */
void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg, struct fuse_file_info *fi,
	      unsigned flags, const void *in, size_t in_size, size_t out_size);

#endif
