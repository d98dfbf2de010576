/* The log of a running view, over its control channel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "tazfs/audit_source.h"
#include "tazfs/control_client.h"

/* Nobody tells when there is more: it is asked for. */
#define FOLLOW_SEC 1

_Static_assert(sizeof(((struct control_check *)NULL)->mac) == AUDIT_MAC_BYTES, "room for it");

struct view_source {
	struct audit_source source;
	int root;
	struct control c;
};

static struct view_source *view_of(struct audit_source *s)
{
	return (struct view_source *)(void *)s; /* its first member */
}

static ssize_t view_read(struct audit_source *s, uint64_t *at, char *buf, size_t size)
{
	struct view_source *v = view_of(s);
	int r;

	v->c = (struct control){ .op = CONTROL_AUDIT, .at = *at };
	r = control_ask(v->root, &v->c);
	if (r < 0)
		return r;
	if (v->c.size > sizeof(v->c.data) || v->c.size > size || v->c.at < v->c.size)
		return -EBADMSG;
	*at = v->c.at - v->c.size;
	memcpy(buf, v->c.data, v->c.size);
	return v->c.size;
}

static int view_verify(struct audit_source *s, struct audit_check *ret)
{
	struct view_source *v = view_of(s);
	struct control_check answer;
	int r;

	v->c = (struct control){ .op = CONTROL_AUDIT_CHECK };
	r = control_ask(v->root, &v->c);
	if (r < 0)
		return r;
	memcpy(&answer, v->c.data, sizeof(answer));
	if (v->c.size != sizeof(answer) || answer.flaw >= AUDIT_FLAWS)
		return log_err(-EBADMSG, "have the view check its log");
	*ret = (struct audit_check){ .flaw = answer.flaw,
				     .file = answer.file,
				     .line = answer.line,
				     .missing = answer.missing,
				     .lines = answer.lines,
				     .first_seq = answer.first_seq,
				     .last.seq = answer.last_seq };
	memcpy(ret->last.mac, answer.mac, sizeof(ret->last.mac));
	return 0;
}

static int view_wait(struct audit_source *s)
{
	struct timespec left = { .tv_sec = FOLLOW_SEC };

	while (nanosleep(&left, &left) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void view_close(struct audit_source *s)
{
	fd_close(&view_of(s)->root);
	free(s);
}

int audit_source_view(const char *dir, struct audit_source **ret)
{
	struct view_source *v = calloc(1, sizeof(*v));

	if (!v)
		return log_err(-ENOMEM, "read the log");
	v->root = control_open(dir);
	if (v->root < 0) {
		int r = v->root;

		free(v);
		return r;
	}
	v->source = (struct audit_source){ .read = view_read,
					   .wait = view_wait,
					   .verify = view_verify,
					   .close = view_close,
					   .says = true };
	*ret = &v->source;
	return 0;
}

int audit_source_open(const char *file, const char *dir, struct audit_source **ret)
{
	int r;

	if (!file)
		return audit_source_view(dir, ret);
	r = audit_source_file(file, ret);
	return r < 0 ? log_err(r, "read the log %s", file) : 0;
}
