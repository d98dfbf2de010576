#include "tazfs/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/secret.h"

#define SCRATCH_BYTES (STORE_IO_MAX + 2 * STORE_ALIGN)

/* One aligned buffer a thread, for as long as the thread lives. */
static __thread char *scratch;
static __thread size_t scratch_used;

static char *get_scratch(void)
{
	if (!scratch) {
		void *p = mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return NULL;
		scratch = p;
	}
	return scratch;
}

void store_wipe(void)
{
	if (scratch && scratch_used)
		secret_wipe(scratch, scratch_used);
	scratch_used = 0;
}

/* A magic link: leads to the very file, whatever its name is now. Source: proc(5) /proc/PID/fd. */
struct link_path {
	char text[32];
};

static struct link_path link_path(int pathfd)
{
	struct link_path p;

	snprintf(p.text, sizeof(p.text), "/proc/self/fd/%d", pathfd);
	return p;
}

/* Opens with O_DIRECT where the file system has it. */
static int open_at(int dirfd, const char *name, int flags, mode_t mode, struct store_file *ret)
{
	int fd = openat(dirfd, name, flags | O_DIRECT | O_CLOEXEC, mode);

	if (fd >= 0) {
		*ret = (struct store_file){ .fd = fd, .direct = true };
		return 0;
	}
	if (errno != EINVAL)
		return -errno;
	/* O_EXCL has made the file before O_DIRECT was refused (open(2), BUGS). */
	fd = openat(dirfd, name, (flags & ~O_EXCL) | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	*ret = (struct store_file){ .fd = fd };
	return 0;
}

/* Blocks are completed by reading, so write-only becomes read and write. */
static int with_reading(int flags)
{
	return (flags & O_ACCMODE) == O_WRONLY ? (flags & ~O_ACCMODE) | O_RDWR : flags;
}

int store_open(int pathfd, int flags, struct store_file *ret)
{
	struct link_path path = link_path(pathfd);
	int fd, r;

	flags &= O_ACCMODE | O_TRUNC;
	r = open_at(AT_FDCWD, path.text, with_reading(flags), 0, ret);
	if (r != -EACCES || (flags & O_ACCMODE) != O_WRONLY)
		return r;
	fd = open(path.text, flags | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = (struct store_file){ .fd = fd };
	return 0;
}

int store_create(int dirfd, const char *name, int flags, mode_t mode, struct store_file *ret)
{
	flags &= O_ACCMODE | O_TRUNC | O_EXCL;
	return open_at(dirfd, name, with_reading(flags) | O_CREAT | O_NOFOLLOW, mode, ret);
}

void store_close(struct store_file *f)
{
	fd_close(&f->fd);
}

static off_t round_down(off_t at)
{
	return at - at % STORE_ALIGN;
}

static off_t round_up(off_t at)
{
	return round_down(at + STORE_ALIGN - 1);
}

ssize_t store_read(const struct store_file *f, size_t size, off_t at, const char **ret_data)
{
	off_t begin = f->direct ? round_down(at) : at;
	off_t end = at + (off_t)size;
	char *buf = get_scratch();
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	if (size > STORE_IO_MAX || at < 0)
		return -EINVAL;
	if (f->direct)
		end = round_up(end);
	n = io_pread_full(f->fd, buf, end - begin, begin);
	if (n < 0)
		return n;
	scratch_used = n;
	*ret_data = buf + (at - begin);
	if (n <= at - begin)
		return 0;
	n -= at - begin;
	return (size_t)n < size ? n : (ssize_t)size;
}

/* Fills one block with what the file has there, and with zeros after its end. */
static int read_block(int fd, char *block, off_t at, off_t file_size)
{
	ssize_t n = 0;

	if (at < file_size)
		n = io_pread_full(fd, block, STORE_ALIGN, at);
	if (n < 0)
		return n;
	memset(block + n, 0, STORE_ALIGN - n);
	return 0;
}

static int write_blocks(int fd, const char *data, size_t size, off_t at, char *buf)
{
	off_t begin = round_down(at), end = round_up(at + (off_t)size);
	off_t last = end - STORE_ALIGN, new_size = at + (off_t)size;
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (at > begin)
		r = read_block(fd, buf, begin, st.st_size);
	if (r == 0 && end > new_size && (last > begin || at == begin))
		r = read_block(fd, buf + (last - begin), last, st.st_size);
	if (r < 0)
		return r;
	memcpy(buf + (at - begin), data, size);
	r = io_pwrite_full(fd, buf, end - begin, begin);
	if (r < 0)
		return r;
	if (new_size < st.st_size)
		new_size = st.st_size;
	return end > new_size && ftruncate(fd, new_size) < 0 ? -errno : 0;
}

int store_write(const struct store_file *f, const char *data, size_t size, off_t at)
{
	char *buf;

	if (size > STORE_IO_MAX || at < 0)
		return -EINVAL;
	if (!f->direct)
		return io_pwrite_full(f->fd, data, size, at);
	if (!size)
		return 0;
	buf = get_scratch();
	if (!buf)
		return -ENOMEM;
	scratch_used = size + 2 * STORE_ALIGN;
	return write_blocks(f->fd, data, size, at, buf);
}

int store_chmod(int pathfd, mode_t mode)
{
	struct link_path path = link_path(pathfd);

	return fchmodat(AT_FDCWD, path.text, mode, 0) < 0 ? -errno : 0;
}

int store_truncate(int pathfd, off_t size)
{
	struct link_path path = link_path(pathfd);

	return truncate(path.text, size) < 0 ? -errno : 0;
}

int store_access(int pathfd, int mask)
{
	struct link_path path = link_path(pathfd);

	return faccessat(AT_FDCWD, path.text, mask, 0) < 0 ? -errno : 0;
}

int store_link(int pathfd, int dirfd, const char *name)
{
	struct link_path path = link_path(pathfd);

	/* Through /proc: AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH before 6.10. */
	return linkat(AT_FDCWD, path.text, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int store_setxattr(int pathfd, const char *name, const char *value, size_t size, int flags)
{
	struct link_path path = link_path(pathfd);

	return setxattr(path.text, name, value, size, flags) < 0 ? -errno : 0;
}

ssize_t store_getxattr(int pathfd, const char *name, char *value, size_t size)
{
	struct link_path path = link_path(pathfd);
	ssize_t n = getxattr(path.text, name, value, size);

	return n < 0 ? -errno : n;
}

ssize_t store_listxattr(int pathfd, char *list, size_t size)
{
	struct link_path path = link_path(pathfd);
	ssize_t n = listxattr(path.text, list, size);

	return n < 0 ? -errno : n;
}

int store_removexattr(int pathfd, const char *name)
{
	struct link_path path = link_path(pathfd);

	return removexattr(path.text, name) < 0 ? -errno : 0;
}
