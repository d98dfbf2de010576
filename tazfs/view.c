#include "tazfs/view.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

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

	*v = (struct view){ .rootfd = -EBADF, .mountfd = mountfd, .keeper = keeper };
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

int view_permit(struct view *v, pid_t tid, bool change)
{
	struct policy policy = { .everyone = v->everyone, .self = atomic_load(&v->self) };
	struct caller caller = { .tid = tid };

	if (view_still(v, VIEW_OPEN) < 0)
		return tid > 0 && tid == policy.self ? view_still(v, VIEW_CLOSING) : -EIO;
	if (!policy.everyone && tid != policy.self)
		caller = caller_look(v->callers, tid);
	if (decide(&caller, &policy) != VERDICT_ALLOW)
		return -EACCES;
	view_used(v);
	if (change)
		view_changed(v);
	return 0;
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
