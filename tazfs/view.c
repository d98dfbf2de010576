#include "tazfs/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/proto.h"

/* Of all descriptors: half are cached for nodes, the rest is for open files and callers. */
static unsigned node_fds(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 128;
	if (lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim) < 0 || getrlimit(RLIMIT_NOFILE, &lim) < 0)
			return 128;
	}
	return lim.rlim_cur < 65536 ? (unsigned)lim.rlim_cur / 2 : 32768;
}

int view_init(struct view *v, int rootfd, int mountfd, int keeper)
{
	int r;

	*v = (struct view){
		.rootfd = -EBADF, .mountfd = mountfd, .keeper = keeper, .policy_fd = -EBADF
	};
	/* What fsmount(2) gives is O_PATH, which syncfs(2) refuses. */
	v->rootfd = openat(rootfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->rootfd < 0)
		return -errno;
	gate_init(&v->gate);
	durable_init(&v->durable);
	v->last_ns = io_boottime_ns();
	r = sessions_new(&v->sessions);
	if (r == 0)
		r = callers_new(v->sessions, &v->callers);
	if (r == 0)
		r = nodes_new(v->rootfd, node_fds(), &v->nodes);
	if (r == 0 && keeper >= 0)
		r = asks_new(&v->asks);
	if (r == 0)
		judge_init(&v->judge, v->callers, v->nodes);
	return r;
}

int view_still(struct view *v, enum view_phase phase)
{
	return atomic_load(&v->phase) <= (int)phase ? 0 : -EIO;
}

void view_used(struct view *v)
{
	atomic_store_explicit(&v->last_ns, io_boottime_ns(), memory_order_relaxed);
}

/* What would be made anew does not exist anyway: "no such file" would be said of its directory; and
 * an open file is there. */
static int refusal(enum verdict verdict, const struct judge_request *req)
{
	bool is_new = req->may & MAY_CREATE;

	return verdict == VERDICT_HIDE && !is_new && !req->again ? -ENOENT : -EACCES;
}

struct givens view_givens(struct view *v)
{
	return (struct givens){ .everyone = v->everyone, .self = atomic_load(&v->self) };
}

/* Asked for once: whatever comes before the lock is refused as this was. */
static void lock_for_decoy(struct view *v)
{
	const struct view_plain msg = { .op = VIEW_DECOY };

	if (atomic_exchange(&v->decoyed, true))
		return;
	if (v->keeper >= 0)
		msg_send(v->keeper, &msg, sizeof(msg), NULL, 0);
	else
		kill(getpid(), SIGTERM); /* link_signals() */
}

static int obey(struct view *v, pid_t tid, const struct judge_request *req, struct judgement j)
{
	view_note(v, tid, req, &j);
	if (!j.granted && j.decision.verdict == VERDICT_DECOY)
		lock_for_decoy(v);
	if (!j.granted)
		return refusal(j.decision.verdict, req);
	/* Who watches the audit does not keep the vault open by it. */
	if (!req->unrecorded)
		view_used(v);
	return 0;
}

static const enum audit_by asked_by[] = {
	[ASK_YES] = AUDIT_BY_ANSWER,	  [ASK_NO] = AUDIT_BY_ANSWER,
	[ASK_TIMEOUT] = AUDIT_BY_TIMEOUT, [ASK_INTERRUPTED] = AUDIT_BY_TIMEOUT,
	[ASK_NOBODY] = AUDIT_BY_ALONE,	  [ASK_REFUSED] = AUDIT_BY_RULE,
};

/* What the policy leaves to a person. To list a directory is decided for each part of it, and
 * cannot wait. */
static enum ask_end ask_person(struct view *v, pid_t tid, const struct judge_request *req,
			       struct judgement *j)
{
	char path[PATH_MAX];
	struct ask_what what = { .session = j->session,
				 .rule = j->decision.line,
				 .may = req->may,
				 .again = req->again,
				 .parks = req->parks,
				 .tid = tid,
				 .path = path };
	bool by_grant;
	enum ask_end end;

	if (!v->asks || !req->may || req->may & MAY_LIST)
		return ASK_REFUSED;
	judge_path(&v->judge, req, path, sizeof(path));
	end = asks_decide(v, &what, &by_grant);
	j->granted = end == ASK_YES;
	j->by = by_grant ? AUDIT_BY_GRANT : asked_by[end];
	return end;
}

int view_permit(struct view *v, pid_t tid, const struct judge_request *req)
{
	struct givens givens = view_givens(v);
	struct judgement j;
	enum ask_end end;

	if (view_still(v, VIEW_OPEN) < 0)
		return tid > 0 && tid == givens.self ? view_still(v, VIEW_CLOSING) : -EIO;
	j = judge_decide(&v->judge, &givens, tid, req);
	if (j.granted || j.decision.verdict != VERDICT_ASK)
		return obey(v, tid, req, j);
	end = ask_person(v, tid, req, &j);
	if (end == ASK_OPEN)
		return ASK_LATER;
	if (end != ASK_INTERRUPTED)
		return obey(v, tid, req, j);
	view_note(v, tid, req, &j);
	return -EINTR;
}

int view_permit_again(struct view *v, pid_t tid, struct node *n, unsigned may)
{
	const struct judge_request req = { .node = n, .may = may, .again = true };

	return judge_rechecks(&v->judge) ? view_permit(v, tid, &req) : 0;
}

int view_permit_tree(struct view *v, pid_t tid, struct node *dir, const char *name)
{
	const struct judge_request req = { .node = dir, .name = name, .may = MAY_ALL };
	struct givens givens = view_givens(v);

	if (view_still(v, VIEW_OPEN) < 0)
		return -EIO;
	return obey(v, tid, &req, judge_decide_tree(&v->judge, &givens, tid, dir, name));
}

int view_list(struct view *v, pid_t tid, struct node *dir, struct judge_listing *ret)
{
	const struct judge_request req = { .node = dir, .may = MAY_LIST };
	struct givens givens = view_givens(v);

	if (view_still(v, VIEW_OPEN) < 0)
		return -EIO;
	return obey(v, tid, &req, judge_list_begin(&v->judge, &givens, tid, dir, ret));
}

void view_changed(struct view *v)
{
	struct view_plain msg = { .op = VIEW_DIRTY };

	if (v->keeper < 0 || atomic_load_explicit(&v->dirty, memory_order_relaxed))
		return;
	/* First said, then marked: another thread that sees the mark changes the store at once, and
	 * if we were killed in between, the keeper would never know. Twice is no harm. */
	msg_send(v->keeper, &msg, sizeof(msg), NULL, 0);
	atomic_store(&v->dirty, true);
}
