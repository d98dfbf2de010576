#include "enclave/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"

/* @at < 0: at the descriptor's own position */
static ssize_t read_some(int fd, void *buf, size_t size, off_t at)
{
	return at < 0 ? read(fd, buf, size) : pread(fd, buf, size, at);
}

static ssize_t write_some(int fd, const void *buf, size_t size, off_t at)
{
	return at < 0 ? write(fd, buf, size) : pwrite(fd, buf, size, at);
}

static ssize_t read_all(int fd, char *buf, size_t size, off_t at)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read_some(fd, buf + got, size - got, at < 0 ? -1 : at + (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += n;
	}
	return got;
}

static int write_all(int fd, const char *buf, size_t size, off_t at)
{
	size_t put = 0;

	while (put < size) {
		ssize_t n = write_some(fd, buf + put, size - put, at < 0 ? -1 : at + (off_t)put);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		put += n;
	}
	return 0;
}

ssize_t io_read_full(int fd, void *buf, size_t size)
{
	return read_all(fd, buf, size, -1);
}

int io_write_full(int fd, const void *buf, size_t size)
{
	return write_all(fd, buf, size, -1);
}

ssize_t io_pread_full(int fd, void *buf, size_t size, off_t at)
{
	return read_all(fd, buf, size, at);
}

int io_pwrite_full(int fd, const void *buf, size_t size, off_t at)
{
	return write_all(fd, buf, size, at);
}

ssize_t io_read_text(int dirfd, const char *path, char *buf, size_t size)
{
	autoclose int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = io_read_full(fd, buf, size);
	if (n < 0)
		return n;
	if ((size_t)n == size)
		return -EFBIG;
	buf[n] = '\0';
	return n;
}

uint64_t io_boottime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

int64_t io_monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
