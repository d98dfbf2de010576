#include "tazfs/session.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/proc.h"

struct leader {
	uint32_t session; /* 0: the place is free; otherwise serial * SESSIONS_MAX + place */
	pid_t pid;
	uint64_t start;
	int pidfd;
	unsigned kind;
};

struct sessions {
	pthread_rwlock_t lock; /* guards everything but the generation */
	uint32_t serial;
	_Atomic uint32_t generation;
	struct leader leaders[SESSIONS_MAX];
};

int sessions_new(struct sessions **ret)
{
	struct sessions *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_rwlock_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	for (int i = 0; i < SESSIONS_MAX; i++)
		if (s->leaders[i].session)
			fd_close(&s->leaders[i].pidfd);
	pthread_rwlock_destroy(&s->lock);
	free(s);
}

/* A pidfd becomes readable when the whole process has ended, before anyone reaps it. */
static bool is_living(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static struct leader *find(struct sessions *s, pid_t pid, uint64_t start)
{
	for (int i = 0; i < SESSIONS_MAX; i++) {
		struct leader *l = &s->leaders[i];

		if (l->session && l->pid == pid && l->start == start)
			return l;
	}
	return NULL;
}

static struct leader *find_free(struct sessions *s)
{
	for (int i = 0; i < SESSIONS_MAX; i++)
		if (!s->leaders[i].session)
			return &s->leaders[i];
	return NULL;
}

static int add_locked(struct sessions *s, pid_t pid, uint64_t start, int *pidfd, unsigned kind)
{
	struct leader *l = find_free(s);

	if (!is_living(*pidfd))
		return -ESRCH;
	if (find(s, pid, start))
		return -EEXIST;
	if (!l)
		return -ENOSPC;
	s->serial++;
	*l = (struct leader){ .session = s->serial * SESSIONS_MAX + (uint32_t)(l - s->leaders),
			      .pid = pid,
			      .start = start,
			      .pidfd = take_fd(pidfd),
			      .kind = kind };
	atomic_fetch_add(&s->generation, 1);
	return 0;
}

int sessions_add(struct sessions *s, pid_t pid, uint64_t start, int pidfd, unsigned kind)
{
	autoclose int fd = pidfd;
	int r;

	if (fd < 0)
		return -ESRCH;
	pthread_rwlock_wrlock(&s->lock);
	r = add_locked(s, pid, start, &fd, kind);
	pthread_rwlock_unlock(&s->lock);
	return r;
}

int sessions_add_pid(struct sessions *s, pid_t pid)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	autoclose int procfd = -EBADF;
	struct proc_stat st;
	int r;

	if (pidfd < 0)
		return -errno;
	procfd = proc_open(pid);
	if (procfd < 0)
		return procfd;
	r = proc_stat_read(procfd, &st);
	if (r < 0)
		return r;
	/* The pidfd came first: if it still lives when it is added, then /proc spoke of it. */
	return sessions_add(s, pid, st.start, take_fd(&pidfd), 0);
}

int sessions_del(struct sessions *s, pid_t pid, uint64_t start, uint32_t *ret_session)
{
	struct leader *l;

	pthread_rwlock_wrlock(&s->lock);
	l = find(s, pid, start);
	if (l) {
		if (ret_session)
			*ret_session = l->session;
		l->session = 0;
		fd_close(&l->pidfd);
		atomic_fetch_add(&s->generation, 1);
	}
	pthread_rwlock_unlock(&s->lock);
	return l ? 0 : -ENOENT;
}

uint32_t sessions_find(struct sessions *s, pid_t pid, uint64_t start)
{
	const struct leader *l;
	uint32_t session = 0;

	pthread_rwlock_rdlock(&s->lock);
	l = find(s, pid, start);
	if (l && is_living(l->pidfd))
		session = l->session;
	pthread_rwlock_unlock(&s->lock);
	return session;
}

bool sessions_alive(struct sessions *s, uint32_t session)
{
	const struct leader *l = &s->leaders[session % SESSIONS_MAX];
	bool alive;

	if (!session)
		return false;
	pthread_rwlock_rdlock(&s->lock);
	alive = l->session == session && is_living(l->pidfd);
	pthread_rwlock_unlock(&s->lock);
	return alive;
}

unsigned sessions_kind(struct sessions *s, uint32_t session)
{
	const struct leader *l = &s->leaders[session % SESSIONS_MAX];
	unsigned kind;

	if (!session)
		return 0;
	pthread_rwlock_rdlock(&s->lock);
	kind = l->session == session ? l->kind : 0;
	pthread_rwlock_unlock(&s->lock);
	return kind;
}

uint32_t sessions_generation(struct sessions *s)
{
	return atomic_load(&s->generation);
}
