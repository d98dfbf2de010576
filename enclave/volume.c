#include "enclave/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/run.h"

#define MKE2FS "/usr/sbin/mke2fs"

/* A parameter of a file system context; value NULL sets a flag. */
struct param {
	const char *key, *value;
};

/* What the kernel has to say about a refused parameter can be read from the context itself. */
static void say_kernel_log(int ctx)
{
	char text[256];
	ssize_t n;

	while ((n = read(ctx, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		log_warn("kernel: %s", text);
	}
}

static int set(int ctx, const struct param *p)
{
	int r = p->value ? fsconfig(ctx, FSCONFIG_SET_STRING, p->key, p->value, 0)
			 : fsconfig(ctx, FSCONFIG_SET_FLAG, p->key, NULL, 0);

	return r < 0 ? -errno : 0;
}

static int set_all(int ctx, const struct param *params)
{
	for (; params->key; params++) {
		int r = set(ctx, params);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Creates the superblock and mounts it nowhere. */
static int create(int ctx, unsigned attrs)
{
	int fd;

	if (fsconfig(ctx, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		int r = -errno;

		say_kernel_log(ctx);
		return r;
	}
	fd = fsmount(ctx, FSMOUNT_CLOEXEC, attrs);
	return fd < 0 ? -errno : fd;
}

/* fsmount() gives an O_PATH-like descriptor; the work below needs one that can be synced and read.
 */
static int open_root(int mount_fd)
{
	int fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int volume_ram(uint64_t bytes, bool *ret_noswap)
{
	autoclose int ctx = fsopen("tmpfs", FSOPEN_CLOEXEC);
	autoclose int mnt = -EBADF;
	char size[32];
	int r;

	if (ctx < 0)
		return -errno;
	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	r = set_all(ctx,
		    (struct param[]){
			    { "source", "taz" }, { "size", size }, { "mode", "0700" }, { 0 } });
	if (r < 0)
		return r;
	*ret_noswap = set(ctx, &(struct param){ "noswap", NULL }) == 0;
	/* Device nodes are wanted here: loop.c and dm.c open theirs in this tree and nowhere else.
	 */
	mnt = create(ctx, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	return mnt < 0 ? mnt : open_root(mnt);
}

int volume_ext4(int dev_fd)
{
	autoclose int ctx = fsopen("ext4", FSOPEN_CLOEXEC);
	autoclose int mnt = -EBADF;
	char source[40];
	int r;

	if (ctx < 0)
		return -errno;
	/* By descriptor: the node's name is gone, and no name can be put in its place. */
	snprintf(source, sizeof(source), "/proc/self/fd/%d", dev_fd);
	r = set_all(ctx, (struct param[]){ { "source", source },
					   { "discard", NULL },
					   { "noinit_itable", NULL },
					   /* Below lies RAM: a flush has nothing to flush, and
					    * each costs two switches to a kernel thread. */
					   { "nobarrier", NULL },
					   { "errors", "remount-ro" },
					   { 0 } });
	if (r < 0)
		return r;
	mnt = create(ctx, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
	return mnt < 0 ? mnt : open_root(mnt);
}

static int own_root(int dev_fd, uid_t uid, gid_t gid)
{
	autoclose int root = volume_ext4(dev_fd);

	if (root < 0)
		return root;
	/* mke2fs's lost+found would belong to root and show in the view; e2fsck makes one anew. */
	if (unlinkat(root, "lost+found", AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	if (fchown(root, uid, gid) < 0 || fchmod(root, 0700) < 0)
		return -errno;
	return 0;
}

int volume_mkfs(int dev_fd, uid_t uid, gid_t gid)
{
	/* A small journal, nothing reserved, nothing written before it is needed: every block that
	 * mke2fs zeroes becomes a block of ciphertext in RAM and in the sealed file. */
	char *const argv[] = { "mke2fs",
			       "-q",
			       "-F",
			       "-t",
			       "ext4",
			       "-b",
			       "4096",
			       "-m",
			       "0",
			       "-J",
			       "size=4",
			       "-E",
			       "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
			       "/proc/self/fd/3",
			       NULL };
	pid_t pid;
	int r = run_start(MKE2FS, argv, NULL,
			  (struct run_fd[]){ { dev_fd, 3 }, { STDERR_FILENO, STDERR_FILENO } }, 2,
			  &pid);

	if (r < 0)
		return log_err(r, "start " MKE2FS);
	r = run_wait(pid);
	if (r)
		return r < 0 ? r : -EIO;
	return own_root(dev_fd, uid, gid);
}

int volume_fuse(int fuse_fd, uid_t uid, gid_t gid)
{
	autoclose int ctx = fsopen("fuse", FSOPEN_CLOEXEC);
	char fd[16], user[16], group[16];
	int r;

	if (ctx < 0)
		return -errno;
	snprintf(fd, sizeof(fd), "%d", fuse_fd);
	snprintf(user, sizeof(user), "%u", uid);
	snprintf(group, sizeof(group), "%u", gid);
	r = set_all(ctx, (struct param[]){ { "source", "tazfs" },
					   { "subtype", "tazfs" },
					   { "fd", fd },
					   { "rootmode", "40000" },
					   { "user_id", user },
					   { "group_id", group },
					   /* Without it the kernel asks us about a name before it
					    * asks about the root: a refused look-up of a
					    * directory then unhashes it, and a member's getcwd()
					    * there fails; and inotify on the root is not asked. */
					   { "default_permissions", NULL },
					   { 0 } });
	if (r < 0)
		return r;
	return create(ctx, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

int volume_move(int mount_fd, int target)
{
	return move_mount(mount_fd, "", target, "",
			  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

int volume_clone(int mount_fd)
{
	int fd = open_tree(mount_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	return fd < 0 ? -errno : fd;
}

int volume_detach(int mount_fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", mount_fd);
	return umount2(path, MNT_DETACH) < 0 ? -errno : 0;
}

static bool is_door(int target, uid_t uid)
{
	struct statfs fs;
	struct stat st;

	return fstat(target, &st) == 0 && fstatfs(target, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
	       (st.st_mode & 07777) == 0 && st.st_uid == uid && (fs.f_flags & ST_RDONLY);
}

int volume_door(int target, uid_t uid, gid_t gid)
{
	autoclose int ctx = -EBADF, mnt = -EBADF;
	char user[16], group[16];
	int r;

	if (is_door(target, uid))
		return 0;
	ctx = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (ctx < 0)
		return -errno;
	snprintf(user, sizeof(user), "%u", uid);
	snprintf(group, sizeof(group), "%u", gid);
	r = set_all(ctx, (struct param[]){ { "source", "taz-locked" },
					   { "size", "4096" },
					   { "nr_inodes", "1" },
					   { "mode", "0" },
					   { "uid", user },
					   { "gid", group },
					   { "ro", NULL },
					   { 0 } });
	if (r < 0)
		return r;
	mnt = create(ctx,
		     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mnt < 0 ? mnt : volume_move(mnt, target);
}

int volume_dev(int fd, dev_t *ret)
{
	struct statx st;

	/* Nothing is asked for, so nothing is asked of the view, which would refuse root; the
	 * device's number comes along. Source: fuse_update_get_attr() in fs/fuse/dir.c. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return -errno;
	*ret = makedev(st.stx_dev_major, st.stx_dev_minor);
	return 0;
}

int volume_mount_id(int fd)
{
	char path[48], text[1024], *line;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	n = io_read_text(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return n;
	line = strstr(text, "mnt_id:");
	return line ? (int)strtol(line + 7, NULL, 10) : -EBADMSG;
}
