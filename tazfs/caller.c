#include "tazfs/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/privs.h"
#include "enclave/base/proc.h"

#define SETS  64
#define WAYS  4
#define DEPTH 256 /* no process has that many ancestors; a loop is refused */
#define TRIES 8	  /* how often a parent may die under our eyes before we refuse */

struct known {
	struct caller who;
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
	struct set sets[SETS];
	char uid_map[256]; /* our own: who has another one is in another user namespace */
};

int callers_new(struct sessions *sessions, struct callers **ret)
{
	struct callers *c = calloc(1, sizeof(*c));
	ssize_t n;

	if (!c)
		return -ENOMEM;
	c->sessions = sessions;
	n = io_read_text(AT_FDCWD, "/proc/self/uid_map", c->uid_map, sizeof(c->uid_map));
	if (n < 0) {
		free(c);
		return (int)n;
	}
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
	free(c);
}

/* A name below a descriptor of /proc/TID is found only while that very thread lives. */
static bool is_living(int procfd)
{
	return faccessat(procfd, "stat", F_OK, 0) == 0;
}

static bool is_current(const struct callers *c, const struct known *k)
{
	if (k->generation != sessions_generation(c->sessions) || !is_living(k->procfd))
		return false;
	return !k->who.session || sessions_alive(c->sessions, k->who.session);
}

/* Fills @ret and returns true when @tid is known and all that is known of it is still true. */
static bool recall(struct callers *c, pid_t tid, struct caller *ret)
{
	struct set *set = &c->sets[(unsigned)tid % SETS];
	bool found = false;

	pthread_mutex_lock(&set->lock);
	for (int w = 0; w < WAYS && !found; w++) {
		struct known *k = &set->ways[w];

		if (k->procfd < 0 || k->who.tid != tid)
			continue;
		if (is_current(c, k)) {
			k->used = ++set->clock;
			*ret = k->who;
			found = true;
		} else {
			fd_close(&k->procfd);
		}
	}
	pthread_mutex_unlock(&set->lock);
	return found;
}

static void remember(struct callers *c, const struct caller *who, uint32_t generation, int *procfd)
{
	struct set *set = &c->sets[(unsigned)who->tid % SETS];
	struct known *victim;

	pthread_mutex_lock(&set->lock);
	victim = &set->ways[0];
	for (int w = 1; w < WAYS && victim->procfd >= 0; w++)
		if (set->ways[w].procfd < 0 ||
		    set->clock - set->ways[w].used > set->clock - victim->used)
			victim = &set->ways[w];
	fd_close(&victim->procfd);
	*victim = (struct known){ .who = *who,
				  .generation = generation,
				  .used = ++set->clock,
				  .procfd = take_fd(procfd) };
	pthread_mutex_unlock(&set->lock);
}

static uint32_t process_session(struct callers *c, pid_t pid, int depth, uint64_t *ret_start);

/*
 * The session of the parent. The parent's facts count only if it is still the parent after they
 * were read: a pid is given to another process only after its owner has died, and then the child
 * has been handed to an older ancestor, which never has the same number.
 */
static uint32_t parent_session(struct callers *c, int procfd, const struct proc_stat *child,
			       int depth)
{
	struct proc_stat st = *child;

	for (int i = 0; i < TRIES && st.ppid > 0; i++) {
		pid_t ppid = st.ppid;
		uint64_t start;
		uint32_t session = process_session(c, ppid, depth + 1, &start);

		if (proc_stat_read(procfd, &st) < 0 || st.start != child->start)
			return 0;
		if (st.ppid == ppid)
			return start <= st.start ? session : 0;
	}
	return 0;
}

/* The session of a process (not of a thread), 0 for none or when it is gone. */
static uint32_t process_session(struct callers *c, pid_t pid, int depth, uint64_t *ret_start)
{
	autoclose int procfd = -EBADF;
	struct caller who = { .tid = pid, .tgid = pid };
	struct proc_stat st;
	uint32_t generation = sessions_generation(c->sessions);

	*ret_start = UINT64_MAX;
	if (depth > DEPTH)
		return 0;
	if (recall(c, pid, &who)) {
		*ret_start = who.start;
		return who.session;
	}
	procfd = proc_open(pid);
	if (procfd < 0 || proc_stat_read(procfd, &st) < 0)
		return 0;
	who = (struct caller){ .tid = pid, .tgid = pid, .start = st.start };
	who.session = sessions_find(c->sessions, pid, st.start);
	if (!who.session)
		who.session = parent_session(c, procfd, &st, depth);
	*ret_start = st.start;
	remember(c, &who, generation, &procfd);
	return who.session;
}

static struct caller look(struct callers *c, pid_t tid)
{
	autoclose int procfd = -EBADF;
	struct caller who = { 0 };
	uint32_t generation = sessions_generation(c->sessions);
	pid_t tgid;

	if (tid <= 0)
		return who;
	if (recall(c, tid, &who))
		return who;
	who = (struct caller){ .tid = tid };
	procfd = proc_open(tid);
	tgid = procfd < 0 ? -ESRCH : proc_tgid_read(procfd);
	if (tgid <= 0)
		return who;
	who.session = process_session(c, tgid, 0, &who.start);
	/* The thread still belongs to it: so the process did not change under its number. */
	if (proc_tgid_read(procfd) != tgid)
		return (struct caller){ .tid = tid };
	who.tgid = tgid;
	if (tgid != tid)
		remember(c, &who, generation, &procfd);
	return who;
}

/* Asked anew each time: an exec of a setgid program, or a new user namespace, changes it. */
static bool is_open(struct callers *c, const struct caller *who)
{
	uint64_t caps = sessions_is_marked(c->sessions, who->session) ? PRIVS_MARK : 0;
	autoclose int procfd = proc_open(who->tid);

	return procfd < 0 || proc_is_open_to(procfd, caps, c->uid_map);
}

struct caller caller_look(struct callers *c, pid_t tid)
{
	struct caller who = look(c, tid);

	if (who.session)
		who.open = is_open(c, &who);
	return who;
}
