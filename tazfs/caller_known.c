#include "tazfs/caller_priv.h"

#include <errno.h>
#include <fcntl.h>

#include "enclave/base/fd.h"

void known_init(struct callers *c)
{
	for (int i = 0; i < CALLER_SETS; i++) {
		pthread_mutex_init(&c->sets[i].lock, NULL);
		for (int w = 0; w < CALLER_WAYS; w++)
			c->sets[i].ways[w].procfd = -EBADF;
	}
}

void known_done(struct callers *c)
{
	for (int i = 0; i < CALLER_SETS; i++) {
		for (int w = 0; w < CALLER_WAYS; w++)
			fd_close(&c->sets[i].ways[w].procfd);
		pthread_mutex_destroy(&c->sets[i].lock);
	}
}

static struct set *set_of(struct callers *c, pid_t tid)
{
	return &c->sets[(unsigned)tid % CALLER_SETS];
}

static struct known *find_locked(struct set *set, pid_t tid)
{
	for (int w = 0; w < CALLER_WAYS; w++)
		if (set->ways[w].procfd >= 0 && set->ways[w].tid == tid)
			return &set->ways[w];
	return NULL;
}

static struct known *oldest_locked(struct set *set)
{
	struct known *victim = &set->ways[0];

	for (int w = 1; w < CALLER_WAYS && victim->procfd >= 0; w++)
		if (set->ways[w].procfd < 0 ||
		    set->clock - set->ways[w].used > set->clock - victim->used)
			victim = &set->ways[w];
	return victim;
}

void known_remember(const struct ask *a, const struct known *k, int *procfd)
{
	struct set *set = set_of(a->c, k->tid);
	struct known *place;

	if (a->gave_up)
		return;
	pthread_mutex_lock(&set->lock);
	place = find_locked(set, k->tid);
	if (!place)
		place = oldest_locked(set);
	fd_close(&place->procfd);
	*place = *k;
	place->procfd = take_fd(procfd);
	place->used = ++set->clock;
	pthread_mutex_unlock(&set->lock);
}

/* The sessions are what they were, and the leader lives. */
static bool is_member_still(const struct callers *c, const struct known *k)
{
	if (k->generation != sessions_generation(c->sessions))
		return false;
	return !k->kin.session || sessions_alive(c->sessions, k->kin.session);
}

static bool is_now_still(struct callers *c, const struct known *k)
{
	struct now now;

	if (!facts_now(c, k->procfd, k->tid, k->kin.session, (uint32_t)k->stamp, false, &now))
		return false;
	now.image = k->now.image;
	return facts_is_same_now(&now, &k->now);
}

bool known_recall(struct callers *c, pid_t tid, uint64_t stamp, struct caller *ret)
{
	struct set *set = set_of(c, tid);
	autoclose int procfd = -EBADF;
	bool found = false;
	uint64_t image = 0;
	struct known *k;

	pthread_mutex_lock(&set->lock);
	k = find_locked(set, tid);
	if (k && k->stamp == stamp && is_member_still(c, k) && is_now_still(c, k)) {
		k->used = ++set->clock;
		*ret = (struct caller){ .tid = tid,
					.tgid = k->kin.pid,
					.start = k->kin.start,
					.session = k->kin.session,
					.open = k->now.open,
					.who = k->who };
		image = k->image ? k->now.image : 0;
		if (k->image)
			procfd = fcntl(k->procfd, F_DUPFD_CLOEXEC, 0);
		found = !k->image || procfd >= 0;
	}
	pthread_mutex_unlock(&set->lock);
	/* Not below the lock: it can wait. */
	return found && (procfd < 0 || script_image(procfd) == image);
}

/* It lives; and it still runs what it ran, if that was asked for. */
static bool is_process_still(const struct known *k, unsigned needs)
{
	struct peek_exe exe = { 0 };

	if (!(needs & FACT_CHAIN))
		return peek_is_living(k->procfd);
	if (~k->needs & needs & (FACT_CHAIN | FACT_SCRIPT))
		return false;
	return (peek_exe(k->procfd, &exe) == 0 || peek_is_living(k->procfd)) &&
	       facts_is_same_exe(&exe, &k->kin.run.exe);
}

bool known_recall_kin(struct ask *a, pid_t pid, struct kin *ret)
{
	struct set *set = set_of(a->c, pid);
	bool found = false;
	struct known *k;

	pthread_mutex_lock(&set->lock);
	k = find_locked(set, pid);
	if (k && k->kin.pid == pid && is_member_still(a->c, k) && is_process_still(k, a->needs)) {
		k->used = ++set->clock;
		*ret = k->kin;
		found = true;
	}
	pthread_mutex_unlock(&set->lock);
	return found;
}
