#include <errno.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "tazfs/caller_priv.h"

bool facts_is_same_exe(const struct peek_exe *a, const struct peek_exe *b)
{
	return a->id.ino == b->id.ino && a->id.dev == b->id.dev && a->changed_ns == b->changed_ns;
}

bool facts_is_same_now(const struct now *a, const struct now *b)
{
	return a->open == b->open && a->tty == b->tty && a->traced == b->traced &&
	       a->uid == b->uid && a->image == b->image && facts_is_same_exe(&a->exe, &b->exe);
}

/* Whoever traces another thread of the process can make this one do anything, too: the first thread
 * is looked at as well, which is the one that debuggers attach to. */
static bool is_traced(const struct proc_status *st, pid_t tid)
{
	autoclose int procfd = -EBADF;
	struct proc_status first;

	if (st->tracer || st->tgid == tid)
		return st->tracer;
	procfd = proc_open(st->tgid);
	return procfd < 0 || proc_status_read(procfd, &first) < 0 || first.tracer;
}

static uid_t one_uid(const uid_t uid[4])
{
	for (int i = 1; i < 4; i++)
		if (uid[i] != uid[0])
			return (uid_t)-1;
	return uid[0];
}

bool facts_now(struct callers *c, int procfd, pid_t tid, uint32_t session, unsigned needs,
	       bool image, struct now *ret)
{
	struct now now = { .uid = (uid_t)-1 };
	struct proc_status status;
	struct proc_stat stat;

	if (session)
		now.open = !peek_is_closed(&c->peek, procfd,
					   sessions_kind(c->sessions, session) & SESSION_MARKED,
					   &now.exe);
	else if (needs & FACT_EXE)
		peek_exe(procfd, &now.exe);
	if (needs & (FACT_UID | FACT_TRACED)) {
		bool told = proc_status_read(procfd, &status) == 0;

		now.uid = told ? one_uid(status.uid) : (uid_t)-1;
		now.traced = !told || is_traced(&status, tid);
	}
	if (needs & FACT_TTY)
		now.tty = proc_stat_read(procfd, &stat) == 0 && stat.tty_nr;
	if (image)
		now.image = script_image(procfd);
	*ret = now;
	return (session && !now.open) || peek_is_living(procfd);
}

static void read_env(void *arg, int procfd)
{
	*(bool *)arg = script_env_is_clean(procfd);
}

static void add_hash(struct ask *a, int procfd, struct program *p)
{
	bool settled = true;
	int r = pin_hash(a->pins, procfd, p->hash, &settled);

	p->hashed = r == 0;
	/* What has not settled, or could not be waited for, is looked at again next time. */
	a->gave_up |= !settled || r == -EAGAIN || r == -EBUSY;
}

static void fill(struct ask *a, int procfd, const struct known *k, const struct run *run,
		 struct facts *ret)
{
	*ret = (struct facts){
		.session = k->kin.session,
		.uid = k->now.uid,
		.open = k->now.open,
		.tty = k->now.tty,
		.traced = k->now.traced,
	};
	kin_add(ret, &k->kin, run);
	if (a->needs & FACT_ENV)
		ask_slow(a, read_env, &ret->clean_env, procfd);
	if (a->needs & FACT_HASH)
		add_hash(a, procfd, &ret->chain[0]);
	if (a->needs & FACT_CHAIN)
		kin_add_ancestors(a, &k->kin, ret);
}

/* Most threads that ask are their process's first, and of one that is known. */
static bool find_process(struct ask *a, int procfd, pid_t tid, struct kin *ret)
{
	pid_t tgid;

	if (kin_recall(a, tid, ret))
		return true;
	tgid = proc_tgid_read(procfd);
	return tgid > 0 && kin_find(a, tgid, ret);
}

/* It lives, so that its process did not change under its number; and it did not become another
 * program while it was read. */
static int check(struct ask *a, int procfd, const struct known *k)
{
	struct now now;

	if (!facts_now(a->c, procfd, k->tid, k->kin.session, a->needs & FACT_EXE, k->image, &now))
		return -ESRCH;
	if (now.open != k->now.open || now.image != k->now.image)
		return -EAGAIN;
	return facts_is_same_exe(&now.exe, &k->now.exe) ? 0 : -EAGAIN;
}

int facts_read(struct ask *a, pid_t tid, struct known *k, struct facts *ret, int *ret_procfd)
{
	autoclose int procfd = proc_open(tid);
	struct run run = { .script.doubt = true };
	int r;

	*k = (struct known){ .tid = tid,
			     .needs = a->needs,
			     .generation = sessions_generation(a->c->sessions) };
	if (procfd < 0 || !find_process(a, procfd, tid, &k->kin))
		return -ESRCH;
	/* Through its own thread: the first one of its process may have ended. */
	if (a->needs & FACT_CHAIN && tid == k->kin.pid)
		run = k->kin.run;
	else if (a->needs & FACT_SCRIPT)
		kin_run(a, procfd, &run);
	k->image = run.interpreter || a->needs & FACT_ENV;
	if (!facts_now(a->c, procfd, tid, k->kin.session, a->needs, k->image, &k->now))
		return -ESRCH;
	run.exe = k->now.exe;
	fill(a, procfd, k, &run, ret);
	r = check(a, procfd, k);
	if (r == 0)
		*ret_procfd = take_fd(&procfd);
	return r;
}
