#include "tazfs/durable.h"

#include <errno.h>
#include <stddef.h>

void durable_init(struct durable *d)
{
	*d = (struct durable){ .behind = true };
	pthread_mutex_init(&d->lock, NULL);
}

/* Takes those out for which @take says so; each is told @err. In the order of their numbers. */
static struct durable_item *take(struct durable *d,
				 bool (*take_it)(const struct durable_item *, uint64_t),
				 uint64_t arg, int err)
{
	struct durable_item *taken = NULL, **end = &taken, **at = &d->head;

	while (*at) {
		struct durable_item *item = *at;

		if (!take_it(item, arg)) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		item->next = NULL;
		item->err = err;
		*end = item;
		end = &item->next;
	}
	return taken;
}

static bool is_covered(const struct durable_item *item, uint64_t seq)
{
	return item->seq <= seq;
}

static bool is_any(const struct durable_item *item, uint64_t arg)
{
	return true;
}

static bool is_interrupted(const struct durable_item *item, uint64_t arg)
{
	return item->interrupted;
}

static void put(struct durable *d, struct durable_item *item)
{
	struct durable_item **at = &d->head;

	while (*at)
		at = &(*at)->next;
	item->next = NULL;
	*at = item;
}

static int must_wait(const struct durable *d, const struct durable_item *item, bool changed)
{
	if (d->closed)
		return -EIO;
	if (item->interrupted && d->hangs)
		return -EINTR;
	return changed || d->behind || d->saving;
}

int durable_wait(struct durable *d, struct durable_item *item, bool changed, durable_ask_t *ask,
		 void *arg)
{
	int r;

	pthread_mutex_lock(&d->lock);
	r = must_wait(d, item, changed);
	if (r == 1) {
		/* Nothing new since a save began: it is in that one. */
		item->seq = d->saving && !changed ? d->covers : ++d->last;
		put(d, item);
		if (item->seq > d->covers && !d->asked) {
			d->asked = item->seq;
			ask(arg, item->seq, changed);
		}
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

uint64_t durable_quiesced(struct durable *d)
{
	uint64_t covers;

	pthread_mutex_lock(&d->lock);
	covers = d->covers = d->last;
	d->saving = true;
	d->asked = 0;
	pthread_mutex_unlock(&d->lock);
	return covers;
}

struct durable_item *durable_synced(struct durable *d, uint64_t seq, int err, durable_ask_t *ask,
				    void *arg)
{
	struct durable_item *taken;

	pthread_mutex_lock(&d->lock);
	d->saving = d->hangs = false;
	d->behind = err < 0;
	taken = err < 0 ? take(d, is_any, 0, err) : take(d, is_covered, seq, 0);
	if (err < 0 || d->asked <= seq)
		d->asked = 0;
	if (d->head && !d->asked) {
		d->asked = d->last;
		ask(arg, d->last, true);
	}
	pthread_mutex_unlock(&d->lock);
	return taken;
}

struct durable_item *durable_close(struct durable *d)
{
	struct durable_item *taken;

	pthread_mutex_lock(&d->lock);
	d->closed = true;
	taken = take(d, is_any, 0, -EIO);
	pthread_mutex_unlock(&d->lock);
	return taken;
}

static bool is_this(const struct durable_item *item, uint64_t arg)
{
	return item == (const struct durable_item *)(uintptr_t)arg; // NOLINT
}

bool durable_interrupt(struct durable *d, struct durable_item *item)
{
	bool ours = false;

	pthread_mutex_lock(&d->lock);
	item->interrupted = true;
	if (d->hangs)
		ours = take(d, is_this, (uintptr_t)item, -EINTR);
	pthread_mutex_unlock(&d->lock);
	return ours;
}

struct durable_item *durable_hangs(struct durable *d)
{
	struct durable_item *taken;

	pthread_mutex_lock(&d->lock);
	d->hangs = true;
	taken = take(d, is_interrupted, 0, -EINTR);
	pthread_mutex_unlock(&d->lock);
	return taken;
}
