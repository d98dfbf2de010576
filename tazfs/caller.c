#include "tazfs/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/proc.h"
#include "tazfs/peek.h"

#define SETS  64
#define WAYS  4
#define DEPTH 256 /* no process has that many ancestors; a loop is refused */
#define TRIES 8	  /* how often a parent may die, or a program change, before we refuse */

/* A process and where it comes from: true as long as it lives and the sessions are the same. */
struct kin {
	pid_t pid;
	uint64_t start;
	uint32_t session; /* of its nearest leader */
	bool leads;	  /* it is that leader */
	bool orphan;	  /* its parent is the leader, who did not start it */
	pid_t ppid;	  /* with @pstart: the parent, while that lives. Only of members */
	uint64_t pstart;
	struct peek_exe exe; /* with FACT_CHAIN */
};

/* What can change while it lives. */
struct now {
	bool open, tty, traced;
	uid_t uid;
	struct peek_exe exe;
};

struct known {
	pid_t tid;
	struct kin kin; /* of its process; its own when kin.pid is tid */
	unsigned needs; /* what kin was read for */
	uint64_t stamp; /* of the classifier that has judged it; 0: none has */
	struct now now;
	struct policy_who who;
	uint32_t generation; /* of the set of sessions, when it was looked at */
	uint32_t used;	     /* the set's clock: the oldest gives way */
	int procfd;	     /* O_PATH of /proc/TID; -EBADF: the place is free */
};

struct set {
	pthread_mutex_t lock;
	uint32_t clock;
	struct known ways[WAYS];
};

struct callers {
	struct sessions *sessions;
	struct peek peek;
	struct set sets[SETS];
	pthread_rwlock_t rules; /* guards fn and arg; taken for writing when stamp changes */
	callers_classify_t *fn;
	void *arg;
	_Atomic uint64_t stamp; /* needs, and above them a number that each classifier has anew */
};

#define STAMP_ONE (UINT64_C(1) << 32)

static unsigned needs_of(uint64_t stamp)
{
	return (unsigned)(stamp & (STAMP_ONE - 1));
}

int callers_new(struct sessions *sessions, struct callers **ret)
{
	struct callers *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->sessions = sessions;
	c->stamp = STAMP_ONE;
	r = peek_init(&c->peek);
	if (r < 0) {
		free(c);
		return r;
	}
	pthread_rwlock_init(&c->rules, NULL);
	for (int i = 0; i < SETS; i++) {
		pthread_mutex_init(&c->sets[i].lock, NULL);
		for (int w = 0; w < WAYS; w++)
			c->sets[i].ways[w].procfd = -EBADF;
	}
	*ret = c;
	return 0;
}

void callers_free(struct callers *c)
{
	if (!c)
		return;
	for (int i = 0; i < SETS; i++) {
		for (int w = 0; w < WAYS; w++)
			fd_close(&c->sets[i].ways[w].procfd);
		pthread_mutex_destroy(&c->sets[i].lock);
	}
	pthread_rwlock_destroy(&c->rules);
	free(c);
}

void callers_set_classifier(struct callers *c, unsigned needs, callers_classify_t *fn, void *arg)
{
	pthread_rwlock_wrlock(&c->rules);
	c->fn = fn;
	c->arg = arg;
	atomic_store(&c->stamp, (atomic_load(&c->stamp) / STAMP_ONE + 1) * STAMP_ONE + needs);
	pthread_rwlock_unlock(&c->rules);
}

/* --- memory ---------------------------------------------------------------------------------- */

static struct set *set_of(struct callers *c, pid_t tid)
{
	return &c->sets[(unsigned)tid % SETS];
}

static struct known *find_locked(struct set *set, pid_t tid)
{
	for (int w = 0; w < WAYS; w++)
		if (set->ways[w].procfd >= 0 && set->ways[w].tid == tid)
			return &set->ways[w];
	return NULL;
}

static struct known *oldest_locked(struct set *set)
{
	struct known *victim = &set->ways[0];

	for (int w = 1; w < WAYS && victim->procfd >= 0; w++)
		if (set->ways[w].procfd < 0 ||
		    set->clock - set->ways[w].used > set->clock - victim->used)
			victim = &set->ways[w];
	return victim;
}

/* Puts @k in the place of what was known of that thread. Takes @procfd. */
static void remember(struct callers *c, struct known k, int *procfd)
{
	struct set *set = set_of(c, k.tid);
	struct known *place;

	k.procfd = take_fd(procfd);
	pthread_mutex_lock(&set->lock);
	place = find_locked(set, k.tid);
	if (!place)
		place = oldest_locked(set);
	fd_close(&place->procfd);
	k.used = ++set->clock;
	*place = k;
	pthread_mutex_unlock(&set->lock);
}

static bool is_same_exe(const struct peek_exe *a, const struct peek_exe *b)
{
	return a->id.ino == b->id.ino && a->id.dev == b->id.dev && a->changed_ns == b->changed_ns;
}

static bool is_same_now(const struct now *a, const struct now *b)
{
	return a->open == b->open && a->tty == b->tty && a->traced == b->traced &&
	       a->uid == b->uid && is_same_exe(&a->exe, &b->exe);
}

/* The sessions are what they were, and the leader lives. */
static bool is_member_still(const struct callers *c, const struct known *k)
{
	if (k->generation != sessions_generation(c->sessions))
		return false;
	return !k->kin.session || sessions_alive(c->sessions, k->kin.session);
}

/* It lives; and it still runs what it ran, if that was asked for. */
static bool is_process_still(const struct known *k, unsigned needs)
{
	struct peek_exe exe = { 0 };

	if (!(needs & FACT_CHAIN))
		return peek_is_living(k->procfd);
	if (!(k->needs & FACT_CHAIN))
		return false;
	return (peek_exe(k->procfd, &exe) == 0 || peek_is_living(k->procfd)) &&
	       is_same_exe(&exe, &k->kin.exe);
}

/* Is it traced? Whoever traces another thread of the process can make this one do anything, too:
 * the first thread is looked at as well, which is the one that debuggers attach to. */
static bool is_traced(const struct proc_status *st, pid_t tid)
{
	autoclose int procfd = -EBADF;
	struct proc_status main;

	if (st->tracer || st->tgid == tid)
		return st->tracer;
	procfd = proc_open(st->tgid);
	return procfd < 0 || proc_status_read(procfd, &main) < 0 || main.tracer;
}

static uid_t one_uid(const uid_t uid[4])
{
	for (int i = 1; i < 4; i++)
		if (uid[i] != uid[0])
			return (uid_t)-1;
	return uid[0];
}

/*
 * Returns false when the thread has ended. What can't be read is as bad as it can be.
 * @session: its own, 0 for none
 */
static bool read_now(struct callers *c, int procfd, pid_t tid, uint32_t session, unsigned needs,
		     struct now *ret)
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
	*ret = now;
	return (session && !now.open) || peek_is_living(procfd);
}

/* Fills @ret and returns true when @tid was judged and all that is known of it is still true. */
static bool recall(struct callers *c, pid_t tid, uint64_t stamp, struct caller *ret)
{
	struct set *set = set_of(c, tid);
	bool found = false;
	struct known *k;
	struct now now;

	pthread_mutex_lock(&set->lock);
	k = find_locked(set, tid);
	if (k && k->stamp == stamp && is_member_still(c, k) &&
	    read_now(c, k->procfd, tid, k->kin.session, needs_of(stamp), &now) &&
	    is_same_now(&now, &k->now)) {
		k->used = ++set->clock;
		*ret = (struct caller){ .tid = tid,
					.tgid = k->kin.pid,
					.start = k->kin.start,
					.session = k->kin.session,
					.open = now.open,
					.who = k->who };
		found = true;
	}
	pthread_mutex_unlock(&set->lock);
	return found;
}

/* The same for a process as an ancestor. */
static bool recall_kin(struct callers *c, pid_t pid, unsigned needs, struct kin *ret)
{
	struct set *set = set_of(c, pid);
	bool found = false;
	struct known *k;

	pthread_mutex_lock(&set->lock);
	k = find_locked(set, pid);
	if (k && k->kin.pid == pid && is_member_still(c, k) && is_process_still(k, needs)) {
		k->used = ++set->clock;
		*ret = k->kin;
		found = true;
	}
	pthread_mutex_unlock(&set->lock);
	return found;
}

/* --- ancestors ------------------------------------------------------------------------------- */

static bool find_kin(struct callers *c, pid_t pid, unsigned needs, int depth, struct kin *ret);

/*
 * The command of a leader is the first of its children: the kernel lists them oldest first, and
 * adds those that it hands over at the end. The leader reaps its command last of all.
 * Source: proc(5) /proc/PID/task/TID/children; reparent_leader() in kernel/exit.c.
 */
static bool is_command(pid_t pid, pid_t leader)
{
	autoclose int fd = -EBADF;
	char text[64];
	ssize_t n;

	snprintf(text, sizeof(text), "/proc/%d/task/%d/children", leader, leader);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -errno : io_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return strtol(text, NULL, 10) == pid;
}

/*
 * The parent's facts count only if it is still the parent after they were read: a pid is given to
 * another process only after its owner has died, and then the child has been handed to an older
 * ancestor, which never has the same number.
 */
static void find_parent(struct callers *c, int procfd, const struct proc_stat *child,
			unsigned needs, int depth, struct kin *ret)
{
	struct proc_stat st = *child;

	for (int i = 0; i < TRIES && st.ppid > 0; i++) {
		pid_t ppid = st.ppid;
		struct kin parent;
		bool found = find_kin(c, ppid, needs, depth + 1, &parent);
		bool orphan = found && parent.leads &&
			      sessions_kind(c->sessions, parent.session) & SESSION_COMMAND &&
			      !is_command(child->pid, ppid);

		if (proc_stat_read(procfd, &st) < 0 || st.start != child->start)
			return;
		if (st.ppid != ppid)
			continue;
		if (found && parent.start <= st.start) {
			ret->session = parent.session;
			ret->ppid = ppid;
			ret->pstart = parent.start;
			ret->orphan = orphan;
		}
		return;
	}
}

/* Where a process (not a thread) comes from. Returns false when it has ended. */
static bool find_kin(struct callers *c, pid_t pid, unsigned needs, int depth, struct kin *ret)
{
	autoclose int procfd = -EBADF;
	struct known k = { .tid = pid, .needs = needs };
	struct proc_stat st;

	if (depth > DEPTH)
		return false;
	if (recall_kin(c, pid, needs, ret))
		return true;
	k.generation = sessions_generation(c->sessions);
	procfd = proc_open(pid);
	if (procfd < 0 || proc_stat_read(procfd, &st) < 0)
		return false;
	k.kin = (struct kin){ .pid = pid, .start = st.start };
	k.kin.session = sessions_find(c->sessions, pid, st.start);
	k.kin.leads = k.kin.session != 0;
	if (needs & FACT_CHAIN)
		peek_exe(procfd, &k.kin.exe);
	if (!k.kin.leads)
		find_parent(c, procfd, &st, needs, depth, &k.kin);
	*ret = k.kin;
	remember(c, k, &procfd);
	return true;
}

static void add_program(struct facts *f, const struct kin *kin, const struct peek_exe *exe)
{
	f->chain[f->n_chain++] = (struct program){
		.pid = kin->pid, .start = kin->start, .known = exe->id.ino != 0, .exe = exe->id
	};
}

/*
 * From the parent up to the leader. A leader that is "enclave session" is left out: it is our own
 * program, which shows itself to nobody.
 */
static void add_ancestors(struct callers *c, const struct kin *self, unsigned needs,
			  struct facts *f)
{
	bool command = sessions_kind(c->sessions, self->session) & SESSION_COMMAND;
	struct kin kin = *self;
	bool gap = false;

	while (kin.session && !kin.leads) {
		uint64_t pstart = kin.pstart;

		gap |= kin.orphan;
		if (!kin.ppid || !find_kin(c, kin.ppid, needs, 0, &kin) || kin.start != pstart)
			return;
		if (kin.leads && command)
			break;
		if (f->n_chain == FACTS_CHAIN_MAX)
			return;
		add_program(f, &kin, &kin.exe);
	}
	f->whole = kin.session && !gap;
}

/* --- a look ---------------------------------------------------------------------------------- */

static void fill_facts(struct callers *c, const struct known *k, unsigned needs, struct facts *ret)
{
	*ret = (struct facts){
		.session = k->kin.session,
		.uid = k->now.uid,
		.open = k->now.open,
		.tty = k->now.tty,
		.traced = k->now.traced,
	};
	add_program(ret, &k->kin, &k->now.exe);
	if (needs & FACT_CHAIN)
		add_ancestors(c, &k->kin, needs, ret);
}

/*
 * Read everything of a thread.
 * Returns 0, -ESRCH when there is nobody, -EAGAIN when it became another program meanwhile.
 */
static int look(struct callers *c, pid_t tid, unsigned needs, struct known *k, struct facts *ret,
		int *ret_procfd)
{
	autoclose int procfd = -EBADF;
	struct now now;
	pid_t tgid;

	*k = (struct known){ .tid = tid, .generation = sessions_generation(c->sessions) };
	procfd = proc_open(tid);
	tgid = procfd < 0 ? -ESRCH : proc_tgid_read(procfd);
	if (tgid <= 0 || !find_kin(c, tgid, needs, 0, &k->kin))
		return -ESRCH;
	k->needs = needs;
	if (!read_now(c, procfd, tid, k->kin.session, needs, &k->now))
		return -ESRCH;
	fill_facts(c, k, needs, ret);
	/* The thread still belongs to it: so the process did not change under its number. */
	if (proc_tgid_read(procfd) != tgid)
		return -ESRCH;
	if (!read_now(c, procfd, tid, k->kin.session, needs, &now))
		return -ESRCH;
	*ret_procfd = take_fd(&procfd);
	return is_same_now(&now, &k->now) ? 0 : -EAGAIN;
}

/* False: the classifier is another one by now. */
static bool classify(struct callers *c, uint64_t stamp, const struct facts *facts,
		     struct policy_who *ret)
{
	bool current;

	pthread_rwlock_rdlock(&c->rules);
	current = atomic_load(&c->stamp) == stamp;
	if (current && c->fn)
		c->fn(c->arg, facts, ret);
	pthread_rwlock_unlock(&c->rules);
	return current;
}

static int look_and_judge(struct callers *c, pid_t tid, uint64_t stamp, struct caller *ret)
{
	autoclose int procfd = -EBADF;
	struct facts facts;
	struct known k;
	int r = look(c, tid, needs_of(stamp), &k, &facts, &procfd);

	if (r < 0)
		return r;
	if (!classify(c, stamp, &facts, &k.who))
		return -EAGAIN;
	k.stamp = stamp;
	*ret = (struct caller){ .tid = tid,
				.tgid = k.kin.pid,
				.start = k.kin.start,
				.session = k.kin.session,
				.open = k.now.open,
				.who = k.who };
	remember(c, k, &procfd);
	return 0;
}

struct caller caller_look(struct callers *c, pid_t tid)
{
	struct caller who = { 0 };

	for (int i = 0; i < TRIES && tid > 0; i++) {
		uint64_t stamp = atomic_load(&c->stamp);
		int r;

		if (recall(c, tid, stamp, &who))
			return who;
		r = look_and_judge(c, tid, stamp, &who);
		if (r == 0)
			return who;
		if (r != -EAGAIN)
			break;
	}
	return (struct caller){ .tid = tid > 0 ? tid : 0 };
}

int callers_facts(struct callers *c, pid_t tid, unsigned needs, struct facts *ret)
{
	struct callers *fresh = NULL; /* a memory of its own, that knows nothing */
	int r = tid <= 0 ? -ESRCH : callers_new(c->sessions, &fresh);

	for (int i = 0; i < TRIES && (r == 0 || r == -EAGAIN); i++) {
		autoclose int procfd = -EBADF;
		struct known k;

		r = look(fresh, tid, needs, &k, ret, &procfd);
		if (r == 0)
			break;
	}
	callers_free(fresh);
	return r == -EAGAIN ? -ESRCH : r;
}
