#include "tazfs/audit_log_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/hash.h"
#include "tazfs/audit_key.h"

#define NEW_FILE "audit.new"
#define RESERVE	 (64UL * 1024)
#define SHARE	 40 /* each of AUDIT_FILES: an eighth of the volume in all */
#define PLENTY	 UINT64_MAX

const char *const audit_file_names[AUDIT_FILES] = { "audit.log", "audit.1", "audit.2", "audit.3",
						    "audit.4" };

int audit_log_open_file(const struct audit_log *l, unsigned i, int flags, struct store_file *ret)
{
	autoclose int pathfd =
		openat(l->dirfd, audit_file_names[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return pathfd < 0 ? -errno : store_open(pathfd, flags, ret);
}

static uint64_t default_bytes(int dirfd)
{
	struct statfs st;
	uint64_t share;

	if (fstatfs(dirfd, &st) < 0)
		return AUDIT_FILE_BYTES;
	share = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize / SHARE;
	if (share > AUDIT_FILE_BYTES)
		return AUDIT_FILE_BYTES;
	return share < AUDIT_FILE_BYTES_MIN ? AUDIT_FILE_BYTES_MIN : share;
}

static int find_key(struct audit_log *l)
{
	int r = audit_key_load(l->dirfd, &l->key);

	l->key_stored = r == 0;
	/* Without it, what it has signed can't be checked any more: recovery says so. */
	return r == -ENOENT || r == -EBADMSG ? audit_key_new(&l->key) : r;
}

int audit_log_open(int dirfd, uint64_t file_bytes, struct audit_log **ret, uint32_t *ret_torn)
{
	struct audit_log *l = calloc(1, sizeof(*l));
	int r = 0;

	if (!l)
		return -ENOMEM;
	l->file.fd = -EBADF;
	l->limit = file_bytes ? file_bytes : default_bytes(dirfd);
	if (l->limit < AUDIT_FILE_BYTES_MIN)
		l->limit = AUDIT_FILE_BYTES_MIN;
	l->dirfd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->buf = malloc(STORE_IO_MAX);
	if (l->dirfd < 0)
		r = -errno;
	else if (!l->buf)
		r = -ENOMEM;
	else
		r = find_key(l);
	if (r == 0)
		r = audit_log_recover(l, ret_torn);
	if (r < 0) {
		audit_log_close(l);
		return r;
	}
	*ret = l;
	return 0;
}

void audit_log_close(struct audit_log *l)
{
	if (!l)
		return;
	fd_close(&l->dirfd);
	store_close(&l->file);
	if (l->buf)
		secret_wipe(l->buf, STORE_IO_MAX);
	free(l->buf);
	secret_free(l->key);
	free(l);
}

/* --- lines --------------------------------------------------------------------------------------
 */

static uint64_t end_of(const struct audit_log *l)
{
	return l->at + l->n;
}

/* A line at the end of @buf; the chain moves there. Returns its length or -ENOSPC, -EINVAL. */
static ssize_t add_line(struct audit_log *l, struct audit_record *r)
{
	char *line = l->buf + l->n;
	size_t room = STORE_IO_MAX - l->n;
	ssize_t n;

	r->seq = l->chain.seq + 1;
	r->tick = 0;
	r->mac = NULL;
	n = audit_format(r, line, room);
	if (n < 0)
		return n;
	if (!l->renew && end_of(l) + (uint64_t)n + AUDIT_MAC_ROOM > l->limit) {
		l->renew = true;
		return -ENOSPC;
	}
	n = audit_chain_add(l->key, &l->chain, line, (size_t)n, room);
	if (n > 0)
		l->n += (size_t)n;
	return n;
}

int audit_log_append(struct audit_log *l, const struct audit_record *given)
{
	struct audit_record r = *given;
	ssize_t n = -ENOSPC;

	if (!l->renew)
		n = add_line(l, &r);
	return n == -ENOSPC ? -EAGAIN : n < 0 ? (int)n : 0;
}

void audit_log_rollback(struct audit_log *l)
{
	secret_wipe(l->buf + l->done, l->n - l->done);
	l->n = l->done;
	l->chain = l->written;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static uint64_t blocks(uint64_t bytes)
{
	return (bytes + STORE_ALIGN - 1) & ~(uint64_t)(STORE_ALIGN - 1);
}

/* Blocks for all up to @end, and one more: only the last words may take that. */
static int reserve(struct audit_log *l, uint64_t end)
{
	uint64_t least = blocks(end) + STORE_ALIGN, most = least + RESERVE;
	int r;

	if (least <= l->reserved)
		return 0;
	if (most > blocks(l->limit) + STORE_ALIGN)
		most = least;
	r = store_fallocate(&l->file, FALLOC_FL_KEEP_SIZE, (off_t)l->reserved,
			    (off_t)(most - l->reserved), NULL);
	if (r == -ENOSPC && most > least) {
		most = least;
		r = store_fallocate(&l->file, FALLOC_FL_KEEP_SIZE, (off_t)l->reserved,
				    (off_t)(most - l->reserved), NULL);
	}
	if (r == 0)
		l->reserved = most;
	else if (r == -EOPNOTSUPP) {
		l->reserved = PLENTY; /* it is found out by writing, then */
		r = 0;
	}
	return r;
}

/* What is in @buf is in the file; its last, partial block stays here, to be written again. */
static void keep_tail(struct audit_log *l)
{
	size_t tail = l->n % STORE_ALIGN, whole = l->n - tail;

	memmove(l->buf, l->buf + whole, tail);
	secret_wipe(l->buf + tail, STORE_IO_MAX - tail);
	l->at += whole;
	l->n = l->done = tail;
	l->written = l->chain;
	l->bytes[0] = end_of(l);
}

static int write_out(struct audit_log *l, bool last)
{
	size_t size = blocks(l->n);
	int r = 0;

	if (l->n == l->done)
		return 0;
	if (!last)
		r = reserve(l, end_of(l));
	if (r < 0)
		return r;
	memset(l->buf + l->n, '\n', size - l->n);
	r = store_write(&l->file, l->buf, size, (off_t)l->at, NULL);
	store_wipe();
	if (r == 0)
		keep_tail(l);
	return r;
}

/* The first line of a file, alone in @buf. */
static int put_head(struct audit_log *l)
{
	char prev[HASH_HEX_MAX];
	struct timespec now;
	struct audit_record r = { .event = AUDIT_FILE, .prev = prev };

	clock_gettime(CLOCK_REALTIME, &now);
	r.time_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	hash_hex_of(l->chain.mac, AUDIT_MAC_BYTES, prev);
	if (*l->flaw)
		r.text = l->flaw;
	l->n = l->done = 0;
	return add_line(l, &r) < 0 ? -EINVAL : 0;
}

/* audit.4 goes, each of the others moves one on, the new one takes its place. Whatever stops it in
 * between leaves files in their order. */
static int move_files(struct audit_log *l)
{
	for (unsigned i = AUDIT_FILES - 1; i > 0; i--)
		if (renameat(l->dirfd, audit_file_names[i - 1], l->dirfd, audit_file_names[i]) <
			    0 &&
		    errno != ENOENT)
			return -errno;
	return renameat(l->dirfd, NEW_FILE, l->dirfd, audit_file_names[0]) < 0 ? -errno : 0;
}

static int make_file(struct audit_log *l, struct store_file *ret)
{
	int r = store_create(l->dirfd, NEW_FILE, O_RDWR | O_TRUNC, 0600, ret);

	if (r < 0)
		return r;
	r = store_write(ret, l->buf, blocks(l->n), 0, NULL);
	store_wipe();
	if (r == 0)
		r = move_files(l);
	if (r < 0) {
		store_close(ret);
		unlinkat(l->dirfd, NEW_FILE, 0);
	}
	return r;
}

static void take_file(struct audit_log *l, struct store_file *f)
{
	struct stat st;

	/* What was reserved and not used is given back. */
	if (l->file.fd >= 0 && fstat(l->file.fd, &st) == 0)
		store_truncate(-EBADF, &l->file, st.st_size, NULL);
	store_close(&l->file);
	l->file = *f;
	l->first += l->bytes[AUDIT_FILES - 1];
	memmove(l->bytes + 1, l->bytes, sizeof(l->bytes) - sizeof(*l->bytes));
	l->at = 0;
	l->reserved = blocks(l->n);
	l->renew = false;
	*l->flaw = '\0';
	keep_tail(l);
}

/* Everything of the old file is written. */
static int begin_file(struct audit_log *l)
{
	struct store_file f;
	char tail[STORE_ALIGN];
	size_t n = l->n;
	int r;

	memcpy(tail, l->buf, n);
	r = put_head(l);
	if (r == 0)
		memset(l->buf + l->n, '\n', blocks(l->n) - l->n);
	if (r == 0)
		r = make_file(l, &f);
	if (r == 0) {
		take_file(l, &f);
	} else {
		l->chain = l->written;
		memcpy(l->buf, tail, n);
		l->n = l->done = n;
	}
	secret_wipe(tail, sizeof(tail));
	return r;
}

static int store_key(struct audit_log *l)
{
	int r = l->key_stored ? 0 : audit_key_store(l->dirfd, l->key);

	l->key_stored = r == 0;
	return r;
}

int audit_log_commit(struct audit_log *l, bool last)
{
	bool some = l->n > l->done;
	int r = store_key(l), renewed = 0;

	if (r == 0)
		r = write_out(l, last);
	if (r == 0 && l->renew)
		renewed = begin_file(l);
	/* Lines that are written are written: the next commit says that it cannot go on. */
	if (r == 0 && !some)
		r = renewed;
	if (r < 0)
		audit_log_rollback(l);
	return r;
}
