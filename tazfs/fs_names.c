/* The operations that make names, take them away and move them. */
#include "tazfs/fs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int give(fuse_req_t req, const struct node_hold *dir, const char *name, mode_t mode)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct stat st;

	if (fstat(dir->fd, &st) < 0 ||
	    fchownat(dir->fd, name, ctx->uid, st.st_mode & S_ISGID ? (gid_t)-1 : ctx->gid,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* A change of the owner takes these away. */
	if (mode & (S_ISUID | S_ISGID) && fchmodat(dir->fd, name, mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

int fs_give(fuse_req_t req, const struct node_hold *dir, const char *name, mode_t mode)
{
	int r = view_of(req)->transparent ? give(req, dir, name, mode) : 0;

	if (r < 0)
		unlinkat(dir->fd, name, S_ISDIR(mode) ? AT_REMOVEDIR : 0);
	return r;
}

static bool can_be_made(const struct view *v, mode_t mode)
{
	/* The kernel has asked for CAP_MKNOD, and the mount makes nothing of a device. */
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return v->transparent;
	return S_ISREG(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	autohold struct node_hold dir = NODE_HOLD_NONE;
	int r = 0;

	if (!fs_begin_at(req, parent, name, MAY_CREATE, &dir))
		return;
	if (!can_be_made(view_of(req), mode))
		r = -EPERM;
	else if (mknodat(dir.fd, name, mode, rdev) < 0)
		r = -errno;
	else
		r = fs_give(req, &dir, name, mode);
	fs_reply_entry(req, &dir, name, r);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	autohold struct node_hold dir = NODE_HOLD_NONE;
	int r;

	if (!fs_begin_at(req, parent, name, MAY_CREATE, &dir))
		return;
	r = mkdirat(dir.fd, name, mode) < 0 ? -errno : fs_give(req, &dir, name, mode | S_IFDIR);
	fs_reply_entry(req, &dir, name, r);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	autohold struct node_hold dir = NODE_HOLD_NONE;
	int r;

	if (!fs_begin_at(req, parent, name, MAY_CREATE, &dir))
		return;
	r = symlinkat(target, dir.fd, name) < 0 ? -errno : fs_give(req, &dir, name, S_IFLNK);
	fs_reply_entry(req, &dir, name, r);
}

/* A second name is as good as the first, whatever the rules say of it: so it takes all of the file.
 */
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *name)
{
	autohold struct node_hold h = NODE_HOLD_NONE, dir = NODE_HOLD_NONE;
	int r;

	if (!fs_begin(req, ino, MAY_READ | MAY_WRITE, &h))
		return;
	r = fs_permit(req, new_parent, name, MAY_CREATE, &dir);
	if (r < 0)
		reply(req, r);
	else
		fs_reply_entry(req, &dir, name, store_link(h.fd, dir.fd, name));
}

/* The kernel drops what it has of a file whose last name went away, unless it is still open. */
static void reply_gone(fuse_req_t req, int r, const struct node_gone *gone)
{
	struct fs_drop drop = { .ino = gone->id, .to = gone->cached, .unless_used = true };

	if (r < 0)
		reply(req, r);
	else
		fs_drop_done(req, &drop);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	autohold struct node_hold dir = NODE_HOLD_NONE;
	struct node_gone gone = { 0 };
	int r;

	if (!fs_begin_at(req, parent, name, MAY_DELETE, &dir))
		return;
	r = node_unlink(&dir, name, 0, &gone);
	reply_gone(req, r, &gone);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	autohold struct node_hold dir = NODE_HOLD_NONE;

	if (fs_begin_at(req, parent, name, MAY_DELETE, &dir))
		reply(req, node_unlink(&dir, name, AT_REMOVEDIR, NULL));
}

/* One end of a rename: a name in a directory, and whether it is a directory's. */
struct end {
	struct node_hold dir;
	const char *name;
	bool is_dir;
};

static int permit_end(fuse_req_t req, const struct end *e, unsigned may)
{
	const struct judge_request want = { .node = e->dir.n, .name = e->name, .may = may };

	return view_permit(view_of(req), fuse_req_ctx(req)->pid, &want);
}

static int permit_tree(fuse_req_t req, const struct end *e)
{
	return view_permit_tree(view_of(req), fuse_req_ctx(req)->pid, e->dir.n, e->name);
}

/* Under another name other rules hold: so it takes all of a file to move it, and of a directory all
 * of what it may have below it. */
static int begin_leaving(fuse_req_t req, fuse_ino_t parent, struct end *e)
{
	int r = fs_permit(req, parent, e->name, MAY_READ | MAY_WRITE | MAY_DELETE, &e->dir);
	struct stat st;

	if (r == 0 && fstatat(e->dir.fd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	e->is_dir = r == 0 && S_ISDIR(st.st_mode);
	return e->is_dir ? permit_tree(req, e) : r;
}

/* What arrives is created there; and with a directory, whatever it has below it. */
static int permit_arrival(fuse_req_t req, const struct end *at, bool is_dir)
{
	int r = permit_end(req, at, MAY_CREATE);

	return r == 0 && is_dir ? permit_tree(req, at) : r;
}

static int begin_exchange(fuse_req_t req, const struct end *from, fuse_ino_t new_parent,
			  struct end *to)
{
	int r = begin_leaving(req, new_parent, to);

	if (r == 0)
		r = permit_arrival(req, from, to->is_dir);
	return r == 0 ? permit_arrival(req, to, from->is_dir) : r;
}

/* The kernel has both directories locked: what is there now is what will be replaced. */
static int begin_arrival(fuse_req_t req, const struct end *from, fuse_ino_t new_parent,
			 struct end *to)
{
	int r = fs_permit(req, new_parent, to->name, MAY_CREATE, &to->dir);

	if (r == 0 && from->is_dir)
		r = permit_tree(req, to);
	if (r == 0 && faccessat(to->dir.fd, to->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = permit_end(req, to, MAY_DELETE);
	return r;
}

static int rename_ends(fuse_req_t req, fuse_ino_t parent, struct end *from, fuse_ino_t new_parent,
		       struct end *to, unsigned flags, struct node_gone *gone)
{
	int r;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	r = begin_leaving(req, parent, from);
	if (r == 0)
		r = flags & RENAME_EXCHANGE ? begin_exchange(req, from, new_parent, to)
					    : begin_arrival(req, from, new_parent, to);
	return r == 0 ? node_rename(&from->dir, from->name, &to->dir, to->name, flags, gone) : r;
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	       const char *new_name, unsigned flags)
{
	struct end from = { .dir = NODE_HOLD_NONE, .name = name };
	struct end to = { .dir = NODE_HOLD_NONE, .name = new_name };
	struct node_gone gone = { 0 };

	reply_gone(req, rename_ends(req, parent, &from, new_parent, &to, flags, &gone), &gone);
	node_hold_done(&from.dir);
	node_hold_done(&to.dir);
}
