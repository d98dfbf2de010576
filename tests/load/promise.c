#include "tests/load/promise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/client.h"

#define HEAD_BYTES   64
#define BLOCK_BYTES  4096
#define VERSION_MAX  40000
#define PROMISES_MAX 20000

/* --- contents -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

static uint64_t seed_of(const char *name, uint64_t seq)
{
	uint64_t h = seq + 1;

	for (; *name; name++)
		h = mix(h, (unsigned char)*name);
	return h;
}

static size_t version_bytes(const char *name, uint64_t seq)
{
	switch (name[0]) {
	case 'a':
		return HEAD_BYTES;
	case 'i':
		return BLOCK_BYTES;
	default:
		return HEAD_BYTES + seed_of(name, seq) % (VERSION_MAX - HEAD_BYTES);
	}
}

/* Fills version_bytes() of @buf: a line with name and version, then bytes that follow from them. */
static void version_fill(const char *name, uint64_t seq, char *buf)
{
	size_t size = version_bytes(name, seq);
	uint64_t h = seed_of(name, seq);
	char head[HEAD_BYTES + 1];

	for (size_t i = HEAD_BYTES; i < size; i++) {
		if (i % 8 == 0)
			h = mix(h, i);
		buf[i] = h >> (i % 8 * 8);
	}
	snprintf(head, sizeof(head), "promise %-31s %020llu   \n", name, (unsigned long long)seq);
	memcpy(buf, head, HEAD_BYTES);
}

static int head_parse(const char *buf, const char *name, uint64_t *ret_seq)
{
	char head[HEAD_BYTES + 1], whole[HEAD_BYTES + 1];
	unsigned long long seq;

	memcpy(head, buf, HEAD_BYTES);
	head[HEAD_BYTES] = '\0';
	if (sscanf(head, "promise %*s %llu", &seq) != 1)
		return -EBADMSG;
	snprintf(whole, sizeof(whole), "promise %-31s %020llu   \n", name, seq);
	if (memcmp(head, whole, HEAD_BYTES))
		return -EBADMSG;
	*ret_seq = seq;
	return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

int ack_parse(const char *text, enum ack *ret)
{
	static const char *const names[] = { "fsync", "save", "write" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(text, names[i])) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

static int make_last(int fd, enum ack ack)
{
	return ack == ACK_FSYNC && fsync(fd) < 0 ? -errno : 0;
}

static int put(int dir, const char *name, int flags, const char *buf, size_t size, enum ack ack)
{
	autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
	int r = fd < 0 ? -errno : io_write_full(fd, buf, size);

	return r < 0 ? r : make_last(fd, ack);
}

static int replace(int dir, const char *name, const char *buf, size_t size, enum ack ack)
{
	autoclose int self = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char temp[PROMISE_NAME_MAX + 8];
	int r;

	if (self < 0)
		return -errno;
	snprintf(temp, sizeof(temp), ".%s.new", name);
	r = put(dir, temp, O_TRUNC, buf, size, ack);
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	return r < 0 ? r : make_last(self, ack);
}

int promise_keep(int dir, const char *name, uint64_t seq, enum ack ack)
{
	char buf[VERSION_MAX];
	size_t size = version_bytes(name, seq);

	version_fill(name, seq, buf);
	if (name[0] == 'r')
		return replace(dir, name, buf, size, ack);
	return put(dir, name, name[0] == 'a' ? O_APPEND : 0, buf, size, ack);
}

int promise_save(void)
{
	struct res_done done;

	return client_save(&done);
}

/* --- reading --------------------------------------------------------------------------------- */

static int look_at_log(int fd, const char *name, uint64_t *ret_seq)
{
	char record[HEAD_BYTES];
	int r = -EBADMSG;
	ssize_t n;

	/* The last records may be torn: nobody promised them. */
	while ((n = io_read_full(fd, record, sizeof(record))) == sizeof(record))
		if (head_parse(record, name, ret_seq) == 0)
			r = 0;
	return n < 0 ? (int)n : r; /* a vault that was shut meanwhile has no end there */
}

static int look_at_whole(int fd, const char *name, uint64_t *ret_seq)
{
	char got[VERSION_MAX + 1], want[VERSION_MAX];
	ssize_t n = io_read_full(fd, got, sizeof(got));
	uint64_t seq;

	if (n < 0)
		return n;
	if (n < HEAD_BYTES || head_parse(got, name, &seq) < 0 ||
	    (size_t)n != version_bytes(name, seq))
		return -EBADMSG;
	version_fill(name, seq, want);
	if (memcmp(got, want, n))
		return -EBADMSG;
	*ret_seq = seq;
	return 0;
}

int promise_look(int dir, const char *name, uint64_t *ret_seq)
{
	autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return name[0] == 'a' ? look_at_log(fd, name, ret_seq) : look_at_whole(fd, name, ret_seq);
}

/* --- promises -------------------------------------------------------------------------------- */

int promise_say(int fd, char what, const char *name, uint64_t seq)
{
	char line[PROMISE_NAME_MAX + 32];
	int n = snprintf(line, sizeof(line), "%c %s %llu\n", what, name, (unsigned long long)seq);

	return io_write_full(fd, line, n);
}

struct promises {
	unsigned n;
	struct {
		char name[PROMISE_NAME_MAX];
		uint64_t seq;
		bool withdrawn;
	} list[PROMISES_MAX];
};

static void note(struct promises *p, char what, const char *name, uint64_t seq)
{
	unsigned i = 0;

	while (i < p->n && strcmp(p->list[i].name, name))
		i++;
	if (i == PROMISES_MAX)
		return;
	if (i == p->n) {
		p->n++;
		strcpy(p->list[i].name, name);
	}
	p->list[i].withdrawn = what == 'D';
	if (seq > p->list[i].seq)
		p->list[i].seq = seq;
}

struct promises *promises_read(int fd)
{
	struct promises *p = calloc(1, sizeof(*p));
	char line[256], name[PROMISE_NAME_MAX], what;
	int copy = dup(fd);
	FILE *f = copy < 0 ? NULL : fdopen(copy, "r");
	unsigned long long seq;

	if (p && f)
		while (fgets(line, sizeof(line), f))
			if (strchr(line, '\n') &&
			    sscanf(line, "%c %31s %llu", &what, name, &seq) == 3 &&
			    (what == 'P' || what == 'D'))
				note(p, what, name, seq);
	if (f)
		fclose(f);
	else
		fd_close(&copy);
	return p;
}

void promises_free(struct promises *p)
{
	free(p);
}

const char *promises_old(const struct promises *p, char kind, uint64_t before, unsigned *at,
			 uint64_t *ret_seq)
{
	while (*at < p->n) {
		unsigned i = (*at)++;

		if (!p->list[i].withdrawn && p->list[i].name[0] == kind &&
		    p->list[i].seq < before) {
			*ret_seq = p->list[i].seq;
			return p->list[i].name;
		}
	}
	return NULL;
}

/* A file that is there and wrong, or not there, is lost; a vault that is shut says neither. */
static bool is_lost(int r)
{
	return r == 0 || r == -ENOENT || r == -EBADMSG;
}

struct promises_found promises_check(const struct promises *p, int dir, int out)
{
	struct promises_found found = { 0 };

	for (unsigned i = 0; i < p->n; i++) {
		uint64_t seq = 0;
		int r;

		if (p->list[i].withdrawn)
			continue;
		found.n++;
		r = promise_look(dir, p->list[i].name, &seq);
		if (r == 0 && seq >= p->list[i].seq)
			continue;
		found.lost += is_lost(r);
		found.unreadable += !is_lost(r);
		dprintf(out, "%s %s: promised %llu, there is %llu (%s)\n",
			is_lost(r) ? "LOST" : "UNREADABLE", p->list[i].name,
			(unsigned long long)p->list[i].seq, (unsigned long long)seq, strerror(-r));
	}
	return found;
}
