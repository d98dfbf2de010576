/* io - whole reads and writes, small files, clocks */
#ifndef TAZ_BASE_IO_H
#define TAZ_BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * io_read_full - read until @size bytes or end of file, over EINTR
 * Returns the bytes read (less than @size only at end of file) or -errno of read(2).
 */
ssize_t io_read_full(int fd, void *buf, size_t size);

/* io_write_full - write all of it, over EINTR and short writes. Returns 0 or -errno of write(2). */
int io_write_full(int fd, const void *buf, size_t size);

/* The same at an offset, in bytes. */
ssize_t io_pread_full(int fd, void *buf, size_t size, off_t at);
int io_pwrite_full(int fd, const void *buf, size_t size, off_t at);

/*
 * io_read_text - read a small text file, such as one of /proc, into a string
 * @dirfd, @path: as openat(2)
 * @buf, @size: at most @size - 1 bytes, and a final NUL
 *
 * Returns the length, or
 *   -EFBIG  the file is longer
 *   -errno  from openat(2), read(2)
 */
ssize_t io_read_text(int dirfd, const char *path, char *buf, size_t size);

/* io_boottime_ns - CLOCK_BOOTTIME in nanoseconds: goes on while the machine is suspended */
uint64_t io_boottime_ns(void);

/* io_monotonic_ms - CLOCK_MONOTONIC in milliseconds: stands still while the machine is suspended */
int64_t io_monotonic_ms(void);

#endif
