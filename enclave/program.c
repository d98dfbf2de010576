#include "enclave/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define COPY_MAX   (256L << 20)
#define CHUNK	   (256UL << 10)
#define HASH_BYTES 32
#define MEMFD_NAME "taz-program"
#define SEALS	   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* O_PATH first: a FIFO or a device of that name is not started by being looked at. */
static int open_at(int dirfd, const char *path)
{
	autoclose int fd = openat(dirfd, path, O_PATH | O_CLOEXEC);
	char link[32];
	struct stat st;
	int real;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	real = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return real < 0 ? -errno : real;
}

static int open_in_path(const char *name)
{
	char path[PATH_MAX];
	int fd = -ENOENT;

	for (const char *dir = PROGRAM_PATH; *dir && fd < 0;) {
		size_t len = strcspn(dir, ":");

		if (snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, name) >= PATH_MAX)
			return -ENAMETOOLONG;
		fd = open_at(AT_FDCWD, path);
		if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR)
			return fd;
		dir += len + (dir[len] == ':');
	}
	return fd;
}

static int find_path(int fd, char **ret)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n < 0 || n == sizeof(path))
		return n < 0 ? -errno : -ENAMETOOLONG;
	*ret = strndup(path, n);
	return *ret ? 0 : -ENOMEM;
}

static bool is_roots(const struct stat *st)
{
	return st->st_uid == 0 && !(st->st_mode & 022);
}

/* Can nobody but root change what this path leads to? */
static bool only_root_changes(const char *path)
{
	char part[PATH_MAX];
	struct stat st;

	if (snprintf(part, sizeof(part), "%s", path) >= PATH_MAX)
		return false;
	for (;;) {
		char *slash = strrchr(part, '/');

		if (lstat(*part ? part : "/", &st) < 0 || !is_roots(&st))
			return false;
		if (!slash || !*part)
			return true;
		*slash = '\0';
	}
}

static int hash_fd(int fd, char hex[HASH_HEX_MAX])
{
	autofree char *buf = malloc(CHUNK);
	struct hash h;
	off_t at = 0;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	hash_init(&h);
	do {
		n = io_pread_full(fd, buf, CHUNK, at);
		if (n < 0)
			return (int)n;
		hash_field(&h, buf, n);
		at += n;
	} while (n == CHUNK);
	hash_hex(&h, HASH_BYTES, hex);
	return 0;
}

static int copy_to(int from, int to)
{
	autofree char *buf = malloc(CHUNK);
	off_t at = 0;
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	do {
		n = io_pread_full(from, buf, CHUNK, at);
		r = n < 0 ? (int)n : io_write_full(to, buf, n);
		at += n;
		if (r == 0 && at > COPY_MAX)
			r = -EFBIG;
	} while (r == 0 && n == CHUNK);
	return r;
}

/* MFD_EXEC says that it is meant to run; kernels before 6.3 do not know it, and take that for
 * granted. */
static int make_memfd(void)
{
	int fd = memfd_create(MEMFD_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(MEMFD_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

static int seal_copy(struct program *p)
{
	autoclose int fd = make_memfd();
	int r = fd < 0 ? fd : copy_to(p->fd, fd);

	if (r < 0)
		return r;
	if (fchmod(fd, 0500) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	fd_close(&p->fd);
	p->fd = take_fd(&fd);
	p->copied = true;
	return 0;
}

static int take_file(struct program *p)
{
	char link[32];
	struct stat st;
	int r;

	if (fstat(p->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r = find_path(p->fd, &p->path);
	if (r < 0)
		return r;
	/* Of the file itself, not of a path that could be exchanged. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", p->fd);
	if (access(link, X_OK) < 0)
		return -errno;
	if (!is_roots(&st) || !only_root_changes(p->path))
		r = st.st_size > COPY_MAX ? -EFBIG : seal_copy(p);
	return r < 0 ? r : hash_fd(p->fd, p->hash);
}

int program_find(int dirfd, const char *name, struct program *ret)
{
	struct program p = PROGRAM_NONE;
	int r;

	p.fd = strchr(name, '/') ? open_at(dirfd, name) : open_in_path(name);
	r = p.fd < 0 ? p.fd : take_file(&p);
	if (r < 0)
		program_done(&p);
	else
		*ret = p;
	return r;
}

void program_done(struct program *p)
{
	fd_close(&p->fd);
	free(p->path);
	p->path = NULL;
}
