#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/sealer_priv.h"

#define FLUSH_BYTES                                                                  \
	(32UL << 20) /* the disk is made to take what was written in such pieces, so \
		      * that one that hangs is told from one that is slow */

/* --- one side -------------------------------------------------------------------------------- */

const struct side side_none = { .fd = -EBADF };

void *side_map_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A file is not locked into memory, also where all that is mapped would be. */
const uint8_t *side_map_file(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return NULL;
	munlock(p, size);
	return p;
}

void side_unmap(const void *p, size_t size)
{
	if (p)
		munmap((void *)p, size);
}

void side_done(const struct sealer *s, struct side *side)
{
	side_unmap(side->map, s->bytes);
	side_unmap(side->known, s->n_chunks);
	side_unmap(side->hash, s->n_chunks * SEAL_HASH_BYTES);
	fd_close(&side->fd);
	*side = side_none;
}

void spare_drop(struct sealer *s)
{
	if (s->spare.fd < 0)
		return;
	unlinkat(s->dir, s->spare_name, 0);
	side_done(s, &s->spare);
}

/* Takes @fd. */
int side_init(const struct sealer *s, struct side *side, int *fd, enum known known)
{
	*side = side_none;
	side->known = side_map_memory(s->n_chunks);
	side->hash = side_map_memory(s->n_chunks * SEAL_HASH_BYTES);
	if (!side->known || !side->hash || fstat(*fd, &side->st) < 0) {
		side_done(s, side);
		return -ENOMEM;
	}
	if (known != ZERO)
		memset(side->known, known, s->n_chunks);
	side->fd = take_fd(fd);
	side->map = side_map_file(side->fd, s->bytes);
	return 0;
}

size_t sealer_chunk_size(const struct sealer *s, uint64_t index)
{
	uint64_t left = s->bytes - index * SEAL_CHUNK_BYTES;

	return left < SEAL_CHUNK_BYTES ? left : SEAL_CHUNK_BYTES;
}

/* What the file has there; in @buf where it is not mapped. NULL: it cannot be read. */
static const uint8_t *side_read(const struct sealer *s, const struct side *side, uint64_t index,
				uint8_t *buf)
{
	size_t size = sealer_chunk_size(s, index);

	if (side->map)
		return side->map + index * SEAL_CHUNK_BYTES;
	return io_pread_full(side->fd, buf, size, index * SEAL_CHUNK_BYTES) == (ssize_t)size ? buf
											     : NULL;
}

bool side_has(const struct sealer *s, const struct side *side, uint64_t index, const uint8_t *data)
{
	const uint8_t *there;

	if (side->known[index] == ZERO)
		return seal_is_zero(data, sealer_chunk_size(s, index));
	there = side_read(s, side, index, s->other);
	return there && !memcmp(data, there, sealer_chunk_size(s, index));
}

/* --- writing a chunk into the spare ---------------------------------------------------------- */

void sealer_progress(const struct sealer *s)
{
	if (s->told.progress)
		s->told.progress(s->told.arg);
}

static int flush(struct sealer *s, size_t written)
{
	s->cost.written_bytes += written;
	s->unflushed += written;
	if (s->unflushed < FLUSH_BYTES)
		return 0;
	s->unflushed = 0;
	sealer_progress(s);
	return fdatasync(s->spare.fd) < 0 ? -errno : 0;
}

static int put_blocks(struct sealer *s, uint64_t at, const uint8_t *data, size_t size)
{
	int r = io_pwrite_full(s->spare.fd, data, size, at);

	return r < 0 ? r : flush(s, size);
}

/* Only the blocks that differ from what is there (@there NULL: all). */
static int put_chunk(struct sealer *s, uint64_t index, const uint8_t *data, const uint8_t *there)
{
	size_t size = sealer_chunk_size(s, index), at = 0;
	int r = 0;

	while (r == 0 && at < size) {
		size_t end = at;

		while (end < size && (!there || memcmp(data + end, there + end, SEAL_BLOCK_BYTES)))
			end += SEAL_BLOCK_BYTES;
		if (end > at)
			r = put_blocks(s, index * SEAL_CHUNK_BYTES + at, data + at, end - at);
		at = end > at ? end : at + SEAL_BLOCK_BYTES;
	}
	return r;
}

int spare_put_zeros(struct sealer *s, uint64_t index)
{
	size_t size = sealer_chunk_size(s, index);
	int r;

	if (fallocate(s->spare.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      index * SEAL_CHUNK_BYTES, size) < 0) {
		memset(s->other, 0, size);
		r = put_blocks(s, index * SEAL_CHUNK_BYTES, s->other, size);
		if (r < 0)
			return r;
	}
	s->spare.known[index] = ZERO;
	return 0;
}

/* @data is a private copy: what is hashed is what is written. */
int spare_put(struct sealer *s, uint64_t index, const uint8_t *data)
{
	bool was_zero = s->spare.known[index] == ZERO;
	size_t size = sealer_chunk_size(s, index);
	int r;

	if (seal_is_zero(data, size))
		return was_zero ? 0 : spare_put_zeros(s, index);
	/* A hash that was made of this very chunk for the other file serves here, too. */
	if (s->now.fd >= 0 && s->now.known[index] == HASHED && side_has(s, &s->now, index, data))
		memcpy(s->spare.hash[index], s->now.hash[index], SEAL_HASH_BYTES);
	else
		seal_hash(data, size, s->spare.hash[index]);
	s->spare.known[index] = UNKNOWN; /* until all of it is written */
	memset(s->other, 0, was_zero ? size : 0);
	r = put_chunk(s, index, data,
		      was_zero ? s->other : side_read(s, &s->spare, index, s->other));
	if (r == 0)
		s->spare.known[index] = HASHED;
	return r;
}

/* --- the spare ------------------------------------------------------------------------------- */

static int make_spare(struct sealer *s)
{
	autoclose int now = openat(s->dir, s->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	autoclose int fd = -EBADF;
	enum known known = ZERO;
	uint64_t id;
	int n, r;

	secret_random(&id, sizeof(id));
	n = snprintf(s->spare_name, sizeof(s->spare_name), ".%s.%016llx.new", s->name,
		     (unsigned long long)id);
	if (n < 0 || (size_t)n >= sizeof(s->spare_name))
		return -ENAMETOOLONG;
	fd = openat(s->dir, s->spare_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return -errno;
	flock(fd, LOCK_EX | LOCK_NB); /* sealer_clean() leaves it alone as long as we live */
	if (now >= 0 && ioctl(fd, FICLONE, now) == 0)
		known = UNKNOWN;
	if (ftruncate(fd, s->bytes + SEAL_FOOTER_BYTES) < 0) {
		r = -errno;
		unlinkat(s->dir, s->spare_name, 0);
		return r;
	}
	r = side_init(s, &s->spare, &fd, known);
	if (r < 0)
		unlinkat(s->dir, s->spare_name, 0);
	s->spare.fresh = true;
	s->cost.whole = known == ZERO;
	return r;
}

/* Has it one name, ours, and has nobody written to it since we did? */
bool spare_is_fit(struct sealer *s)
{
	struct stat named, st;

	return fstat(s->spare.fd, &st) == 0 && st.st_nlink == 1 &&
	       (uint64_t)st.st_size == s->bytes + SEAL_FOOTER_BYTES &&
	       st.st_mtim.tv_sec == s->spare.st.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == s->spare.st.st_mtim.tv_nsec &&
	       fstatat(s->dir, s->spare_name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_ino == st.st_ino && named.st_dev == st.st_dev;
}

int spare_have(struct sealer *s)
{
	if (s->spare.fd >= 0 && spare_is_fit(s))
		return 0;
	spare_drop(s);
	return make_spare(s);
}

/* After our own writes: what spare_is_fit() compares with. */
int spare_wrote(struct sealer *s, int r)
{
	if (s->spare.fd >= 0 && fstat(s->spare.fd, &s->spare.st) < 0 && r == 0)
		r = -errno;
	if (r == -ENOSPC && s->spare.fresh)
		spare_drop(s);
	return r;
}

/* --- what the dead have left ----------------------------------------------------------------- */

/* .NAME.<16 digits>.new, also of what lies beside it (.NAME.conflict-...) */
static bool is_spare_of(const char *entry, const char *name)
{
	size_t len = strlen(name), size = strlen(entry);
	const char *tail = entry + size - 21;

	return size >= 1 + len + 21 && entry[0] == '.' && !strncmp(entry + 1, name, len) &&
	       tail[0] == '.' && strspn(tail + 1, "0123456789abcdef") == 16 &&
	       !strcmp(tail + 17, ".new");
}

static void remove_if_left(int dir, const char *entry)
{
	autoclose int fd = openat(dir, entry, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(dir, entry, 0);
}

void sealer_clean(int dir, const char *name)
{
	autoclose int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d)
		return;
	take_fd(&fd);
	while ((e = readdir(d)))
		if (is_spare_of(e->d_name, name))
			remove_if_left(dir, e->d_name);
	closedir(d);
}
