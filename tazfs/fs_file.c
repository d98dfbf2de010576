/* The operations on open files and directories: they were decided when they were opened. */
#include "tazfs/fs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/secret.h"
#include "tazfs/dir.h"

/* What the kernel may keep. FOPEN_NOFLUSH only for readers: a writer's close brings home what it
 * wrote through a map. */
static void set_caching(const struct view *v, const struct node_file *f, struct fuse_file_info *fi)
{
	fi->direct_io = v->strict;
	fi->keep_cache = !v->strict;
	fi->noflush = !f->writes;
	fi->fh = (uintptr_t)f;
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	bool cuts = fi->flags & O_TRUNC;
	struct node_file *f;
	int r;

	if (!fs_begin(req, ino, cuts ? CHANGE : LOOK, &h))
		return;
	f = calloc(1, sizeof(*f));
	r = f ? node_open(&h, fi->flags, f) : -ENOMEM;
	if (r < 0) {
		free(f);
		reply(req, r);
		return;
	}
	if (cuts)
		node_cut_pages(h.n, 0);
	set_caching(view_of(req), f, fi);
	if (fuse_reply_open(req, fi) < 0) {
		node_close(h.t, f);
		free(f);
	}
}

/* Makes and opens; the kernel's count of the new node is up by one on success. */
static int create(const struct node_hold *dir, const char *name, int flags, mode_t mode,
		  struct node_entry *e, struct node_file *f)
{
	struct store_file file;
	int r = store_create(dir->fd, name, flags, mode, &file);

	if (r < 0)
		return r;
	r = node_lookup(dir, name, e);
	if (r < 0) {
		store_close(&file);
		return r;
	}
	node_opened(dir->t, e->id, flags, file, f);
	return 0;
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	autohold struct node_hold dir = NODE_HOLD_NONE;
	struct fuse_entry_param param;
	struct node_entry e;
	struct node_file *f;
	int r;

	if (!fs_begin(req, parent, CHANGE, &dir))
		return;
	f = calloc(1, sizeof(*f));
	r = f ? create(&dir, name, fi->flags, mode, &e, f) : -ENOMEM;
	if (r < 0) {
		free(f);
		reply(req, r);
		return;
	}
	set_caching(view_of(req), f, fi);
	param = fs_entry(&e);
	if (fuse_reply_create(req, &param, fi) < 0) {
		node_close(dir.t, f);
		node_forget(dir.t, e.id, 1);
		free(f);
	}
}

/* A close may free the blocks of a file that has no name any more, which is a change. It is
 * answered before: for the kernel it takes the place of a read until it is. */
struct closing {
	struct fs_later later;
	struct node_file *file;
	struct dir *dir;
};

static void close_now(struct view *v, struct fs_later *later)
{
	struct closing *c = (struct closing *)((char *)later - offsetof(struct closing, later));
	struct stat st;

	if (c->file && !c->file->share && fstat(c->file->file.fd, &st) == 0 && !st.st_nlink)
		view_changed(v);
	if (c->file)
		node_close(v->nodes, c->file);
	if (c->dir)
		dir_close(c->dir);
	free(c->file);
	free(c);
}

static void close_later(fuse_req_t req, struct node_file *file, struct dir *dir)
{
	struct view *v = view_of(req);
	struct closing *c = malloc(sizeof(*c));

	reply(req, 0);
	while (!c) {
		usleep(10000);
		c = malloc(sizeof(*c));
	}
	*c = (struct closing){ .later.run = close_now, .file = file, .dir = dir };
	fs_pass_gate(v, &c->later);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	close_later(req, file_of(fi), NULL);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi)
{
	struct view *v = view_of(req);
	const struct node_file *f = file_of(fi);
	const char *data = NULL;
	ssize_t n;

	/* Before the phase is looked at: who locks sets the phase and then looks for pages, so one
	 * of the two sees the other. */
	if (!v->strict)
		node_saw_pages(f->n, (uint64_t)at + size);
	n = view_still(v, VIEW_OPEN);
	if (n == 0) {
		view_used(v);
		node_io_rdlock(v->nodes, f->n);
		n = store_read(&f->file, size, at, &data);
		node_io_unlock(v->nodes, f->n);
	}
	if (n < 0)
		reply(req, (int)n);
	else
		fuse_reply_buf(req, data, n);
	store_wipe();
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t at,
	      struct fuse_file_info *fi)
{
	struct view *v = view_of(req);
	const struct node_file *f = file_of(fi);
	int r;

	if (!v->strict)
		node_saw_pages(f->n, (uint64_t)at + size);
	r = view_still(v, fi->writepage ? VIEW_CLOSING : VIEW_OPEN);
	if (r == 0) {
		if (!fi->writepage)
			view_used(v);
		view_changed(v);
		node_io_wrlock(v->nodes, f->n);
		r = store_write(&f->file, data, size, at);
		node_io_unlock(v->nodes, f->n);
	}
	if (r == 0 && f->sync && !v->fsync_saves && fdatasync(f->file.fd) < 0)
		r = -errno;
	/* libfuse's own buffer, and nobody reads it again. */
	secret_wipe((char *)data, size);
	store_wipe();
	if (r < 0)
		reply(req, r);
	else if (f->sync && v->fsync_saves)
		fs_wait_durable(req, size);
	else
		fuse_reply_write(req, size);
}

void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	reply(req, view_still(view_of(req), VIEW_CLOSING));
}

/* Our own thread, which brings home what is left in caches for the lock, waits for the store only.
 */
static bool waits_for_save(fuse_req_t req)
{
	struct view *v = view_of(req);

	return v->fsync_saves && fuse_req_ctx(req)->pid != atomic_load(&v->self);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	int fd = file_of(fi)->file.fd;
	int r = view_still(view_of(req), VIEW_CLOSING);

	if (r == 0 && waits_for_save(req)) {
		fs_wait_durable(req, 0); /* every save syncs the store first */
		return;
	}
	if (r == 0 && (datasync ? fdatasync(fd) : fsync(fd)) < 0)
		r = -errno;
	reply(req, r);
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t at, off_t size,
		  struct fuse_file_info *fi)
{
	struct view *v = view_of(req);
	const struct node_file *f = file_of(fi);
	int r = view_still(v, VIEW_OPEN);

	if (r == 0) {
		view_used(v);
		view_changed(v);
		node_io_wrlock(v->nodes, f->n);
		r = fallocate(f->file.fd, mode, at, size) < 0 ? -errno : 0;
		node_io_unlock(v->nodes, f->n);
	}
	reply(req, r);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t at, int whence, struct fuse_file_info *fi)
{
	off_t found = view_still(view_of(req), VIEW_OPEN);

	if (found == 0) {
		found = lseek(file_of(fi)->file.fd, at, whence);
		if (found < 0)
			found = -errno;
	}
	if (found < 0)
		reply(req, (int)found);
	else
		fuse_reply_lseek(req, found);
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	bool strict = view_of(req)->strict;
	struct dir *dir;
	int r;

	if (!fs_begin(req, ino, LOOK, &h))
		return;
	r = dir_open(h.fd, &dir);
	if (r < 0) {
		reply(req, r);
		return;
	}
	fi->fh = (uintptr_t)dir;
	fi->cache_readdir = !strict;
	fi->keep_cache = !strict;
	if (fuse_reply_open(req, fi) < 0)
		dir_close(dir);
}

static struct dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct dir *)(uintptr_t)fi->fh; // NOLINT(performance-no-int-to-ptr)
}

/* One entry into the reply. Returns its size there, larger than @room when it does not fit. */
static size_t put_entry(void *req, char *at, size_t room, const char *name, const struct stat *st,
			off_t next)
{
	return fuse_add_direntry(req, at, room, name, st, next);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi)
{
	autofree char *buf = malloc(size);
	ssize_t n = view_still(view_of(req), VIEW_OPEN);

	if (n == 0)
		n = buf ? dir_read(dir_of(fi), at, buf, size, put_entry, req) : -ENOMEM;
	if (n < 0) {
		reply(req, (int)n);
		return;
	}
	fuse_reply_buf(req, buf, n);
	secret_wipe(buf, n);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	close_later(req, NULL, dir_of(fi));
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	int r = view_still(view_of(req), VIEW_CLOSING);

	if (r == 0 && waits_for_save(req))
		fs_wait_durable(req, 0);
	else
		reply(req, r < 0 ? r : dir_sync(dir_of(fi)));
}
