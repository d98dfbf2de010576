#include "tazfs/slow.h"

#include <pthread.h>
#include <time.h>

static pthread_mutex_t inside = PTHREAD_MUTEX_INITIALIZER;

bool slow_enter(void)
{
	struct timespec until;

	if (pthread_mutex_trylock(&inside) == 0)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += SLOW_PATIENCE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return pthread_mutex_clocklock(&inside, CLOCK_MONOTONIC, &until) == 0;
}

void slow_leave(void)
{
	pthread_mutex_unlock(&inside);
}
