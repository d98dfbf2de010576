#include "enclave/stack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/dm.h"
#include "enclave/loop.h"
#include "enclave/volume.h"

/* linux/fs.h has neither; the kernel's fs/ext4/ext4.h does, since 4.11. */
#ifndef EXT4_IOC_SHUTDOWN
#define EXT4_IOC_SHUTDOWN	    _IOR('X', 125, uint32_t)
#define EXT4_GOING_FLAGS_NOLOGFLUSH 2
#endif

/* The tmpfs has room for the image and a few inodes; its blocks are only used when written. */
#define TMPFS_SLACK (1 << 20)

int stack_image(uint64_t bytes, bool *ret_noswap)
{
	autoclose int dir = volume_ram(bytes + TMPFS_SLACK, ret_noswap);
	autoclose int fd = -EBADF;

	if (dir < 0)
		return dir;
	fd = openat(dir, "image", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, bytes) < 0)
		return -errno;
	return take_fd(&fd);
}

/* A small file system of device nodes, in no namespace, for as long as the stack is being built. */
static int private_nodes(void)
{
	bool noswap;

	return volume_ram(TMPFS_SLACK, &noswap);
}

/*
 * The key goes to dm-crypt by way of a logon key: user space can add one, and never read it back,
 * and "dmsetup table --showkeys" shows its name only. It is in our process keyring for as long as
 * the table loads; the loop was opened before, so that no file's credentials hold that keyring.
 */
static long add_key(const char *desc, const struct secret *key)
{
	return syscall(SYS_add_key, "logon", desc, key->data, key->len, KEY_SPEC_PROCESS_KEYRING);
}

static void drop_key(long id)
{
	syscall(SYS_keyctl, KEYCTL_INVALIDATE, id);
	syscall(SYS_keyctl, KEYCTL_UNLINK, id, KEY_SPEC_PROCESS_KEYRING);
}

static int load_crypt(const char *dm_name, dev_t loop, uint64_t sectors,
		      const struct luks_volume *vol)
{
	char desc[DM_NAME_MAX + 8], params[DM_NAME_MAX + 256];
	long key;
	int r;

	snprintf(desc, sizeof(desc), "taz:%s", dm_name);
	snprintf(params, sizeof(params),
		 "aes-xts-plain64 :%d:logon:%s 0 %u:%u %llu 4 allow_discards sector_size:%d "
		 "no_read_workqueue no_write_workqueue",
		 LUKS_KEY_BYTES, desc, major(loop), minor(loop),
		 (unsigned long long)vol->offset_bytes / 512, LUKS_SECTOR_BYTES);
	key = add_key(desc, vol->key);
	if (key < 0)
		return log_err(-errno, "give the volume key to the kernel");
	r = dm_load(dm_name, sectors, "crypt", params);
	drop_key(key);
	return r < 0 ? log_err(r, "load the dm-crypt table (is the dm-crypt module there?)") : 0;
}

int stack_up(int image, const struct luks_volume *vol, const char *dm_name,
	     const struct stack_owner *make_fs, dev_t *ret_loop)
{
	autoclose int nodes = private_nodes();
	autoclose int loop = -EBADF, dm = -EBADF, root = -EBADF;
	dev_t loop_dev, dm_dev;
	uint64_t sectors;
	struct stat st;
	int r;

	if (nodes < 0)
		return log_err(nodes, "make a private tmpfs");
	if (fstat(image, &st) < 0)
		return -errno;
	loop = loop_attach(image, nodes, dm_name, &loop_dev);
	if (loop < 0)
		return log_err(loop, "attach a loop device");
	*ret_loop = loop_dev;
	sectors = (st.st_size - vol->offset_bytes) / 512;
	dm = dm_create_doomed(dm_name, sectors, nodes, &dm_dev);
	if (dm < 0)
		return log_err(dm, "create the mapping %s", dm_name);
	r = load_crypt(dm_name, loop_dev, sectors, vol);
	if (r < 0)
		return r;
	if (make_fs) {
		r = volume_mkfs(dm, make_fs->uid, make_fs->gid);
		if (r < 0)
			return log_err(r, "make the vault's file system");
	}
	root = volume_ext4(dm);
	if (root < 0)
		return log_err(root, "mount the vault's ext4");
	return take_fd(&root);
}

/* /proc/keys lists what we may see; root sees the keys of all of this user namespace. */
static bool key_exists(const char *dm_name)
{
	autofclose FILE *f = fopen("/proc/keys", "re");
	struct statfs fs;
	char line[512];

	if (!f)
		return errno !=
		       ENOENT; /* a kernel without keyrings holds no key; else it can't be told */
	/* An empty file that a container's engine laid over it tells nothing. */
	if (fstatfs(fileno(f), &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return true;
	while (fgets(line, sizeof(line), f))
		if (strstr(line, dm_name))
			return true;
	return false;
}

bool stack_mapping_gone(const char *dm_name)
{
	dm_remove(dm_name);
	return dm_exists(dm_name) == 0;
}

bool stack_loop_gone(dev_t loop)
{
	return !loop || !loop_is_bound(loop);
}

bool stack_key_gone(const char *dm_name)
{
	struct dm_look now;
	int r = dm_look(dm_name, &now);

	/* A mapping that is there holds a key unless its table is seen to be of another kind. */
	if (r != -ENXIO && (r < 0 || now.inactive || !strcmp(now.target, "crypt")))
		return false;
	return !key_exists(dm_name);
}

int stack_cut(const char *dm_name)
{
	struct dm_look now;
	int r = dm_look(dm_name, &now);

	if (r == -ENXIO)
		return 0;
	if (r == 0 && (strcmp(now.target, "error") || now.inactive || now.suspended))
		r = dm_replace(dm_name, "error");
	return r;
}

int stack_shut_fs(const char *dm_name)
{
	autoclose int nodes = private_nodes();
	autoclose int dm = -EBADF, root = -EBADF;
	uint32_t how = EXT4_GOING_FLAGS_NOLOGFLUSH;
	struct dm_look now;
	int r = nodes < 0 ? nodes : dm_look(dm_name, &now);

	if (r < 0)
		return r;
	dm = dm_open(nodes, now.dev);
	if (dm < 0)
		return dm;
	/* The same file system again if somebody holds it; otherwise the error target refuses. */
	root = volume_ext4(dm);
	if (root < 0)
		return root;
	ioctl(root, FITHAW, 0);
	return ioctl(root, EXT4_IOC_SHUTDOWN, &how) < 0 ? -errno : 0;
}

/* The view holds the decrypted root under a number of its own choosing. */
static int open_held_root(pid_t pid, dev_t dev)
{
	char path[40];
	struct dirent *e;
	int fd = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (fd < 0 && (e = readdir(dir))) {
		struct statx st;

		if (statx(dirfd(dir), e->d_name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
		    makedev(st.stx_dev_major, st.stx_dev_minor) == dev && S_ISDIR(st.stx_mode))
			fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	closedir(dir);
	return fd < 0 ? -ENOENT : fd;
}

int stack_thaw(const char *dm_name, pid_t view)
{
	autoclose int root = -EBADF;
	struct dm_look now;
	int r = dm_look(dm_name, &now);

	if (r == 0 && now.suspended)
		r = dm_resume(dm_name);
	if (r < 0 || view <= 0)
		return r;
	root = open_held_root(view, now.dev);
	if (root < 0)
		return root;
	return ioctl(root, FITHAW, 0) < 0 && errno != EINVAL ? -errno : 0;
}
