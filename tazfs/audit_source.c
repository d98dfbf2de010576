#include "tazfs/audit_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"

/* --- a file -------------------------------------------------------------------------------------
 */

struct file_source {
	struct audit_source source;
	int fd, watch;
	bool seekable;
};

static struct file_source *file_of(struct audit_source *s)
{
	return (struct file_source *)(void *)s; /* its first member */
}

static ssize_t file_read(struct audit_source *s, uint64_t *at, char *buf, size_t size)
{
	struct file_source *f = file_of(s);
	struct stat st;
	ssize_t n;

	/* Somebody has begun it anew. */
	if (f->seekable && fstat(f->fd, &st) == 0 && (uint64_t)st.st_size < *at)
		*at = 0;
	do
		n = f->seekable ? pread(f->fd, buf, size, (off_t)*at) : read(f->fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int file_wait(struct audit_source *s)
{
	struct file_source *f = file_of(s);
	char events[sizeof(struct inotify_event) + 256];
	ssize_t n;

	if (f->watch < 0)
		return -EPIPE; /* a pipe that has ended */
	do
		n = read(f->watch, events, sizeof(events));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void file_close(struct audit_source *s)
{
	struct file_source *f = file_of(s);

	fd_close(&f->fd);
	fd_close(&f->watch);
	free(f);
}

static void watch_file(struct file_source *f, const char *path)
{
	f->watch = inotify_init1(IN_CLOEXEC);
	if (f->watch >= 0 && inotify_add_watch(f->watch, path, IN_MODIFY) < 0)
		fd_close(&f->watch);
}

int audit_source_file(const char *path, struct audit_source **ret)
{
	bool is_stdin = !strcmp(path, "-");
	struct file_source *f = calloc(1, sizeof(*f));
	struct stat st = { 0 };
	int r;

	if (!f)
		return -ENOMEM;
	f->watch = -EBADF;
	f->fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			 : open(path, O_RDONLY | O_CLOEXEC);
	r = f->fd < 0 || fstat(f->fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : 0;
	if (r < 0) {
		file_close(&f->source);
		return r;
	}
	f->seekable = S_ISREG(st.st_mode);
	/* Watched before it is read: nothing that comes in between is missed. */
	if (f->seekable && !is_stdin)
		watch_file(f, path);
	f->source =
		(struct audit_source){ .read = file_read, .wait = file_wait, .close = file_close };
	*ret = &f->source;
	return 0;
}

/* --- lines --------------------------------------------------------------------------------------
 */

int audit_cutter_init(struct audit_cutter *c, audit_line_t *line, void *arg)
{
	*c = (struct audit_cutter){ .buf = malloc(AUDIT_LINE_MAX + AUDIT_CHUNK),
				    .line = line,
				    .arg = arg };
	return c->buf ? 0 : -ENOMEM;
}

void audit_cutter_done(struct audit_cutter *c)
{
	free(c->buf);
	c->buf = NULL;
}

char *audit_cutter_room(struct audit_cutter *c)
{
	return c->buf + c->n;
}

int audit_cutter_took(struct audit_cutter *c, size_t n)
{
	char *begin = c->buf, *end = c->buf + c->n + n, *newline;
	int r = 0;

	while (r == 0 && (newline = memchr(begin, '\n', (size_t)(end - begin)))) {
		if ((size_t)(newline - begin) > AUDIT_LINE_MAX)
			r = -EBADMSG;
		else if (newline > begin)
			r = c->line(c->arg, begin, (size_t)(newline - begin));
		begin = newline + 1;
	}
	c->n = (size_t)(end - begin);
	memmove(c->buf, begin, c->n);
	return r == 0 && c->n > AUDIT_LINE_MAX ? -EBADMSG : r;
}

static int pump(struct audit_source *s, bool follow, struct audit_cutter *c)
{
	uint64_t at = 0;

	for (;;) {
		uint64_t from = at;
		ssize_t n = s->read(s, &at, audit_cutter_room(c), AUDIT_CHUNK);
		int r;

		if (n < 0)
			return (int)n;
		/* What was missed in between is not the end of this line. */
		if (at != from && c->n) {
			memmove(c->buf, c->buf + c->n, (size_t)n);
			c->n = 0;
		}
		at += (uint64_t)n;
		r = n ? audit_cutter_took(c, (size_t)n) : 0;
		if (r != 0)
			return r;
		if (!n && (!follow || s->wait(s) < 0))
			return 0;
	}
}

int audit_lines(struct audit_source *s, bool follow, audit_line_t *line, void *arg)
{
	struct audit_cutter c;
	int r = audit_cutter_init(&c, line, arg);

	if (r < 0)
		return r;
	r = pump(s, follow, &c);
	if (r == 0 && c.n)
		r = line(arg, c.buf, c.n);
	audit_cutter_done(&c);
	return r;
}
