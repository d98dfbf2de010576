/*
 * The operations on open files and directories: they were decided when they were opened. With
 * "recheck-always" each read and write is decided again, by who makes it: then the kernel may keep
 * no pages, which it gives to whoever has the descriptor without asking us (direct I/O). A file
 * that was opened before the policy said so is neither read nor written any more: its pages were
 * dropped when it came into force (view_policy_set()), and what goes through it would be kept
 * again.
 */
#include "tazfs/fs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/secret.h"
#include "tazfs/dir.h"

/* What the kernel may keep. FOPEN_NOFLUSH only for readers: a writer's close brings home what it
 * wrote through a map. There is no op_flush() at all: the kernel learns with the first close that
 * we have nothing to do then, and asks no more. Source: fs/fuse/file.c, fuse_flush(). */
static void set_caching(struct view *v, struct node_file *f, struct fuse_file_info *fi)
{
	f->direct = v->strict || judge_rechecks(&v->judge);
	fi->direct_io = f->direct;
	fi->keep_cache = 1;
	fi->noflush = !f->writes;
	fi->fh = (uintptr_t)f;
}

void fs_reply_open(fuse_req_t req, struct fuse_file_info *fi)
{
	struct nodes *t = view_of(req)->nodes;
	struct node_file *f = file_of(fi);

	if (fuse_reply_open(req, fi) == 0)
		return;
	node_close(t, f);
	free(f);
}

/*
 * With --allow-other it is root that changes the store, who takes nothing away. The kernel sees to
 * it for other changes, but neither for a truncation by open(2) nor for direct I/O. Source:
 * setattr_should_drop_suidgid() in fs/attr.c, FUSE_WRITE_KILL_SUIDGID.
 */
static int drop_set_ids(fuse_req_t req, int fd)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	mode_t drop = S_ISUID;
	struct stat st;

	if (!view_of(req)->transparent || !ctx->uid)
		return 0;
	if (fstatat(fd, "", &st, AT_EMPTY_PATH) < 0)
		return -errno;
	if (st.st_mode & S_IXGRP || st.st_gid != ctx->gid)
		drop |= S_ISGID;
	return st.st_mode & drop ? store_chmod(fd, st.st_mode & 07777 & ~drop) : 0;
}

static int open_file(fuse_req_t req, const struct node_hold *h, int flags, struct node_file *f,
		     struct fs_drop *drop)
{
	int r = node_open(h, flags & ~O_TRUNC, f);

	if (r < 0)
		return r;
	if (flags & O_TRUNC) {
		view_changed(view_of(req));
		r = fs_cut(req, h, f->writes ? f : NULL, 0, drop);
		if (r == 0)
			r = drop_set_ids(req, h->fd);
	}
	if (r < 0)
		node_close(h->t, f);
	return r;
}

/* With direct I/O a new private map makes the kernel drop what earlier ones have read. */
static struct fs_drop drop_private(const struct node_hold *h)
{
	struct fs_drop drop = { .ino = node_id(h->n),
				.to = node_cached(h->n),
				.forget = true,
				.unless_used = true,
				.users = 1 };
	struct stat st;

	if (fstatat(h->fd, "", &st, AT_EMPTY_PATH) < 0)
		drop.to = 0;
	else if (drop.to > (uint64_t)st.st_size)
		drop.to = (uint64_t)st.st_size;
	return drop;
}

/* Source: the kernel's FMODE_EXEC comes along with the flags of an execve(2). */
#define OPEN_EXEC 040

static unsigned may_for_open(int flags)
{
	unsigned may = 0;

	if (flags & OPEN_EXEC)
		return MAY_EXECUTE;
	if ((flags & O_ACCMODE) != O_WRONLY)
		may |= MAY_READ;
	if ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC)
		may |= MAY_WRITE;
	return may;
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	struct view *v = view_of(req);
	struct fs_drop drop = { .ino = ino };
	struct node_file *f;
	int r;

	if (!fs_begin(req, ino, may_for_open(fi->flags), &h))
		return;
	f = calloc(1, sizeof(*f));
	r = f ? open_file(req, &h, fi->flags, f, &drop) : -ENOMEM;
	if (r < 0) {
		free(f);
		reply(req, r);
		return;
	}
	f->executes = fi->flags & OPEN_EXEC;
	set_caching(v, f, fi);
	/* Of a file that was cut all pages go anyway. */
	if (f->direct && !(fi->flags & O_TRUNC))
		drop = drop_private(&h);
	fs_drop_open(req, &drop, fi);
}

/* Makes and opens; the kernel's count of the new node is up by one on success. */
static int create(fuse_req_t req, const struct node_hold *dir, const char *name, int flags,
		  mode_t mode, struct node_entry *e, struct node_file *f)
{
	struct store_file file;
	/* What is there has been made behind the kernel's back: its pages are cut by op_open()
	 * only. */
	int r = store_create(dir->fd, name, flags, mode, &file);

	if (r < 0)
		return r;
	r = fs_give(req, dir, name, mode);
	if (r == 0)
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

	if (!fs_begin_at(req, parent, name, MAY_CREATE | may_for_open(fi->flags), &dir))
		return;
	f = calloc(1, sizeof(*f));
	r = f ? create(req, &dir, name, fi->flags, mode, &e, f) : -ENOMEM;
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

/* With direct I/O only a private map's pages are read for the page cache: what read(2) asks for is
 * asked in the name of an owner. Source: fs/fuse/file.c, fuse_send_read() and fuse_do_readpage().
 */
static bool fills_page(const struct node_file *f, const struct fuse_file_info *fi)
{
	return !f->direct || !fi->lock_owner;
}

/* The one that asks may be another one than the one that opened it, and the policy another, too. */
static int permit_again(fuse_req_t req, const struct node_file *f, unsigned may)
{
	struct view *v = view_of(req);
	pid_t tid = fuse_req_ctx(req)->pid;

	if (!judge_rechecks(&v->judge))
		return 0;
	if (!f->direct && atomic_load(&v->judge.reopens))
		return -EACCES;
	return view_permit_again(v, tid, f->n, may);
}

static int permit_read(fuse_req_t req, const struct node_file *f)
{
	return permit_again(req, f, f->executes ? MAY_EXECUTE : MAY_READ);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi)
{
	struct view *v = view_of(req);
	const struct node_file *f = file_of(fi);
	const char *data = NULL;
	ssize_t n;

	/* Before the phase is looked at: who locks sets the phase and then looks for pages, so one
	 * of the two sees the other. */
	if (fills_page(f, fi))
		node_saw_pages(f->n, (uint64_t)at + size);
	n = view_still(v, VIEW_OPEN);
	if (n == 0)
		n = permit_read(req, f);
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

	if (!f->direct)
		node_saw_pages(f->n, (uint64_t)at + size);
	r = view_still(v, fi->writepage ? VIEW_CLOSING : VIEW_OPEN);
	/* What was changed through a map has been decided when it was mapped, and nobody asks now.
	 */
	if (r == 0 && !fi->writepage)
		r = permit_again(req, f, MAY_WRITE);
	if (r == 0) {
		if (!fi->writepage)
			view_used(v);
		view_changed(v);
		node_io_wrlock(v->nodes, f->n);
		r = store_write(&f->file, data, size, at, fs_tails(v, f->n));
		node_keep(v->nodes, f->n);
		node_io_unlock(v->nodes, f->n);
	}
	if (r == 0 && f->direct)
		r = drop_set_ids(req, f->file.fd);
	if (r == 0 && f->sync && !v->fsync_saves && fdatasync(f->file.fd) < 0)
		r = -errno;
	store_wipe();
	if (r < 0)
		reply(req, r);
	else if (f->sync && v->fsync_saves)
		fs_wait_durable(req, size);
	else
		fuse_reply_write(req, size);
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
	struct view *v = view_of(req);
	int fd = file_of(fi)->file.fd;
	int r = view_still(v, VIEW_CLOSING);
	/* At the lock we only bring home what is in maps: the store is synced at the end of it. */
	bool ours = fuse_req_ctx(req)->pid == atomic_load(&v->self);

	if (r == 0 && waits_for_save(req)) {
		fs_wait_durable(req, 0); /* every save syncs the store first */
		return;
	}
	if (r == 0 && !ours && (datasync ? fdatasync(fd) : fsync(fd)) < 0)
		r = -errno;
	reply(req, r);
}

/* The cached bytes that are zeros now. Not behind the end: the kernel would take what is stored
 * there for a longer file. It lets nobody else change the size meanwhile. */
static struct fs_drop zeroed(const struct node_file *f, int mode, off_t at, off_t size)
{
	struct fs_drop drop = { .ino = node_id(f->n), .from = (uint64_t)at };
	uint64_t end = (uint64_t)at + (uint64_t)size, cached = node_cached(f->n);
	struct stat st;

	if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) || fstat(f->file.fd, &st) < 0)
		return drop;
	drop.to = cached < end ? cached : end;
	if (drop.to > (uint64_t)st.st_size)
		drop.to = (uint64_t)st.st_size;
	return drop;
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t at, off_t size,
		  struct fuse_file_info *fi)
{
	struct view *v = view_of(req);
	const struct node_file *f = file_of(fi);
	struct fs_drop drop = { .ino = ino };
	int r = view_still(v, VIEW_OPEN);

	if (r == 0)
		r = permit_again(req, f, MAY_WRITE);
	if (r == 0) {
		view_used(v);
		view_changed(v);
		node_io_wrlock(v->nodes, f->n);
		r = store_fallocate(&f->file, mode, at, size, fs_tails(v, f->n));
		node_keep(v->nodes, f->n);
		drop = zeroed(f, mode, at, size);
		node_io_unlock(v->nodes, f->n);
	}
	if (r < 0)
		reply(req, r);
	else
		fs_drop_done(req, &drop);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t at, int whence, struct fuse_file_info *fi)
{
	off_t found = view_still(view_of(req), VIEW_OPEN);

	if (found == 0)
		found = permit_read(req, file_of(fi));
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

/* The root is also where the view itself is asked (control.h): whether it may be listed is decided
 * when it is read. */
static unsigned may_for_opendir(fuse_ino_t ino)
{
	return ino == NODE_ROOT ? LOOK : MAY_LIST;
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	struct view *v = view_of(req);
	struct dir *dir;
	int r;

	if (!fs_begin(req, ino, may_for_opendir(ino), &h))
		return;
	r = dir_open(h.fd, &dir);
	if (r < 0) {
		reply(req, r);
		return;
	}
	fi->fh = (uintptr_t)dir;
	/* What the kernel keeps it shows to everybody. */
	fi->cache_readdir = !v->strict && judge_is_even(&v->judge);
	fi->keep_cache = fi->cache_readdir;
	if (fuse_reply_open(req, fi) < 0)
		dir_close(dir);
}

static struct dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct dir *)(uintptr_t)fi->fh; // NOLINT(performance-no-int-to-ptr)
}

struct listing {
	fuse_req_t req;
	bool root;
	struct judge_listing names;
};

/* One entry into the reply. Returns its size there, larger than @room when it does not fit. */
static size_t put_entry(void *arg, char *at, size_t room, const char *name, const struct stat *st,
			off_t next)
{
	struct listing *l = arg;

	if ((l->root && !strcmp(name, VIEW_OWN_DIR)) || !judge_lists(&l->names, name))
		return 0;
	return fuse_add_direntry(l->req, at, room, name, st, next);
}

/* Decided again: the descriptor may be another one's by now, who sees other names. */
static ssize_t read_names(fuse_req_t req, fuse_ino_t ino, struct dir *dir, off_t at, char *buf,
			  size_t size)
{
	struct listing l = { .req = req, .root = ino == NODE_ROOT };
	struct view *v = view_of(req);
	struct node *n = node_get(v->nodes, ino);
	ssize_t done = n ? view_list(v, fuse_req_ctx(req)->pid, n, &l.names) : -ESTALE;

	if (done < 0)
		return done;
	done = dir_read(dir, at, buf, size, put_entry, &l);
	judge_list_end(&l.names);
	return done;
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at, struct fuse_file_info *fi)
{
	autofree char *buf = malloc(size);
	ssize_t n = buf ? read_names(req, ino, dir_of(fi), at, buf, size) : -ENOMEM;

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
