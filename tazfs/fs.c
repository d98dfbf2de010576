/*
 * The operations. Each that names a file begins with fs_begin(), which asks for permission and
 * reaches the file; what is left is the one call and the reply. Requests on open files were decided
 * when the file was opened.
 */
#include "tazfs/fs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/secret.h"

#define ATTR_SEC 86400.0 /* we are the only writer: attributes stay true until we change them */

/* The view keeps what is its own in one folder of the store, which nobody sees. */
static bool is_ours(const struct node *dir, const char *name)
{
	return name && node_id(dir) == NODE_ROOT && !strcmp(name, VIEW_OWN_DIR);
}

int fs_permit(fuse_req_t req, fuse_ino_t ino, const char *name, unsigned may, struct node_hold *h)
{
	struct view *v = view_of(req);
	struct judge_request want = { .node = node_get(v->nodes, ino), .name = name, .may = may };
	bool ours = want.node && is_ours(want.node, name);
	int r;

	/* Nobody gets it, whatever a person would say. */
	want.parks = !ours;
	r = want.node ? view_permit(v, fuse_req_ctx(req)->pid, &want) : -ESTALE;
	if (r == 0 && ours)
		r = may & MAY_CREATE ? -EACCES : -ENOENT;
	if (r == 0 && may & (MAY_CREATE | MAY_DELETE))
		view_changed(v);
	return r == 0 ? node_hold(v->nodes, want.node, h) : r;
}

bool fs_begin_at(fuse_req_t req, fuse_ino_t parent, const char *name, unsigned may,
		 struct node_hold *dir)
{
	int r = fs_permit(req, parent, name, may, dir);

	if (r < 0)
		reply(req, r);
	return r == 0;
}

bool fs_begin(fuse_req_t req, fuse_ino_t ino, unsigned may, struct node_hold *h)
{
	return fs_begin_at(req, ino, NULL, may, h);
}

/* A look at the root is not followed by a lookup, so its attributes are never cached. */
double fs_attr_sec(fuse_ino_t ino)
{
	return ino == NODE_ROOT ? 0.0 : ATTR_SEC;
}

static int get_attr(const struct node_hold *h, struct stat *st)
{
	int r;

	node_io_rdlock(h->t, h->n);
	r = fstatat(h->fd, "", st, AT_EMPTY_PATH) < 0 ? -errno : 0;
	node_io_unlock(h->t, h->n);
	return r;
}

struct fuse_entry_param fs_entry(const struct node_entry *e)
{
	return (struct fuse_entry_param){ .ino = e->id,
					  .generation = e->generation,
					  .attr = e->st,
					  .attr_timeout = fs_attr_sec(e->id) };
}

void fs_reply_entry(fuse_req_t req, const struct node_hold *dir, const char *name, int r)
{
	struct fuse_entry_param param;
	struct node_entry e = { 0 };

	if (r == 0)
		r = node_lookup(dir, name, &e);
	if (r < 0) {
		reply(req, r);
		return;
	}
	param = fs_entry(&e);
	if (fuse_reply_entry(req, &param) < 0)
		node_forget(dir->t, e.id, 1);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	/* We are the only writer, so the kernel need not suspect a change when it sees a new time;
	 * and dropping pages without wiping them is what we must not do. */
	conn->want &= ~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS |
				  FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ |
				  FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
				  FUSE_CAP_WRITEBACK_CACHE);
	conn->want |= conn->capable & FUSE_CAP_EXPLICIT_INVAL_DATA;
	conn->max_write = STORE_IO_MAX;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	autohold struct node_hold dir = NODE_HOLD_NONE;

	if (fs_begin_at(req, parent, name, LOOK, &dir))
		fs_reply_entry(req, &dir, name, 0);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	node_forget(view_of(req)->nodes, ino, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		node_forget(view_of(req)->nodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	struct stat st;
	int r;

	if (!fs_begin(req, ino, LOOK, &h))
		return;
	r = get_attr(&h, &st);
	if (r < 0)
		reply(req, r);
	else
		fuse_reply_attr(req, &st, fs_attr_sec(ino));
}

int fs_cut(fuse_req_t req, const struct node_hold *h, const struct node_file *f, off_t size,
	   struct fs_drop *ret)
{
	struct stat st;
	int r;

	node_io_wrlock(h->t, h->n);
	r = fstatat(h->fd, "", &st, AT_EMPTY_PATH) < 0 ? -errno : 0;
	if (r == 0)
		r = store_truncate(h->fd, f ? &f->file : NULL, size, fs_tails(view_of(req), h->n));
	node_keep(h->t, h->n);
	node_io_unlock(h->t, h->n);
	if (r < 0)
		return r;
	*ret = (struct fs_drop){ .ino = node_id(h->n),
				 .from = ((uint64_t)size + STORE_ALIGN - 1) & ~(STORE_ALIGN - 1),
				 .to = node_cached(h->n) };
	/* Zeros behind the old end would make the file longer for the kernel. */
	if (ret->to > (uint64_t)st.st_size)
		ret->to = (uint64_t)st.st_size;
	return 0;
}

static int set_owner(const struct node_hold *h, const struct stat *attr, int what)
{
	uid_t uid = what & FUSE_SET_ATTR_UID ? attr->st_uid : (uid_t)-1;
	gid_t gid = what & FUSE_SET_ATTR_GID ? attr->st_gid : (gid_t)-1;

	return fchownat(h->fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static struct timespec set_time(struct timespec t, int given, int now)
{
	if (now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	return given ? t : (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static int set_times(const struct node_hold *h, const struct stat *attr, int what)
{
	struct timespec ts[2] = {
		set_time(attr->st_atim, what & FUSE_SET_ATTR_ATIME, what & FUSE_SET_ATTR_ATIME_NOW),
		set_time(attr->st_mtim, what & FUSE_SET_ATTR_MTIME, what & FUSE_SET_ATTR_MTIME_NOW),
	};

	return utimensat(h->fd, "", ts, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int what,
		       struct fuse_file_info *fi)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	const struct node_file *f = fi && file_of(fi)->writes ? file_of(fi) : NULL;
	struct fs_drop drop = { .ino = ino };
	struct stat st;
	int r = 0;

	if (!fs_begin(req, ino, MAY_WRITE, &h))
		return;
	view_changed(view_of(req));
	if (what & FUSE_SET_ATTR_MODE)
		r = store_chmod(h.fd, attr->st_mode & 07777);
	if (r == 0 && what & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		r = set_owner(&h, attr, what);
	if (what & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		node_unshare(h.t, h.n);
	if (r == 0 && what & FUSE_SET_ATTR_SIZE)
		r = fs_cut(req, &h, f, attr->st_size, &drop);
	if (r == 0 && what & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |
			      FUSE_SET_ATTR_MTIME_NOW))
		r = set_times(&h, attr, what);
	if (r == 0)
		r = get_attr(&h, &st);
	if (r < 0) {
		reply(req, r);
		return;
	}
	/* The kernel holds the inode's lock: nobody writes there until it is answered. */
	drop.forget = true;
	fs_drop_attr(req, &drop, &st);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	char target[4096 + 1];
	ssize_t n;

	if (!fs_begin(req, ino, LOOK, &h))
		return;
	n = readlinkat(h.fd, "", target, sizeof(target) - 1);
	if (n < 0) {
		reply(req, -errno);
		return;
	}
	target[n] = '\0';
	fuse_reply_readlink(req, target);
	secret_wipe(target, n);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	struct statvfs st;

	if (!fs_begin(req, ino, LOOK, &h))
		return;
	if (fstatvfs(h.fd, &st) < 0)
		reply(req, -errno);
	else
		fuse_reply_statfs(req, &st);
}

static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	autohold struct node_hold h = NODE_HOLD_NONE;

	if (fs_begin(req, ino, LOOK, &h))
		reply(req, store_access(h.fd, mask));
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	autohold struct node_hold h = NODE_HOLD_NONE;

	if (!fs_begin(req, ino, MAY_WRITE, &h))
		return;
	view_changed(view_of(req));
	reply(req, store_setxattr(h.fd, name, value, size, flags));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	autohold struct node_hold h = NODE_HOLD_NONE;

	if (!fs_begin(req, ino, MAY_WRITE, &h))
		return;
	view_changed(view_of(req));
	reply(req, store_removexattr(h.fd, name));
}

/* A value, a list, or (@size 0) how long it would be. */
static void reply_xattr(fuse_req_t req, char *value, size_t size, ssize_t n)
{
	if (n < 0)
		reply(req, (int)n);
	else if (!size)
		fuse_reply_xattr(req, n);
	else
		fuse_reply_buf(req, value, n);
	if (value && n > 0)
		secret_wipe(value, size);
}

/* The kernel asks for those by itself, and ls(1) does for its columns. */
static unsigned may_for_xattr(const char *name)
{
	return strncmp(name, "security.", 9) && strncmp(name, "system.", 7) ? MAY_READ : LOOK;
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	autofree char *value = size ? malloc(size) : NULL;

	if (fs_begin(req, ino, may_for_xattr(name), &h))
		reply_xattr(req, value, size,
			    size && !value ? -ENOMEM : store_getxattr(h.fd, name, value, size));
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	autohold struct node_hold h = NODE_HOLD_NONE;
	autofree char *list = size ? malloc(size) : NULL;

	if (fs_begin(req, ino, LOOK, &h))
		reply_xattr(req, list, size,
			    size && !list ? -ENOMEM : store_listxattr(h.fd, list, size));
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.open = op_open,
	.create = op_create,
	.release = op_release,
	.read = op_read,
	.write = op_write,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.access = op_access,
	.ioctl = op_ioctl,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
};
