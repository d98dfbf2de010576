#include "enclave/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/dm.h"
#include "enclave/loop.h"
#include "enclave/volume.h"

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
	char line[512];

	if (!f)
		return errno !=
		       ENOENT; /* a kernel without keyrings holds no key; else it can't be told */
	while (fgets(line, sizeof(line), f))
		if (strstr(line, dm_name))
			return true;
	return false;
}

bool stack_check_gone(const char *dm_name, dev_t loop, struct stack_gone *ret)
{
	dm_remove(dm_name);
	ret->mapping = dm_exists(dm_name) == 0;
	ret->loop = !loop || !loop_is_bound(loop);
	ret->key = !key_exists(dm_name);
	return ret->mapping && ret->loop && ret->key;
}
