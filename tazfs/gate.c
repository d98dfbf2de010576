#include "tazfs/gate.h"

#include <errno.h>
#include <time.h>

void gate_init(struct gate *g)
{
	pthread_condattr_t attr;

	*g = (struct gate){ 0 };
	g->tail = &g->head;
	pthread_mutex_init(&g->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&g->idle, &attr);
	pthread_condattr_destroy(&attr);
}

void gate_done(struct gate *g)
{
	pthread_cond_destroy(&g->idle);
	pthread_mutex_destroy(&g->lock);
}

bool gate_enter(struct gate *g)
{
	bool in;

	pthread_mutex_lock(&g->lock);
	in = !g->closed;
	g->inside += in;
	g->entered += in;
	pthread_mutex_unlock(&g->lock);
	return in;
}

void gate_leave(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	if (--g->inside == 0)
		pthread_cond_broadcast(&g->idle);
	pthread_mutex_unlock(&g->lock);
}

uint64_t gate_mark(struct gate *g)
{
	uint64_t mark;

	pthread_mutex_lock(&g->lock);
	mark = g->inside ? 0 : g->entered + 1;
	pthread_mutex_unlock(&g->lock);
	return mark;
}

bool gate_quiet_since(struct gate *g, uint64_t mark)
{
	return mark && gate_mark(g) == mark;
}

bool gate_park(struct gate *g, struct gate_item *item)
{
	bool parked;

	pthread_mutex_lock(&g->lock);
	parked = g->closed;
	if (parked) {
		item->next = NULL;
		*g->tail = item;
		g->tail = &item->next;
	}
	pthread_mutex_unlock(&g->lock);
	return parked;
}

int gate_close(struct gate *g, unsigned timeout_ms)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_mutex_lock(&g->lock);
	g->closed = true;
	while (g->inside && r == 0)
		r = pthread_cond_timedwait(&g->idle, &g->lock, &until);
	pthread_mutex_unlock(&g->lock);
	return -r;
}

void gate_open(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->closed = false;
	pthread_mutex_unlock(&g->lock);
}

struct gate_item *gate_unpark(struct gate *g)
{
	struct gate_item *item;

	pthread_mutex_lock(&g->lock);
	item = g->head;
	if (item) {
		g->head = item->next;
		if (!g->head)
			g->tail = &g->head;
	}
	pthread_mutex_unlock(&g->lock);
	return item;
}
