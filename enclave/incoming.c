#include "enclave/incoming.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/place.h"

#define DIR_INCOMING PLACE_OWN "/incoming"
#define LOCK	     "pull.lock"
#define FREE_MIN     (64UL << 10) /* less than this free: a write may have failed */
#define QUIET_TRIES  60
#define QUIET_NS     50000000L

int incoming_lock(int root, bool wait)
{
	autoclose int dir = place_dir(root, PLACE_OWN, true);
	autoclose int fd = -EBADF;

	if (dir < 0)
		return dir;
	fd = openat(dir, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0)
		if (errno != EINTR)
			return -errno;
	return take_fd(&fd);
}

int incoming_sweep(int root)
{
	int fd = place_dir(root, DIR_INCOMING, true), n = 0;
	struct dirent *d;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd); /* takes it */
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.' && unlinkat(dirfd(dir), d->d_name, 0) == 0)
			n++;
	closedir(dir);
	return n;
}

int incoming_begin(int root, const char *name, struct incoming *ret)
{
	struct incoming in = { .dir = place_dir(root, DIR_INCOMING, true), .out = -EBADF };
	unsigned long long id;

	if (in.dir < 0)
		return in.dir;
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		id = (unsigned long long)getpid();
	snprintf(in.name, sizeof(in.name), "%s.%016llx", name, id);
	in.out = openat(in.dir, in.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (in.out < 0) {
		int r = -errno;

		fd_close(&in.dir);
		return r;
	}
	*ret = in;
	return 0;
}

void incoming_drop(struct incoming *in)
{
	if (*in->name)
		unlinkat(in->dir, in->name, 0);
	*in->name = '\0';
	fd_close(&in->out);
	fd_close(&in->dir);
}

/*
 * A read lease is given only while nobody has the file open for writing (fcntl(2) F_SETLEASE). What
 * was killed a moment ago may take some more to let go. A file system without leases cannot tell.
 */
static int wait_quiet(int fd)
{
	const struct timespec some = { .tv_nsec = QUIET_NS };

	for (int i = 0; i < QUIET_TRIES; i++) {
		if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
			fcntl(fd, F_SETLEASE, F_UNLCK);
			return 0;
		}
		if (errno != EAGAIN)
			return 0;
		nanosleep(&some, NULL);
	}
	return -ETXTBSY;
}

/* A program that does not look at what write(2) says would leave half a secret. */
static int check_room(int fd)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0)
		return -errno;
	return fs.f_bavail * fs.f_frsize < FREE_MIN ? -ENOSPC : 0;
}

static int check_contents(int fd, uint64_t max, uint64_t *ret_bytes)
{
	struct stat st;
	int r = wait_quiet(fd);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	r = check_room(fd);
	if (r < 0)
		return r;
	if (!st.st_size)
		return -ENODATA;
	*ret_bytes = st.st_size;
	return 0;
}

static int put_in_place(struct incoming *in, int root, const char *path)
{
	const char *name;
	autoclose int dir = place_parent(root, path, true, &name);
	struct stat st;

	if (dir < 0)
		return dir;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
		return -EEXIST;
	if (renameat(in->dir, in->name, dir, name) < 0)
		return -errno;
	*in->name = '\0';
	return fsync(dir) < 0 ? -errno : 0;
}

int incoming_commit(struct incoming *in, int root, const char *path, mode_t mode, uint64_t max,
		    uint64_t *ret_bytes)
{
	autoclose int fd = openat(in->dir, in->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	fd_close(&in->out); /* ours is a writer, too */
	r = check_contents(fd, max, ret_bytes);
	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -errno;
	return put_in_place(in, root, path);
}
