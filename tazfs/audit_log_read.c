/* What is in the log: where it ends, and its bytes for who wants to read them. */
#include "tazfs/audit_log_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* --- at the start -------------------------------------------------------------------------------
 */

static int feed_file(const struct store_file *f, uint64_t bytes, struct audit_check *c)
{
	for (uint64_t at = 0; at < bytes;) {
		size_t size = bytes - at < STORE_IO_MAX ? (size_t)(bytes - at) : STORE_IO_MAX;
		const char *data;
		ssize_t n = store_read(f, size, (off_t)at, &data);
		bool on = n > 0 && audit_check_feed(c, data, (size_t)n);

		store_wipe();
		if (n < 0)
			return (int)n;
		if (!on)
			break;
		at += (uint64_t)n;
	}
	return 0;
}

/* Where the lines of a file end that is not written any more. */
static int lines_of(const struct store_file *f, uint64_t *ret)
{
	struct stat st;
	const char *data;
	ssize_t n;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	if (!*ret)
		return 0;
	n = store_read(f, STORE_ALIGN, (st.st_size - 1) & ~((off_t)STORE_ALIGN - 1), &data);
	for (; n > 1 && data[n - 1] == '\n' && data[n - 2] == '\n'; n--)
		--*ret;
	store_wipe();
	return n < 0 ? (int)n : 0;
}

static int measure(struct audit_log *l)
{
	for (unsigned i = 1; i < AUDIT_FILES; i++) {
		struct store_file f;
		int r = audit_log_open_file(l, i, O_RDONLY, &f);

		if (r == -ENOENT)
			continue;
		if (r == 0) {
			r = lines_of(&f, &l->bytes[i]);
			store_close(&f);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Reads the last block into memory, so that the next lines can follow its own. */
static int load_tail(struct audit_log *l, uint64_t bytes)
{
	size_t tail = bytes % STORE_ALIGN;
	const char *data;
	ssize_t n = 0;

	l->at = bytes - tail;
	if (tail)
		n = store_read(&l->file, tail, (off_t)l->at, &data);
	if (n >= 0 && (size_t)n < tail)
		n = -EIO;
	if (n > 0)
		memcpy(l->buf, data, tail);
	store_wipe();
	l->n = l->done = tail;
	l->bytes[0] = bytes;
	return n < 0 ? (int)n : 0;
}

/* The file goes on where its last good line ends. */
static int go_on(struct audit_log *l, uint64_t bytes, uint64_t size)
{
	uint64_t blocks = (bytes + STORE_ALIGN - 1) & ~(uint64_t)(STORE_ALIGN - 1);
	int r = load_tail(l, bytes);

	if (r == 0 && size > blocks)
		r = store_truncate(-EBADF, &l->file, (off_t)blocks, NULL);
	l->reserved = blocks;
	return r;
}

static void set_aside(struct audit_log *l, const struct audit_check *c)
{
	snprintf(l->flaw, sizeof(l->flaw), "the file before this one, line %llu: %s",
		 (unsigned long long)c->line, audit_flaw_text[c->flaw]);
	memset(l->chain.mac, 0, sizeof(l->chain.mac));
}

/* The newest file that has something in it. -ENOENT: there is none. */
static int find_newest(struct audit_log *l, unsigned *ret_i, uint64_t *ret_size)
{
	for (unsigned i = 0; i < AUDIT_FILES; i++) {
		struct stat st;
		int r = audit_log_open_file(l, i, i ? O_RDONLY : O_RDWR, &l->file);

		if (r == -ENOENT)
			continue;
		if (r == 0 && fstat(l->file.fd, &st) < 0)
			r = -errno;
		if (r == 0 && st.st_size == 0) {
			store_close(&l->file);
			continue;
		}
		*ret_i = i;
		*ret_size = r == 0 ? (uint64_t)st.st_size : 0;
		return r;
	}
	return -ENOENT;
}

static int look_at(struct audit_log *l, unsigned i, uint64_t size, struct audit_check *c,
		   uint32_t *ret_torn)
{
	int r = feed_file(&l->file, size, c);
	uint64_t bytes = c->bytes;

	if (r < 0)
		return r;
	l->renew = true;
	audit_check_file(c);
	l->chain = c->last;
	if (c->flaw != AUDIT_WHOLE && (c->flaw != AUDIT_TORN || !c->lines)) {
		set_aside(l, c);
		return i ? 0 : lines_of(&l->file, &l->bytes[0]);
	}
	/* Stopped between two names: the next file continues this one. */
	if (i)
		return 0;
	l->renew = false;
	if (c->flaw == AUDIT_TORN)
		*ret_torn = (uint32_t)c->n_part;
	return go_on(l, bytes, size);
}

int audit_log_recover(struct audit_log *l, uint32_t *ret_torn)
{
	struct audit_check c = { 0 };
	uint64_t size = 0;
	unsigned i = 0;
	int r = measure(l);

	*ret_torn = 0;
	if (r == 0)
		r = find_newest(l, &i, &size);
	if (r == -ENOENT) {
		l->renew = true;
		return 0;
	}
	if (r == 0)
		r = audit_check_init(&c, l->key);
	if (r < 0)
		return r;
	r = look_at(l, i, size, &c, ret_torn);
	audit_check_done(&c);
	l->written = l->chain;
	if (i)
		store_close(&l->file);
	return r;
}

/* --- later --------------------------------------------------------------------------------------
 */

/* One of the files, for reading; the current one as it is. */
static int borrow(struct audit_log *l, unsigned i, struct store_file *ret)
{
	*ret = l->file;
	return i ? audit_log_open_file(l, i, O_RDONLY, ret) : 0;
}

static void give_back(unsigned i, struct store_file *f)
{
	if (i)
		store_close(f);
}

static ssize_t read_file(struct audit_log *l, unsigned i, uint64_t from, char *buf, size_t size)
{
	struct store_file f;
	const char *data;
	ssize_t n = borrow(l, i, &f);

	if (n < 0)
		return n;
	if (size > l->bytes[i] - from)
		size = (size_t)(l->bytes[i] - from);
	n = store_read(&f, size, (off_t)from, &data);
	if (n > 0)
		memcpy(buf, data, (size_t)n);
	store_wipe();
	give_back(i, &f);
	return n ? n : -EIO;
}

ssize_t audit_log_read(struct audit_log *l, uint64_t *at, char *buf, size_t size, bool *ret_ends)
{
	uint64_t begin = l->first;

	if (*at < begin)
		*at = begin;
	if (size > STORE_IO_MAX)
		size = STORE_IO_MAX;
	for (unsigned i = AUDIT_FILES; i-- > 0; begin += l->bytes[i]) {
		ssize_t n;

		if (*at >= begin + l->bytes[i])
			continue;
		n = size ? read_file(l, i, *at - begin, buf, size) : 0;
		if (ret_ends)
			*ret_ends = i && n > 0 && *at + (uint64_t)n == begin + l->bytes[i];
		return n;
	}
	/* Further than there is anything: who was told so began with another view. */
	if (*at > begin)
		*at = begin;
	return 0;
}

const struct secret *audit_log_end(const struct audit_log *l, uint64_t *ret_seq)
{
	*ret_seq = l->written.seq;
	return l->key;
}
