/* ioctl(2) on the root: see control.h. */
#include "tazfs/fs_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/secret.h"
#include "tazfs/control.h"
#include "tazfs/explain.h"

#define SEC 1000000000ULL

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

_Static_assert(sizeof(struct control_grant) <= CONTROL_BYTES, "one answer is one answer");

static void put_grant(struct control *c, const struct ask_kept *x)
{
	const struct program *who = &x->grant.who;
	struct control_grant g = { .number = x->grant.number,
				   .yes = x->grant.yes,
				   .to = x->grant.to,
				   .once = x->once,
				   .rule = x->grant.rule,
				   .may = x->grant.may,
				   .session = x->grant.session,
				   .left_sec = (uint32_t)((x->left_ns + SEC - 1) / SEC),
				   .times = x->grant.left,
				   .pid = who->pid,
				   .hashed = who->hashed };

	_Static_assert(sizeof(g.hash) == sizeof(who->hash) && sizeof(g.path) == GRANT_PATH_MAX &&
			       sizeof(g.exe) == GRANT_TEXT_MAX,
		       "what is kept is what is told");
	memcpy(g.hash, who->hash, sizeof(g.hash));
	strcpy(g.path, x->grant.path);
	strcpy(g.exe, x->grant.exe);
	strcpy(g.script, x->grant.script);
	memcpy(c->data, &g, sizeof(g));
	c->size = sizeof(g);
	secret_wipe(&g, sizeof(g));
}

/* Both are for who may read the list: who revokes gets nothing by it. */
static int permit_grants(fuse_req_t req, const struct control *c)
{
	int r = permit(req, VIEW_OWN_DIR "/grants", MAY_READ);

	if (r == 0 && !view_of(req)->asks)
		r = -EOPNOTSUPP;
	return r == 0 && c->at > UINT32_MAX ? -EINVAL : r;
}

static int on_grants(fuse_req_t req, struct control *c)
{
	int r = permit_grants(req, c);
	struct view *v = view_of(req);
	struct ask_kept x;

	if (r < 0)
		return r;
	c->size = 0;
	if (asks_next(v->asks, (unsigned)c->at, judge_rechecks(&v->judge), &x))
		put_grant(c, &x);
	secret_wipe(&x, sizeof(x));
	return 0;
}

static int on_revoke(fuse_req_t req, struct control *c)
{
	int r = permit_grants(req, c);
	pid_t by = fuse_req_ctx(req)->pid;
	struct view *v = view_of(req);

	if (r < 0)
		return r;
	c->size = 0;
	if (c->at)
		return asks_revoke(v, (unsigned)c->at, by);
	c->at = asks_revoke_all(v, by);
	return 0;
}

static const struct {
	uint32_t op;
	int (*run)(fuse_req_t req, struct control *c);
} ops[] = {
	{ CONTROL_POLICY, on_policy }, { CONTROL_EXPLAIN, on_explain },
	{ CONTROL_AUDIT, on_audit },   { CONTROL_AUDIT_CHECK, on_audit_check },
	{ CONTROL_GRANTS, on_grants }, { CONTROL_REVOKE, on_revoke },
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
	secret_wipe(c, sizeof(*c));
}
