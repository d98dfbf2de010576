#include "enclave/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enclave/base/fd.h"

#define LOOP_MAJOR 7 /* linux/major.h */
#define LOOP_BLOCK 4096
#define LOOP_TRIES 64 /* others may take the free index first; each try takes another one */

/* Opens loop device @index through a node that lives only for the open. */
static int open_node(int nodes, unsigned index)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "loop%u", index);
	if (mknodat(nodes, name, S_IFBLK | 0600, makedev(LOOP_MAJOR, index)) < 0)
		return -errno;
	fd = openat(nodes, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	unlinkat(nodes, name, 0);
	return fd;
}

static int configure(int fd, int image, const char *label)
{
	struct loop_config cfg = {
		.fd = image,
		.block_size = LOOP_BLOCK,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};

	strncpy((char *)cfg.info.lo_file_name, label, LO_NAME_SIZE - 1);
	return ioctl(fd, LOOP_CONFIGURE, &cfg) < 0 ? -errno : 0;
}

int loop_attach(int image, int nodes, const char *label, dev_t *ret_dev)
{
	autoclose int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return -errno;
	for (int i = 0; i < LOOP_TRIES; i++) {
		autoclose int fd = -EBADF;
		int index = ioctl(control, LOOP_CTL_GET_FREE), r;

		if (index < 0)
			return -errno;
		fd = open_node(nodes, index);
		if (fd < 0)
			return fd;
		r = configure(fd, image, label);
		if (r == -EBUSY)
			continue;
		if (r < 0)
			return r;
		*ret_dev = makedev(LOOP_MAJOR, index);
		return take_fd(&fd);
	}
	return -EBUSY;
}

bool loop_is_bound(dev_t dev)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/loop", major(dev), minor(dev));
	return access(path, F_OK) == 0;
}
