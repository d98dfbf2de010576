/*
 * residue_work SEED EPOCH - in a session's ~/secrets: everything that a program can do with a file
 *
 * Writes and reads markers (needle.h) in all ways that the kernel knows, wipes what it held of them
 * itself, says so with the file /tmp/worked, and keeps its files open and mapped until /tmp/release
 * is there. Exit 0, or 1 with a line that says what failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "needle.h"

#define PAGE	 4096UL
#define BIG	 (1UL << 20)
#define SLOT	 64UL /* in a page of a big file: 63 markers, and no marker in the first slot */
#define HELD_MAX 16

static uint64_t seed;
static unsigned epoch;
static uint32_t next_index;
static uint8_t buf[BIG] __attribute__((aligned(4096)));

static void fail(const char *what)
{
	fprintf(stderr, "residue_work: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Copying leaves the last bytes in vector registers, which the kernel saves with our thread. */
static void clear_registers(void)
{
#ifdef __x86_64__
	__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2;"
			 "pxor %%xmm3, %%xmm3; pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5;"
			 "pxor %%xmm6, %%xmm6; pxor %%xmm7, %%xmm7; pxor %%xmm8, %%xmm8;"
			 "pxor %%xmm9, %%xmm9; pxor %%xmm10, %%xmm10; pxor %%xmm11, %%xmm11;"
			 "pxor %%xmm12, %%xmm12; pxor %%xmm13, %%xmm13; pxor %%xmm14, %%xmm14;"
			 "pxor %%xmm15, %%xmm15"
			 :
			 :
			 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#endif
}

static void wipe(void)
{
	explicit_bzero(buf, sizeof(buf));
	clear_registers();
}

/* Markers without a gap for a small file, in slots of whole pages for a big one. */
static void fill(uint8_t *at, enum needle_class c, size_t bytes)
{
	size_t step = bytes % PAGE ? NEEDLE_BYTES : SLOT;

	for (size_t i = 0; i + NEEDLE_BYTES <= bytes; i += step)
		if (step == NEEDLE_BYTES || i % PAGE)
			needle_marker(seed, epoch, c, next_index++, at + i);
}

static int open_new(const char *name, int flags)
{
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		fail(name);
	return fd;
}

static void write_all(int fd, const uint8_t *from, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		size_t n = bytes - done < 65536 ? bytes - done : 65536;
		ssize_t w = write(fd, from + done, n);

		if (w <= 0)
			fail("write");
		done += (size_t)w;
	}
}

static void read_all(int fd, size_t bytes)
{
	if (pread(fd, buf, bytes, 0) != (ssize_t)bytes)
		fail("read");
	wipe();
}

static int make(const char *name, enum needle_class c, size_t bytes)
{
	int fd = open_new(name, O_TRUNC);

	fill(buf, c, bytes);
	write_all(fd, buf, bytes);
	wipe();
	return fd;
}

static const char *numbered(const char *stem, unsigned i)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s-%u-%u", stem, epoch, i);
	return name;
}

/* --- the ways -------------------------------------------------------------------------------- */

static void big(void)
{
	int fd = make(numbered("big", 0), NEEDLE_BIG, BIG);

	if (fsync(fd) < 0)
		fail("fsync");
	for (int times = 0; times < 2; times++)
		read_all(fd, BIG); /* open until the end */
}

static void shared_map(void)
{
	size_t bytes = 64 * PAGE;
	int fd = open_new(numbered("shared", 0), O_TRUNC);
	uint8_t *map;

	if (ftruncate(fd, (off_t)bytes) < 0)
		fail("ftruncate");
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED && errno == ENODEV)
		return; /* memory=strict has none */
	if (map == MAP_FAILED)
		fail("mmap");
	fill(map, NEEDLE_SHARED, bytes);
	clear_registers();
	if (msync(map, bytes / 2, MS_SYNC) < 0)
		fail("msync");
}

static void *read_through_map(int fd, size_t bytes)
{
	const volatile uint8_t *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);

	if (map == MAP_FAILED)
		fail("private mmap");
	for (size_t i = 0; i < bytes; i += PAGE)
		(void)map[i];
	return (void *)map;
}

static void private_map(void)
{
	size_t bytes = 128 * PAGE;

	read_through_map(make(numbered("private", 0), NEEDLE_PRIVATE, bytes), bytes);
}

static void small(void)
{
	for (unsigned i = 0; i < 40; i++) {
		size_t bytes = 17 + i * i * 7;
		int fd = make(numbered("small", i), NEEDLE_SMALL, bytes);

		read_all(fd, bytes);
		if (i % 8)
			close(fd);
	}
}

static void append(void)
{
	int fd = open_new(numbered("log", 0), O_APPEND);

	for (unsigned i = 0; i < 400; i++) {
		fill(buf, NEEDLE_APPENDED, 25);
		write_all(fd, buf, 25);
	}
	wipe();
	close(fd);
}

static void replace(void)
{
	char target[64];

	snprintf(target, sizeof(target), "%s", numbered("config", 0));
	for (unsigned i = 0; i < 12; i++) {
		int fd = make("config.new", NEEDLE_REPLACED, 4321 + i * 100);

		if (fsync(fd) < 0 || rename("config.new", target) < 0)
			fail("rename");
		if (i % 3)
			close(fd);
	}
}

static void erase(void)
{
	for (unsigned i = 0; i < 24; i++) {
		const char *name = numbered("deleted", i);
		bool first = i % 2, open_still = i % 8 == 0;
		int fd = make(name, first || open_still ? NEEDLE_DELETED : NEEDLE_ORPHAN,
			      i % 4 ? 9001 + i : 4 * PAGE);

		if (first)
			close(fd);
		if (unlink(name) < 0)
			fail("unlink");
		if (!first && !open_still)
			close(fd);
	}
}

static void cut(void)
{
	int fd = make(numbered("cut", 0), NEEDLE_CUT, 20 * PAGE + 100);

	if (ftruncate(fd, 100) < 0)
		fail("ftruncate");
	close(make(numbered("cut", 1), NEEDLE_CUT, 10 * PAGE));
	close(open_new(numbered("cut", 1), O_TRUNC));
	fd = make(numbered("cut", 4), NEEDLE_CUT, 256 * PAGE);
	munmap(read_through_map(fd, 256 * PAGE), 256 * PAGE);
	close(fd);
	close(open_new(numbered("cut", 4), O_TRUNC));
	fd = make(numbered("cut", 2), NEEDLE_CUT, 10 * PAGE);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE + 50, 4 * PAGE) < 0)
		fail("fallocate");
	fd = make(numbered("cut", 3), NEEDLE_CUT, 10 * PAGE + 1);
	if (truncate(numbered("cut", 3), (off_t)PAGE + 7) < 0 ||
	    truncate(numbered("cut", 3), 0) < 0)
		fail("truncate");
}

static void copy(void)
{
	size_t bytes = 30 * PAGE + 33;
	int from = make(numbered("from", 0), NEEDLE_COPIED, bytes);
	int to = open_new(numbered("to", 0), O_TRUNC);
	int sent = open_new(numbered("sent", 0), O_TRUNC);
	loff_t at = 0;

	while (at < (loff_t)bytes)
		if (copy_file_range(from, &at, to, NULL, bytes - (size_t)at, 0) <= 0)
			fail("copy_file_range");
	at = 0;
	while (at < (loff_t)bytes)
		if (sendfile(sent, from, &at, bytes - (size_t)at) <= 0)
			fail("sendfile");
}

static void names(void)
{
	char name[NEEDLE_NAME_BYTES + 1];

	for (uint32_t i = 0; i < 100; i++) {
		needle_name(seed, epoch, i, name);
		if (i % 10 ? mknod(name, S_IFREG | 0600, 0) < 0 : mkdir(name, 0700) < 0)
			fail("make a name");
	}
	explicit_bzero(name, sizeof(name));
	clear_registers();
}

static void say_and_wait(void)
{
	wipe();
	close(open("/tmp/worked", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	while (access("/tmp/release", F_OK) < 0)
		usleep(20000);
}

int main(int argc, char *argv[])
{
	static void (*const ways[])(void) = { big,     shared_map, private_map, small, append,
					      replace, erase,	   cut,		copy,  names };

	if (argc != 3) {
		fprintf(stderr, "usage: residue_work SEED EPOCH\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 10);
	epoch = (unsigned)strtoul(argv[2], NULL, 10);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		ways[i]();
	say_and_wait();
	return 0;
}
