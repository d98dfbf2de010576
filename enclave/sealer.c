#include "enclave/sealer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/sealer_priv.h"

#define PROGRESS_CHUNKS 4096

/* --- comparing with the image ---------------------------------------------------------------- */

/*
 * Where a chunk lies in one extent of data it is compared where it is. A chunk with a hole in it is
 * read: to touch a hole of a mapped tmpfs file would fill it.
 */
struct extent {
	uint64_t from, to;
};

static int next_extent(const struct sealer *s, uint64_t at, struct extent *e)
{
	off_t data = lseek(s->image, at, SEEK_DATA), hole;

	if (data < 0 && errno != ENXIO)
		return -errno;
	if (data < 0 || (uint64_t)data >= s->bytes) {
		*e = (struct extent){ s->bytes, s->bytes };
		return 0;
	}
	hole = lseek(s->image, data, SEEK_HOLE);
	if (hole < 0)
		return -errno;
	*e = (struct extent){ data, (uint64_t)hole < s->bytes ? (uint64_t)hole : s->bytes };
	return 0;
}

typedef int take_t(struct sealer *s, uint64_t index, const uint8_t *data);

static int look_at_data(struct sealer *s, uint64_t index, const struct extent *e, take_t *take)
{
	uint64_t at = index * SEAL_CHUNK_BYTES;
	size_t size = sealer_chunk_size(s, index);
	const uint8_t *data = s->chunk;

	if (s->image_map && at >= e->from && at + size <= e->to)
		data = s->image_map + at;
	else if (io_pread_full(s->image, s->chunk, size, at) != (ssize_t)size)
		return -EIO;
	if (s->spare.known[index] != UNKNOWN && side_has(s, &s->spare, index, data))
		return 0;
	return take(s, index, data);
}

/* Calls @take for each chunk in which the image and the spare differ, or may; NULL data: zeros. */
static int look(struct sealer *s, take_t *take)
{
	struct extent e = { 0, 0 };
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < s->n_chunks; i++) {
		uint64_t from = i * SEAL_CHUNK_BYTES, to = from + sealer_chunk_size(s, i);

		if (i % PROGRESS_CHUNKS == PROGRESS_CHUNKS - 1)
			sealer_progress(s);
		if (e.to <= from)
			r = next_extent(s, from, &e);
		if (r < 0)
			return r;
		if (e.from < to)
			r = look_at_data(s, i, &e, take);
		else if (s->spare.known[i] != ZERO)
			r = take(s, i, NULL);
	}
	return r;
}

static int take_now(struct sealer *s, uint64_t index, const uint8_t *data)
{
	if (!data)
		return spare_put_zeros(s, index);
	if (data != s->chunk)
		memcpy(s->chunk, data, sealer_chunk_size(s, index));
	return spare_put(s, index, s->chunk);
}

static int take_aside(struct sealer *s, uint64_t index, const uint8_t *data)
{
	if (s->n_aside == ASIDE_CHUNKS)
		return take_now(s, index, data);
	s->aside[s->n_aside] = (struct aside){ .index = index, .zero = !data };
	if (data)
		memcpy(s->aside_data + s->n_aside * SEAL_CHUNK_BYTES, data,
		       sealer_chunk_size(s, index));
	s->n_aside++;
	return 0;
}

/* --- the three steps ------------------------------------------------------------------------- */

int sealer_prepare(struct sealer *s)
{
	int r;

	s->n_aside = 0;
	s->copied = false;
	s->cost = (struct sealer_cost){ 0 };
	r = spare_have(s);
	return spare_wrote(s, r < 0 ? r : look(s, take_now));
}

int sealer_copy(struct sealer *s)
{
	int r = 0;

	s->n_aside = 0;
	s->copied = false;
	if (s->spare.fd < 0 || !spare_is_fit(s)) {
		s->cost = (struct sealer_cost){ 0 };
		r = spare_have(s);
	}
	r = spare_wrote(s, r < 0 ? r : look(s, take_aside));
	s->copied = r == 0;
	return r;
}

static int write_aside(struct sealer *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_aside; i++)
		r = s->aside[i].zero
			    ? spare_put_zeros(s, s->aside[i].index)
			    : spare_put(s, s->aside[i].index, s->aside_data + i * SEAL_CHUNK_BYTES);
	/* One chunk stays, for the usual, small save. */
	if (s->n_aside > 1)
		madvise(s->aside_data + SEAL_CHUNK_BYTES, (s->n_aside - 1) * SEAL_CHUNK_BYTES,
			MADV_DONTNEED);
	s->n_aside = 0;
	return r;
}

static const uint8_t *spare_hash(void *arg, uint64_t index)
{
	const struct sealer *s = arg;

	return s->spare.known[index] == ZERO ? NULL : s->spare.hash[index];
}

static bool nothing_changed(const struct sealer *s)
{
	if (s->now.fd < 0 || s->dir_unsynced || memcmp(s->now.known, s->spare.known, s->n_chunks))
		return false;
	for (uint64_t i = 0; i < s->n_chunks; i++)
		if (s->now.known[i] != ZERO &&
		    memcmp(s->now.hash[i], s->spare.hash[i], SEAL_HASH_BYTES))
			return false;
	return true;
}

/*
 * Is the file that is there the one that we continue, or none? Its inode, for the proof that it was
 * this one that gave way.
 */
static int check_parent(struct sealer *s, struct stat *ret)
{
	autoclose int fd = openat(s->dir, s->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct seal_footer there;

	*ret = (struct stat){ 0 };
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, ret) < 0)
		return -errno;
	if (seal_read_footer(fd, &there) < 0)
		return -ESTALE;
	if (s->other_origin.generation &&
	    !memcmp(there.mac, s->other_origin.mac, sizeof(there.mac)))
		s->origin = s->other_origin;
	return memcmp(there.mac, s->origin.mac, sizeof(there.mac)) ? -ESTALE : 0;
}

static int exchange(const struct sealer *s)
{
	return renameat2(s->dir, s->spare_name, s->dir, s->name, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

/* The spare is the sealed file now. Was it the parent that gave way? Else it is put back. */
static int check_exchanged(const struct sealer *s, const struct stat *parent)
{
	struct stat out;

	if (fstatat(s->dir, s->spare_name, &out, AT_SYMLINK_NOFOLLOW) == 0 &&
	    out.st_ino == parent->st_ino && out.st_dev == parent->st_dev)
		return 0;
	exchange(s);
	return -ESTALE;
}

/* Puts the spare in place; the file that was there, if any, becomes the next spare. */
static int swap(struct sealer *s, const struct stat *parent)
{
	autoclose int old = -EBADF;
	struct side was;
	bool kept = false;
	int r = -ENOENT;

	if (parent->st_ino) {
		old = openat(s->dir, s->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		r = exchange(s);
		kept = r == 0;
		if (kept)
			r = check_exchanged(s, parent);
		if (r == -ESTALE)
			return r;
	}
	/* No such file there, or a file system that cannot exchange. */
	if (r < 0 && renameat(s->dir, s->spare_name, s->dir, s->name) < 0)
		return -errno;
	was = s->now;
	s->now = s->spare;
	s->now.fresh = false;
	s->spare = was;
	if (!kept) {
		side_done(s, &s->spare);
		return 0;
	}
	if (s->spare.fd < 0 && old >= 0)
		side_init(s, &s->spare, &old, UNKNOWN);
	if (s->spare.fd < 0)
		unlinkat(s->dir, s->spare_name, 0);
	else
		flock(s->spare.fd, LOCK_EX | LOCK_NB);
	return 0;
}

static int write_footer(struct sealer *s, struct seal_footer *footer)
{
	uint8_t block[SEAL_FOOTER_BYTES] = { 0 };
	int r;

	seal_mac(footer, s->key, s->n_chunks, spare_hash, s);
	memcpy(block, footer, sizeof(*footer));
	r = io_pwrite_full(s->spare.fd, block, sizeof(block), s->bytes);
	s->cost.written_bytes += sizeof(block);
	if (r == 0 && fsync(s->spare.fd) < 0) {
		/* What the page cache holds may never have reached the disk, and counts as clean
		 * from now on: it is not to be compared with. Source: fsync(2), NOTES. */
		r = -errno;
		spare_drop(s);
	}
	return r;
}

static int put_in_place(struct sealer *s)
{
	struct seal_origin next;
	struct stat parent;
	struct seal_footer footer;
	int r = check_parent(s, &parent);

	if (r < 0)
		return r;
	footer = seal_next(&s->origin, s->bytes, 0);
	r = spare_wrote(s, write_footer(s, &footer));
	if (r < 0)
		return r;
	next = seal_origin_of(&footer);
	if (s->told.sealed)
		s->told.sealed(s->told.arg, &next);
	r = swap(s, &parent);
	if (r < 0)
		return r;
	s->origin = next;
	s->dir_unsynced = fsync(s->dir) < 0;
	return s->dir_unsynced ? -errno : 0;
}

int sealer_commit(struct sealer *s, struct seal_origin *ret, struct sealer_cost *ret_cost)
{
	int r = s->copied ? spare_wrote(s, write_aside(s)) : -EINVAL;

	s->copied = false;
	if (r == 0 && nothing_changed(s))
		s->cost.unchanged = true;
	else if (r == 0)
		r = put_in_place(s);
	s->spare.fresh = false;
	*ret_cost = s->cost;
	s->cost = (struct sealer_cost){ 0 };
	if (r == 0)
		*ret = s->origin;
	return r;
}

/* --- its life -------------------------------------------------------------------------------- */

int sealer_new(int dir, const char *name, int image, const uint8_t *key,
	       const struct seal_origin origin[2], const struct sealer_told *told,
	       struct sealer **ret)
{
	struct sealer *s = calloc(1, sizeof(*s));
	struct stat st;

	if (!s)
		return -ENOMEM;
	*s = (struct sealer){ .dir = dir,
			      .image = image,
			      .key = key,
			      .origin = origin[0],
			      .other_origin = origin[1],
			      .now = side_none,
			      .spare = side_none,
			      .told = *told };
	if (fstat(image, &st) < 0 || strlen(name) >= sizeof(s->name)) {
		free(s);
		return -EINVAL;
	}
	strcpy(s->name, name);
	s->bytes = st.st_size;
	s->n_chunks = (s->bytes + SEAL_CHUNK_BYTES - 1) / SEAL_CHUNK_BYTES;
	s->image_map = side_map_file(image, s->bytes);
	s->chunk = malloc(SEAL_CHUNK_BYTES);
	s->other = malloc(SEAL_CHUNK_BYTES);
	s->aside_data = side_map_memory(ASIDE_CHUNKS * SEAL_CHUNK_BYTES);
	if (!s->chunk || !s->other || !s->aside_data) {
		sealer_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void sealer_free(struct sealer *s)
{
	if (!s)
		return;
	spare_drop(s);
	side_done(s, &s->now);
	side_unmap(s->image_map, s->bytes);
	side_unmap(s->aside_data, ASIDE_CHUNKS * SEAL_CHUNK_BYTES);
	free(s->chunk);
	free(s->other);
	free(s);
}
