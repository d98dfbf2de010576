/* ioctl(2) on the root: see control.h. */
#include "tazfs/fs_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "tazfs/control.h"
#include "tazfs/explain.h"

/* As for the file that it stands for. */
static int permit(fuse_req_t req, const char *file, unsigned may)
{
	struct view *v = view_of(req);
	const struct judge_request want = {
		.node = node_get(v->nodes, NODE_ROOT), .name = file, .may = may, .unrecorded = true
	};

	return view_permit(v, fuse_req_ctx(req)->pid, &want);
}

static int on_policy(fuse_req_t req, struct control *c)
{
	int r = permit(req, VIEW_OWN_DIR "/policy", MAY_READ);

	if (r == 0)
		c->size = judge_text(&view_of(req)->judge, c->at, c->data, sizeof(c->data));
	return r;
}

static int on_explain(fuse_req_t req, struct control *c)
{
	int r = permit(req, VIEW_OWN_DIR "/policy", MAY_READ);
	struct view *v = view_of(req);
	struct givens givens;
	char path[PATH_MAX];

	if (r < 0)
		return r;
	if (c->size >= sizeof(path) || c->may & ~(unsigned)MAY_ALL ||
	    memchr(c->data, '\0', c->size))
		return -EINVAL;
	memcpy(path, c->data, c->size);
	path[c->size] = '\0';
	givens = view_givens(v);
	c->size = explain(&v->judge, &givens, c->pid, c->may, path, c->data, sizeof(c->data));
	return 0;
}

/* Who begins to read sees what was noted up to now, unless a save is copying the store. */
static int on_audit(fuse_req_t req, struct control *c)
{
	int r = permit(req, VIEW_OWN_DIR "/audit", MAY_READ);
	struct view *v = view_of(req);
	ssize_t n;

	if (r < 0)
		return r;
	if (!v->audit)
		return -EOPNOTSUPP;
	view_audit_flush(v);
	n = audit_read(v->audit, &c->at, c->data, sizeof(c->data));
	store_wipe();
	if (n < 0)
		return (int)n;
	c->size = n;
	c->at += n;
	return 0;
}

static int on_audit_check(fuse_req_t req, struct control *c)
{
	int r = permit(req, VIEW_OWN_DIR "/audit", MAY_READ);
	struct view *v = view_of(req);
	struct control_check answer = { 0 };
	struct audit_check check = { 0 };

	if (r == 0 && !v->audit)
		r = -EOPNOTSUPP;
	if (r == 0)
		r = audit_verify(v->audit, &check);
	if (r < 0)
		return r;
	answer.flaw = check.flaw;
	answer.file = check.file;
	answer.line = check.line;
	answer.missing = check.missing;
	answer.lines = check.lines;
	answer.first_seq = check.first_seq;
	answer.last_seq = check.last.seq;
	memcpy(answer.mac, check.last.mac, sizeof(answer.mac));
	memcpy(c->data, &answer, sizeof(answer));
	c->size = sizeof(answer);
	return 0;
}

static const struct {
	uint32_t op;
	int (*run)(fuse_req_t req, struct control *c);
} ops[] = {
	{ CONTROL_POLICY, on_policy },
	{ CONTROL_EXPLAIN, on_explain },
	{ CONTROL_AUDIT, on_audit },
	{ CONTROL_AUDIT_CHECK, on_audit_check },
};

static int answer(fuse_req_t req, struct control *c)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (ops[i].op == c->op)
			return ops[i].run(req, c);
	return -EINVAL;
}

void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg, struct fuse_file_info *fi,
	      unsigned flags, const void *in, size_t in_size, size_t out_size)
{
	autofree struct control *c = NULL;
	int r;

	if (ino != NODE_ROOT || cmd != CONTROL_ASK || in_size != sizeof(*c) ||
	    out_size != sizeof(*c)) {
		reply(req, -ENOTTY);
		return;
	}
	c = malloc(sizeof(*c));
	if (!c) {
		reply(req, -ENOMEM);
		return;
	}
	memcpy(c, in, sizeof(*c));
	r = answer(req, c);
	if (r < 0)
		reply(req, r);
	else
		fuse_reply_ioctl(req, 0, c, sizeof(*c));
}
