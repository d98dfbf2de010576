/* The operations of same.c. */
#include "tests/conformance/same.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "enclave/base/fd.h"

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

static int op_open(struct world *w, const struct order *o)
{
	int fd = openat(w->root, o->path, o->flags | O_NONBLOCK | O_CLOEXEC, o->mode);

	if (fd < 0)
		return -errno;
	fd_close(&w->fd[o->slot]);
	w->fd[o->slot] = fd;
	return 0;
}

static int op_close(struct world *w, const struct order *o)
{
	int r = result(close(w->fd[o->slot]));

	w->fd[o->slot] = -EBADF;
	return r;
}

static int op_read(struct world *w, const struct order *o)
{
	ssize_t n = o->n % 2 ? read(w->fd[o->slot], w->out, o->size)
			     : pread(w->fd[o->slot], w->out, o->size, o->at);

	w->len = n > 0 ? (size_t)n : 0;
	return result(n);
}

static int op_write(struct world *w, const struct order *o)
{
	char data[IO_MAX];

	memset(data, o->fill, o->size);
	return result(o->n % 2 ? write(w->fd[o->slot], data, o->size)
			       : pwrite(w->fd[o->slot], data, o->size, o->at));
}

static int op_seek(struct world *w, const struct order *o)
{
	static const int whence[] = { SEEK_SET, SEEK_CUR, SEEK_END };
	struct stat st;

	/* An offset in a directory is whatever its file system likes. */
	if (fstat(w->fd[o->slot], &st) < 0 || S_ISDIR(st.st_mode))
		return -ENXIO;
	return result(lseek(w->fd[o->slot], o->at - FILE_BYTES / 2, whence[o->n % 3]));
}

static int op_sync(struct world *w, const struct order *o)
{
	return result(o->n % 2 ? fsync(w->fd[o->slot]) : fdatasync(w->fd[o->slot]));
}

static int op_truncate(struct world *w, const struct order *o)
{
	autoclose int fd = -EBADF;

	if (o->n % 2)
		return result(ftruncate(w->fd[o->slot], o->at));
	fd = openat(w->root, o->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : result(ftruncate(fd, o->at));
}

static int op_fallocate(struct world *w, const struct order *o)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };

	return result(fallocate(w->fd[o->slot], modes[o->n % 5], o->at, (off_t)o->size));
}

/* Read, and where it may be written also write, one page through a map. */
static int op_map(struct world *w, const struct order *o)
{
	int fd = w->fd[o->slot], flags = o->n % 2 && o->shared_maps ? MAP_SHARED : MAP_PRIVATE;
	int prot = PROT_READ | (o->n % 4 < 2 ? PROT_WRITE : 0);
	off_t page = o->at & ~(off_t)4095;
	struct stat st;
	char *map;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= page)
		return -ENXIO; /* behind its end it would be a signal */
	map = mmap(NULL, 4096, prot, flags, fd, page);
	if (map == MAP_FAILED)
		return -errno;
	if (prot & PROT_WRITE)
		map[o->at & 4095] = (char)o->fill;
	memcpy(w->out, map, 4096);
	/* Behind the end is what a map wrote there, until the page is dropped. */
	w->len = st.st_size - page < 4096 ? (size_t)(st.st_size - page) : 4096;
	msync(map, 4096, MS_SYNC);
	munmap(map, 4096);
	return 0;
}

static int op_unlink(struct world *w, const struct order *o)
{
	return result(unlinkat(w->root, o->path, 0));
}

static int op_mkdir(struct world *w, const struct order *o)
{
	return result(mkdirat(w->root, o->path, o->mode));
}

static int op_rmdir(struct world *w, const struct order *o)
{
	return result(unlinkat(w->root, o->path, AT_REMOVEDIR));
}

static int op_mknod(struct world *w, const struct order *o)
{
	static const mode_t types[] = { S_IFIFO, S_IFSOCK, S_IFREG, S_IFCHR };

	return result(mknodat(w->root, o->path, types[o->n % 4] | o->mode, 0x0107));
}

static int op_link(struct world *w, const struct order *o)
{
	return result(
		linkat(w->root, o->path, w->root, o->other, o->n % 4 ? 0 : AT_SYMLINK_FOLLOW));
}

static int op_symlink(struct world *w, const struct order *o)
{
	const char *target = strstr(o->other, "..") ? "a" : o->other;

	return result(symlinkat(target, w->root, o->path));
}

static int op_readlink(struct world *w, const struct order *o)
{
	ssize_t n = readlinkat(w->root, o->path, w->out, OUT_MAX);

	w->len = n > 0 ? (size_t)n : 0;
	return result(n);
}

static int op_rename(struct world *w, const struct order *o)
{
	static const unsigned flags[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };

	return result(renameat2(w->root, o->path, w->root, o->other, flags[o->n % 5]));
}

static int op_chmod(struct world *w, const struct order *o)
{
	return result(fchmodat(w->root, o->path, o->mode, 0));
}

static int op_chown(struct world *w, const struct order *o)
{
	return result(fchownat(w->root, o->path, o->n % 2 ? SOMEBODY : 0,
			       o->n % 4 < 2 ? SOMEBODY : 0, AT_SYMLINK_NOFOLLOW));
}

static int op_times(struct world *w, const struct order *o)
{
	const struct timespec t[2] = { { .tv_sec = o->n, .tv_nsec = o->at },
				       { .tv_sec = o->n / 2, .tv_nsec = o->fill } };
	struct stat st;
	int r = result(utimensat(w->root, o->path, t, AT_SYMLINK_NOFOLLOW));

	if (r < 0 || fstatat(w->root, o->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return r;
	/* Not the other: a link is read on the way. */
	w->len = (size_t)sprintf(w->out, "%lld.%09ld", (long long)st.st_mtim.tv_sec,
				 st.st_mtim.tv_nsec);
	return 0;
}

static int op_access(struct world *w, const struct order *o)
{
	return result(faccessat(w->root, o->path, (int)(o->n % 8), AT_EACCESS));
}

size_t describe(const struct stat *st, char *to)
{
	return (size_t)sprintf(to, "mode %o, of %u:%u, %lu links, %lld bytes, device %lx",
			       st->st_mode, st->st_uid, st->st_gid, (unsigned long)st->st_nlink,
			       S_ISDIR(st->st_mode) ? 0LL : (long long)st->st_size,
			       (unsigned long)st->st_rdev);
}

static int op_stat(struct world *w, const struct order *o)
{
	struct stat st;
	int r = o->n % 2 ? fstatat(w->root, o->path, &st, o->n % 4 < 2 ? 0 : AT_SYMLINK_NOFOLLOW)
			 : fstat(w->fd[o->slot], &st);

	if (r == 0)
		w->len = describe(&st, w->out);
	return result(r);
}

static int op_xattr(struct world *w, const struct order *o)
{
	/* Not "trusted.": FUSE lists those names to everybody, and a vault has none. */
	static const char *const names[] = { "user.one", "user.two", "user.", "odd" };
	const char *name = names[o->n % 4];
	int fd = w->fd[o->slot];
	ssize_t n;

	switch (o->fill % 4) {
	case 0:
		return result(fsetxattr(fd, name, o->path, strlen(o->path), (int)(o->n / 8 % 3)));
	case 1:
		return result(fremovexattr(fd, name));
	case 2:
		n = fgetxattr(fd, name, w->out, o->n % 3 ? OUT_MAX : 3);
		break;
	default:
		n = flistxattr(fd, w->out, OUT_MAX);
	}
	w->len = n > 0 ? (size_t)n : 0;
	return result(n);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int list(int root, const char *path, char *out, size_t *ret_len)
{
	struct dirent **names;
	int n = scandirat(root, path, &names, NULL, by_name);
	size_t len = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (len + 300 < OUT_MAX)
			len += (size_t)sprintf(out + len, "%d %s\n", names[i]->d_type,
					       names[i]->d_name);
		free(names[i]);
	}
	free(names);
	*ret_len = len;
	return n;
}

static int op_list(struct world *w, const struct order *o)
{
	return list(w->root, o->path, w->out, &w->len);
}

const struct op ops[N_OPS] = {
	{ "open", op_open, 12 },	{ "close", op_close, 2 },
	{ "read", op_read, 10 },	{ "write", op_write, 12 },
	{ "seek", op_seek, 3 },		{ "sync", op_sync, 1 },
	{ "truncate", op_truncate, 4 }, { "fallocate", op_fallocate, 4 },
	{ "map", op_map, 6 },		{ "unlink", op_unlink, 4 },
	{ "mkdir", op_mkdir, 5 },	{ "rmdir", op_rmdir, 2 },
	{ "mknod", op_mknod, 2 },	{ "link", op_link, 3 },
	{ "symlink", op_symlink, 2 },	{ "readlink", op_readlink, 2 },
	{ "rename", op_rename, 6 },	{ "chmod", op_chmod, 4 },
	{ "chown", op_chown, 3 },	{ "times", op_times, 2 },
	{ "access", op_access, 3 },	{ "stat", op_stat, 6 },
	{ "xattr", op_xattr, 4 },	{ "list", op_list, 3 },
};
