#include "enclave/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "enclave/base/fd.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

int place_open(const char *home)
{
	char path[PATH_MAX];
	struct statfs fs;
	autoclose int fd = -EBADF;

	if (snprintf(path, sizeof(path), "%s/%s", home, PLACE_DIR) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if ((uint32_t)fs.f_type != FUSE_SUPER_MAGIC)
		return -ENOTCONN;
	return take_fd(&fd);
}

const char *place_why(int err)
{
	switch (-err) {
	case EACCES:
		return "the vault is locked, or this process is in no session; open one with "
		       "'tazlaunch enter' on the host or 'enclave unlock' here";
	case ENOTCONN:
	case ENOENT:
		return "the vault is not shown here; open a session with 'tazlaunch enter' on the "
		       "host or 'enclave unlock' here";
	case EIO:
		return "the vault was locked in the middle of it";
	default:
		return NULL;
	}
}

static int beneath(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* One step down: the directory is made when it is missing. */
static int step(int at, const char *name, size_t len)
{
	char part[NAME_MAX + 1];

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, name, len);
	part[len] = '\0';
	if (mkdirat(at, part, 0700) < 0 && errno != EEXIST)
		return -errno;
	return beneath(at, part, O_RDONLY | O_DIRECTORY);
}

static int make_dirs(int root, const char *path)
{
	autoclose int at = beneath(root, "", O_RDONLY | O_DIRECTORY);

	while (at >= 0 && *path) {
		size_t len = strcspn(path, "/");
		int next = step(at, path, len);

		fd_close(&at);
		if (next < 0)
			return next;
		at = next;
		path += len + (path[len] == '/');
	}
	return take_fd(&at);
}

int place_dir(int root, const char *path, bool make)
{
	int fd = beneath(root, path, O_RDONLY | O_DIRECTORY);

	return fd == -ENOENT && make ? make_dirs(root, path) : fd;
}

int place_parent(int root, const char *path, bool make, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (slash && slash - path >= (long)sizeof(dir))
		return -ENAMETOOLONG;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0, path);
	*ret_name = slash ? slash + 1 : path;
	return place_dir(root, dir, make);
}

int place_file(int root, const char *path)
{
	autoclose int fd = beneath(root, path, O_RDONLY);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	return take_fd(&fd);
}
