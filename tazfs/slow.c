#include "tazfs/slow.h"

#include <pthread.h>
#include <time.h>

#include "enclave/base/fd.h"

struct reading {
	slow_read_t *read;
	void *arg;
	int fd;
	bool done;
};

static struct turn {
	long patience_ms;
	pthread_mutex_t inside;
} turns[SLOW_KINDS] = {
	[SLOW_LOOK] = { SLOW_LOOK_PATIENCE_MS, PTHREAD_MUTEX_INITIALIZER },
	[SLOW_HASH] = { SLOW_HASH_PATIENCE_MS, PTHREAD_MUTEX_INITIALIZER },
};

static bool take(struct turn *t)
{
	struct timespec until;

	if (pthread_mutex_trylock(&t->inside) == 0)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += t->patience_ms % 1000 * 1000000L;
	until.tv_sec += t->patience_ms / 1000 + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	return pthread_mutex_clocklock(&t->inside, CLOCK_MONOTONIC, &until) == 0;
}

static void *read_apart(void *arg)
{
	struct reading *r = arg;

	if (fd_keep_only(r->fd) == 0) {
		r->read(r->arg, r->fd);
		r->done = true;
	}
	return NULL;
}

bool slow_run(enum slow kind, slow_read_t *read, void *arg, int fd)
{
	struct reading r = { .read = read, .arg = arg, .fd = fd };
	pthread_t thread;

	if (!take(&turns[kind]))
		return false;
	if (pthread_create(&thread, NULL, read_apart, &r) == 0)
		pthread_join(thread, NULL);
	pthread_mutex_unlock(&turns[kind].inside);
	return r.done;
}
