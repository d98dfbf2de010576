/* What the kernel's page caches hold of a node's file: above us, and below the store. */
#include <errno.h>

#include "tazfs/node_priv.h"

/* Nobody can reach it any more, unless its file has another name that we have not seen. */
static bool seems_dead(const struct node *n)
{
	return n->kept && !n->name && n->fd >= 0 && !n->nlookup && !n->kids && !n->holds &&
	       !n->files;
}

void node_drop(struct nodes *t, struct node *n)
{
	if (!seems_dead(n)) {
		node_drop_if_unused(t, n);
		return;
	}
	n->holds++;
	pthread_mutex_unlock(&t->table);
	node_io_wrlock(t, n);
	if (store_bury(n->fd, &n->tails) != -EEXIST)
		tails_done(&n->tails);
	node_io_unlock(t, n);
	pthread_mutex_lock(&t->table);
	n->holds--;
	n->kept = n->tails.n > 0;
	node_drop_if_unused(t, n);
}

struct tails *node_tails(struct node *n)
{
	return &n->tails;
}

void node_keep(struct nodes *t, struct node *n)
{
	if (n->kept || !n->tails.n)
		return;
	pthread_mutex_lock(&t->table);
	n->kept = true;
	pthread_mutex_unlock(&t->table);
}

int node_each_kept(struct nodes *t, int (*fn)(void *arg, struct node *n), void *arg)
{
	unsigned n_places;
	int r = 0;

	pthread_mutex_lock(&t->table);
	n_places = t->n_places;
	pthread_mutex_unlock(&t->table);
	for (unsigned i = 0; i < n_places && r == 0; i++) {
		struct node *n = node_place(t, i);

		if (n->kept)
			r = fn(arg, n);
	}
	return r;
}

void node_saw_pages(struct node *n, uint64_t end_bytes)
{
	uint64_t old = atomic_load_explicit(&n->cached_end, memory_order_relaxed);

	while (old < end_bytes && !atomic_compare_exchange_weak(&n->cached_end, &old, end_bytes))
		;
}

uint64_t node_cached(const struct node *n)
{
	return atomic_load_explicit(&n->cached_end, memory_order_relaxed);
}

unsigned node_files(struct nodes *t, uint64_t id)
{
	const struct node *n = node_get(t, id);
	unsigned files;

	pthread_mutex_lock(&t->table);
	files = n ? n->files : 0;
	pthread_mutex_unlock(&t->table);
	return files;
}

void node_cut_pages(struct node *n, uint64_t size_bytes)
{
	uint64_t old = atomic_load_explicit(&n->cached_end, memory_order_relaxed);

	while (old > size_bytes && !atomic_compare_exchange_weak(&n->cached_end, &old, size_bytes))
		;
}

int node_each(struct nodes *t,
	      int (*fn)(void *arg, struct node *n, bool is_dir, uint64_t cached_bytes,
			unsigned writers),
	      void *arg)
{
	unsigned n_places;
	int r = 0;

	pthread_mutex_lock(&t->table);
	n_places = t->n_places;
	pthread_mutex_unlock(&t->table);
	for (unsigned i = 0; i < n_places && r == 0; i++) {
		struct node *n = node_place(t, i);

		/* A place that is given back meanwhile has no pages; asking the kernel about it
		 * costs one ENOENT. */
		r = fn(arg, n, n->is_dir, atomic_load(&n->cached_end), atomic_load(&n->writers));
	}
	return r;
}
