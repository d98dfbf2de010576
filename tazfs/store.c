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
	secret_clear_registers();
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

/* Whole blocks, none of which the page cache may hold, and the last of which is inside the file. */
static int write_direct(int fd, const char *data, size_t size, off_t at, off_t file_size, char *buf)
{
	off_t begin = round_down(at), end = round_up(at + (off_t)size);
	off_t last = end - STORE_ALIGN;
	int r = 0;

	if (at > begin)
		r = read_block(fd, buf, begin, file_size);
	if (r == 0 && end > at + (off_t)size && (last > begin || at == begin))
		r = read_block(fd, buf + (last - begin), last, file_size);
	if (r < 0)
		return r;
	memcpy(buf + (at - begin), data, size);
	return io_pwrite_full(fd, buf, end - begin, begin);
}

static int set_direct(int fd, bool on)
{
	return fcntl(fd, F_SETFL, on ? O_DIRECT : 0) < 0 ? -errno : 0;
}

/* Through the page cache, in which these blocks then are. */
static int write_cached(const struct store_file *f, const char *data, size_t size, off_t at,
			struct tails *tails)
{
	int r = 0, back = 0;

	for (off_t b = round_down(at); r == 0 && tails && b < at + (off_t)size; b += STORE_ALIGN)
		r = tails_add(tails, b / STORE_ALIGN);
	if (r == 0 && f->direct)
		r = set_direct(f->fd, false);
	if (r < 0)
		return r;
	r = io_pwrite_full(f->fd, data, size, at);
	if (f->direct)
		back = set_direct(f->fd, true);
	return r < 0 ? r : back;
}

/* How many of @size bytes from @at go the same way, and which: a block that may be in the page
 * cache already, or that is only in part inside the file, goes through it. */
static size_t same_way(const struct tails *tails, off_t at, size_t size, off_t new_size,
		       bool *cached)
{
	off_t end = at + (off_t)size;
	bool other = false;

	for (off_t b = round_down(at); b < end; b += STORE_ALIGN) {
		other = b + (off_t)STORE_ALIGN > new_size ||
			(tails && tails_have(tails, b / STORE_ALIGN));
		if (b <= at)
			*cached = other;
		else if (other != *cached)
			return (size_t)(b - at);
	}
	return size;
}

/* A file that grows beyond its last, partial block: the kernel looks at that one's end again. */
static int leave_old_tail(struct tails *tails, off_t old_size, off_t at)
{
	if (!tails || old_size % STORE_ALIGN == 0 || round_down(old_size) >= round_down(at))
		return 0;
	return tails_add(tails, old_size / STORE_ALIGN);
}

static int write_parts(const struct store_file *f, const char *data, size_t size, off_t at,
		       struct tails *tails, char *buf)
{
	off_t new_size = at + (off_t)size;
	struct stat st;
	int r;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	if (new_size < st.st_size)
		new_size = st.st_size;
	r = leave_old_tail(tails, st.st_size, at);
	while (r == 0 && size) {
		bool cached = false;
		size_t n = same_way(tails, at, size, new_size, &cached);

		r = cached ? write_cached(f, data, n, at, tails)
			   : write_direct(f->fd, data, n, at, st.st_size, buf);
		data += n;
		at += (off_t)n;
		size -= n;
	}
	return r;
}

int store_write(const struct store_file *f, const char *data, size_t size, off_t at,
		struct tails *tails)
{
	char *buf;

	if (size > STORE_IO_MAX || at < 0)
		return -EINVAL;
	if (!size)
		return 0;
	if (!f->direct)
		return write_cached(f, data, size, at, tails);
	buf = get_scratch();
	if (!buf)
		return -ENOMEM;
	scratch_used = size + 2 * STORE_ALIGN;
	return write_parts(f, data, size, at, tails, buf);
}

/* --- what the page cache below holds -----------------------------------------------------------
 */

static int put_zeros(const struct store_file *f, off_t at, off_t end)
{
	static const char zeros[64 * 1024];
	int r = 0;

	while (r == 0 && at < end) {
		size_t n = end - at < (off_t)sizeof(zeros) ? (size_t)(end - at) : sizeof(zeros);

		r = io_pwrite_full(f->fd, zeros, n, at);
		at += (off_t)n;
	}
	return r;
}

/* Overwrites what is cached of the bytes from @from to @to; in a hole there is nothing. */
static int wipe_cached(const struct store_file *f, const struct tails *tails, off_t from, off_t to)
{
	int r = f->direct ? set_direct(f->fd, false) : 0, back = 0;

	for (size_t i = 0; r == 0 && i < tails->n; i++) {
		off_t at = (off_t)(tails->runs[i].first * STORE_ALIGN);
		off_t end = at + (off_t)(tails->runs[i].count * STORE_ALIGN);

		at = at < from ? from : at;
		end = end > to ? to : end;
		if (at < end && lseek(f->fd, at, SEEK_DATA) < end)
			r = put_zeros(f, at, end);
	}
	if (f->direct)
		back = set_direct(f->fd, true);
	return r < 0 ? r : back;
}

static int cut(const struct store_file *f, off_t size, struct tails *tails)
{
	struct stat st;
	int r = 0;

	if (!tails)
		return ftruncate(f->fd, size) < 0 ? -errno : 0;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	/* Pages that the kernel drops are not cleared by it: what they hold goes now, before. */
	if (round_up(size) < st.st_size)
		r = wipe_cached(f, tails, round_up(size), st.st_size);
	if (r == 0)
		r = leave_old_tail(tails, st.st_size, size);
	if (r == 0 && size % STORE_ALIGN && size < st.st_size)
		r = tails_add(tails, size / STORE_ALIGN);
	if (r == 0 && ftruncate(f->fd, size) < 0)
		r = -errno;
	if (r == 0)
		tails_cut(tails, round_up(size) / STORE_ALIGN);
	return r;
}

int store_truncate(int pathfd, const struct store_file *f, off_t size, struct tails *tails)
{
	struct store_file opened;
	int r;

	if (f)
		return cut(f, size, tails);
	r = store_open(pathfd, O_WRONLY, &opened);
	if (r < 0)
		return r;
	r = cut(&opened, size, tails);
	store_close(&opened);
	return r;
}

int store_fallocate(const struct store_file *f, int mode, off_t at, off_t size, struct tails *tails)
{
	off_t end = at + size;
	struct stat st;
	int r = 0;

	if (tails && fstat(f->fd, &st) < 0)
		return -errno;
	/* These bytes become zeros anyway. */
	if (tails && mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		r = wipe_cached(f, tails, at, end < st.st_size ? end : st.st_size);
	if (tails && r == 0 && at % STORE_ALIGN)
		r = tails_add(tails, at / STORE_ALIGN);
	if (tails && r == 0 && end % STORE_ALIGN)
		r = tails_add(tails, end / STORE_ALIGN);
	if (tails && r == 0)
		r = leave_old_tail(tails, st.st_size, end);
	return r < 0 ? r : fallocate(f->fd, mode, at, size) < 0 ? -errno : 0;
}

/* Its mode may forbid its owner to write: where nothing reaches the disk any more, that can go. */
static int open_to_wipe(int pathfd, struct store_file *ret)
{
	int r = store_open(pathfd, O_WRONLY, ret);

	if (r == -EACCES && store_chmod(pathfd, 0600) == 0)
		r = store_open(pathfd, O_WRONLY, ret);
	return r;
}

int store_wipe_tails(int pathfd, const struct tails *tails)
{
	struct store_file f;
	struct stat st;
	int r = open_to_wipe(pathfd, &f);

	if (r < 0)
		return r;
	r = fstat(f.fd, &st) < 0 ? -errno : wipe_cached(&f, tails, 0, st.st_size);
	store_close(&f);
	return r;
}

int store_bury(int pathfd, const struct tails *tails)
{
	struct stat st;

	if (fstat(pathfd, &st) < 0)
		return -errno;
	if (st.st_nlink)
		return -EEXIST;
	return store_wipe_tails(pathfd, tails);
}

int store_probe(const struct store_file *f, const struct tails *tails, off_t *ret_at)
{
	for (size_t i = 0; i < tails->n; i++) {
		off_t at = (off_t)(tails->runs[i].first * STORE_ALIGN);
		int r = store_reads_zeros(f, at);

		if (r < 0)
			return r;
		if (r == 0) {
			*ret_at = at;
			return 1;
		}
	}
	return 0;
}

int store_reads_zeros(const struct store_file *f, off_t at)
{
	char *buf = get_scratch();
	ssize_t n = -EOPNOTSUPP;
	int zeros = 1;

	if (!buf)
		return -ENOMEM;
	if (f->direct)
		n = io_pread_full(f->fd, buf, STORE_ALIGN, at);
	if (n < 0)
		return (int)n;
	for (ssize_t i = 0; i < n; i++)
		zeros &= !buf[i];
	secret_wipe(buf, STORE_ALIGN);
	return zeros;
}

int store_chmod(int pathfd, mode_t mode)
{
	struct link_path path = link_path(pathfd);

	return fchmodat(AT_FDCWD, path.text, mode, 0) < 0 ? -errno : 0;
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
