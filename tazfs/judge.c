#include "tazfs/judge.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "tazfs/slow.h"

#define NAMELESS "/" /* no path below the root: only a rule for everything fits it */

void judge_init(struct judge *j, struct callers *callers, struct nodes *nodes)
{
	*j = (struct judge){ .callers = callers, .nodes = nodes };
	pthread_rwlock_init(&j->lock, NULL);
}

struct find {
	const char *const *paths;
	unsigned n;
	struct file_id *ret;
};

static void stat_programs(void *arg, int fd)
{
	const struct find *f = arg;
	struct stat st;

	for (unsigned i = 0; i < f->n; i++)
		f->ret[i] = stat(f->paths[i], &st) < 0
				    ? (struct file_id){ 0 }
				    : (struct file_id){ .dev = st.st_dev, .ino = st.st_ino };
}

/* At this moment: a program may have been upgraded since. Their paths may lead into our own mount;
 * what our own threads ask there is refused without a look (classify()). */
bool judge_find_programs(struct judge *j, struct file_id *ret)
{
	struct find f = { .ret = ret };

	f.n = policy_programs(j->policy, &f.paths);
	return !f.n || slow_run(SLOW_LOOK, stat_programs, &f, -EBADF);
}

/* A callers_classify_t. Called below caller_look(), inside the lock. */
static void classify(void *arg, const struct facts *facts, struct policy_who *ret)
{
	struct file_id programs[POLICY_PROGRAMS_MAX];
	struct judge *j = arg;

	*ret = (struct policy_who){ 0 }; /* no rule fits: refused */
	if (facts->chain[0].pid != getpid() && judge_find_programs(j, programs))
		*ret = former_who(j->former, j->policy, facts, programs);
}

void judge_set(struct judge *j, struct policy *policy)
{
	struct former *old_former;
	struct policy *old;

	pthread_rwlock_wrlock(&j->lock);
	old = j->policy;
	old_former = j->former;
	j->policy = policy;
	j->reopens = policy && policy_rechecks(policy) && !policy_audit_only(policy);
	j->rechecks = policy && policy_rechecks(policy);
	j->former = policy ? former_new(policy, old_former, old) : NULL;
	callers_set_classifier(j->callers, policy ? policy_needs(policy) : 0,
			       policy ? classify : NULL, j);
	pthread_rwlock_unlock(&j->lock);
	former_free(old_former);
	policy_free(old);
}

static int path_of(const struct judge *j, struct node *node, const char *name, char *buf,
		   size_t size)
{
	int r = node_path(j->nodes, node, buf, size);
	size_t n;

	if (r < 0 || !name)
		return r;
	n = strlen(buf);
	if (n + strlen(name) + 2 > size)
		return -ENAMETOOLONG;
	if (n)
		buf[n++] = '/';
	strcpy(buf + n, name);
	return 0;
}

static const struct judgement granted = { .decision.verdict = VERDICT_ALLOW, .granted = true };
static const struct judgement refused = { .decision.verdict = VERDICT_DENY };

static struct judgement judged(const struct judge *j, const struct caller *caller,
			       struct decision d)
{
	return (struct judgement){
		.decision = d,
		.records_all = policy_audit_all(j->policy),
		.session = caller->session,
		.start = caller->start,
		.granted = d.verdict == VERDICT_ALLOW || policy_audit_only(j->policy),
	};
}

/* What comes before the policy. True: the policy decides about @ret_caller. */
static bool is_left_to_policy(struct judge *j, const struct givens *givens, pid_t tid,
			      struct caller *ret_caller, struct judgement *ret)
{
	*ret_caller = (struct caller){ .tid = tid };
	if (tid != givens->self && (!givens->everyone || j->policy))
		*ret_caller = caller_look(j->callers, tid);
	switch (decide(ret_caller, givens)) {
	case ADMIT_SELF:
		*ret = granted;
		return false;
	case ADMIT_CALLER:
		*ret = granted;
		return j->policy;
	default:
		*ret = refused;
		return false;
	}
}

static struct decision decide_path(const struct judge *j, const struct caller *caller,
				   const struct judge_request *req)
{
	char path[PATH_MAX];

	/* Whatever it was called, a rule may have been about it: only who may do everything may. */
	if (path_of(j, req->node, req->name, path, sizeof(path)) < 0) {
		if (req->may)
			return policy_decide_tree(j->policy, &caller->who, "");
		strcpy(path, NAMELESS);
	}
	if (req->may)
		return policy_decide(j->policy, &caller->who, req->may, path);
	return policy_look(j->policy, &caller->who, path);
}

struct judgement judge_decide(struct judge *j, const struct givens *givens, pid_t tid,
			      const struct judge_request *req)
{
	struct judgement ret;
	struct caller caller;

	pthread_rwlock_rdlock(&j->lock);
	if (is_left_to_policy(j, givens, tid, &caller, &ret))
		ret = judged(j, &caller, decide_path(j, &caller, req));
	pthread_rwlock_unlock(&j->lock);
	return ret;
}

struct judgement judge_decide_tree(struct judge *j, const struct givens *givens, pid_t tid,
				   struct node *dir, const char *name)
{
	struct judgement ret;
	struct caller caller;
	char path[PATH_MAX];

	pthread_rwlock_rdlock(&j->lock);
	if (is_left_to_policy(j, givens, tid, &caller, &ret)) {
		ret = refused;
		if (path_of(j, dir, name, path, sizeof(path)) == 0)
			ret = judged(j, &caller, policy_decide_tree(j->policy, &caller.who, path));
	}
	pthread_rwlock_unlock(&j->lock);
	return ret;
}

struct judgement judge_list_begin(struct judge *j, const struct givens *givens, pid_t tid,
				  struct node *dir, struct judge_listing *ret)
{
	const struct judge_request req = { .node = dir, .may = MAY_LIST };
	struct judgement judgement;
	struct caller caller;

	pthread_rwlock_rdlock(&j->lock);
	*ret = (struct judge_listing){ .judge = j, .all = true };
	if (is_left_to_policy(j, givens, tid, &caller, &judgement)) {
		judgement = judged(j, &caller, decide_path(j, &caller, &req));
		ret->all = policy_audit_only(j->policy);
		ret->who = caller.who;
		judge_path(j, &req, ret->path, sizeof(ret->path));
		ret->len = strlen(ret->path);
	}
	if (!judgement.granted)
		pthread_rwlock_unlock(&j->lock);
	return judgement;
}

void judge_list_end(struct judge_listing *l)
{
	pthread_rwlock_unlock(&l->judge->lock);
}

bool judge_lists(struct judge_listing *l, const char *name)
{
	struct decision d;

	if (l->all)
		return true;
	if (l->len + strlen(name) + 2 > sizeof(l->path))
		return false;
	sprintf(l->path + l->len, "%s%s", l->len ? "/" : "", name);
	d = policy_look(l->judge->policy, &l->who, l->path);
	return d.verdict != VERDICT_HIDE && (d.line || d.verdict != VERDICT_DENY);
}

bool judge_is_even(struct judge *j)
{
	bool even;

	pthread_rwlock_rdlock(&j->lock);
	even = !j->policy || policy_is_even(j->policy);
	pthread_rwlock_unlock(&j->lock);
	return even;
}

void judge_path(struct judge *j, const struct judge_request *req, char *buf, size_t size)
{
	if (path_of(j, req->node, req->name, buf, size) < 0)
		strcpy(buf, NAMELESS);
}

size_t judge_text(struct judge *j, size_t at, char *buf, size_t size)
{
	const char *text = "";
	size_t n = 0;

	pthread_rwlock_rdlock(&j->lock);
	if (j->policy)
		text = policy_text(j->policy, &n);
	n = at < n ? n - at : 0;
	if (n > size)
		n = size;
	memcpy(buf, text + at, n);
	pthread_rwlock_unlock(&j->lock);
	return n;
}
