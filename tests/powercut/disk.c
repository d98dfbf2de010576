#include "tests/powercut/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

struct version { /* of a block, not flushed; in the order of the writes */
	uint64_t block;
	unsigned request;
	uint8_t *data;
};

struct disk {
	int fd;
	uint8_t *now; /* what reads see: private pages above the file's */
	uint64_t bytes;
	struct version *log;
	size_t n, room;
	unsigned requests;
};

struct disk *disk_open(const char *path)
{
	struct disk *d = calloc(1, sizeof(*d));
	struct stat st;

	if (!d)
		return NULL;
	d->fd = open(path, O_RDWR | O_CLOEXEC);
	if (d->fd >= 0 && fstat(d->fd, &st) == 0 && st.st_size && st.st_size % DISK_BLOCK == 0) {
		d->bytes = st.st_size;
		d->now = mmap(NULL, d->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, d->fd, 0);
		if (d->now != MAP_FAILED)
			return d;
	} else {
		errno = d->fd < 0 ? errno : EINVAL;
	}
	fd_close(&d->fd);
	free(d);
	return NULL;
}

static void forget(struct disk *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->log[i].data);
	d->n = 0;
}

void disk_close(struct disk *d)
{
	forget(d);
	free(d->log);
	munmap(d->now, d->bytes);
	close(d->fd);
	free(d);
}

uint64_t disk_bytes(const struct disk *d)
{
	return d->bytes;
}

static bool is_inside(const struct disk *d, uint64_t size, uint64_t at)
{
	return at <= d->bytes && size <= d->bytes - at;
}

int disk_read(const struct disk *d, void *buf, uint64_t size, uint64_t at)
{
	if (!is_inside(d, size, at))
		return -EINVAL;
	memcpy(buf, d->now + at, size);
	return 0;
}

static int note_version(struct disk *d, uint64_t block)
{
	uint8_t *data = malloc(DISK_BLOCK);

	if (d->n == d->room) {
		size_t room = d->room ? 2 * d->room : 1024;
		struct version *log = reallocarray(d->log, room, sizeof(*log));

		if (!log) {
			free(data);
			return -ENOMEM;
		}
		d->log = log;
		d->room = room;
	}
	if (!data)
		return -ENOMEM;
	memcpy(data, d->now + block * DISK_BLOCK, DISK_BLOCK);
	d->log[d->n++] = (struct version){ .block = block, .request = d->requests, .data = data };
	return 0;
}

/* A part of a block makes a version of the whole of it. */
static int note_request(struct disk *d, uint64_t size, uint64_t at)
{
	int r = 0;

	for (uint64_t b = at / DISK_BLOCK; r == 0 && b * DISK_BLOCK < at + size; b++)
		r = note_version(d, b);
	d->requests++;
	return r;
}

int disk_write(struct disk *d, const void *buf, uint64_t size, uint64_t at)
{
	if (!is_inside(d, size, at))
		return -EINVAL;
	memcpy(d->now + at, buf, size);
	return note_request(d, size, at);
}

int disk_zero(struct disk *d, uint64_t size, uint64_t at)
{
	if (!is_inside(d, size, at))
		return -EINVAL;
	memset(d->now + at, 0, size);
	return note_request(d, size, at);
}

static int put(struct disk *d, const struct version *v)
{
	return io_pwrite_full(d->fd, v->data, DISK_BLOCK, v->block * DISK_BLOCK);
}

int disk_flush(struct disk *d)
{
	int r = 0;

	for (size_t i = 0; i < d->n && r == 0; i++)
		r = put(d, &d->log[i]);
	if (r == 0)
		forget(d);
	return r;
}

/* --- the cut --------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL; /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

struct fate {
	enum disk_cut how;
	uint64_t random, salt;
	size_t end; /* CUT_PREFIX: so many versions */
};

/* The same coin for all blocks of a request, another one for each request. */
static bool request_lives(const struct fate *f, unsigned request)
{
	uint64_t state = f->salt ^ request;

	return next_random(&state) & 1;
}

static bool lives(struct fate *f, const struct version *v, size_t i)
{
	switch (f->how) {
	case CUT_ALL:
		return true;
	case CUT_PREFIX:
		return i < f->end;
	case CUT_REQUESTS:
		return request_lives(f, v->request);
	case CUT_BLOCKS:
		return next_random(&f->random) & 1;
	default:
		return false;
	}
}

static bool is_last(const struct disk *d, size_t i)
{
	for (size_t j = i + 1; j < d->n; j++)
		if (d->log[j].block == d->log[i].block)
			return false;
	return true;
}

int disk_cut_power(struct disk *d, uint64_t seed, struct disk_loss *ret)
{
	struct fate f = { .random = seed };
	int r = 0;

	f.how = next_random(&f.random) % CUTS;
	f.salt = next_random(&f.random);
	f.end = d->n ? next_random(&f.random) % (d->n + 1) : 0;
	*ret = (struct disk_loss){ .how = f.how, .blocks = d->n };
	for (size_t i = 0; i < d->n && r == 0; i++) {
		ret->requests += !i || d->log[i].request != d->log[i - 1].request;
		if (lives(&f, &d->log[i], i))
			r = put(d, &d->log[i]);
		else
			ret->dropped += is_last(d, i);
	}
	forget(d);
	return r;
}

const char *disk_cut_name(enum disk_cut how)
{
	static const char *const names[CUTS] = { "none", "all", "prefix", "requests", "blocks" };

	return names[how];
}
