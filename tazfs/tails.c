#include "tazfs/tails.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The first run that ends after @block, or t->n. */
static size_t find(const struct tails *t, uint64_t block)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (t->runs[mid].first + t->runs[mid].count > block)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

bool tails_have(const struct tails *t, uint64_t block)
{
	size_t i = find(t, block);

	return i < t->n && t->runs[i].first <= block;
}

static int insert(struct tails *t, size_t i, uint64_t block)
{
	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 2;
		struct tail_run *more = reallocarray(t->runs, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->runs = more;
		t->room = room;
	}
	memmove(t->runs + i + 1, t->runs + i, (t->n - i) * sizeof(*t->runs));
	t->runs[i] = (struct tail_run){ .first = block, .count = 1 };
	t->n++;
	return 0;
}

/* The run @i has grown: does it touch the next one now? */
static void join_next(struct tails *t, size_t i)
{
	struct tail_run *run = t->runs + i;

	if (i + 1 == t->n || run->first + run->count != run[1].first)
		return;
	run->count += run[1].count;
	memmove(run + 1, run + 2, (t->n - i - 2) * sizeof(*run));
	t->n--;
}

int tails_add(struct tails *t, uint64_t block)
{
	size_t i = find(t, block);

	if (i < t->n && t->runs[i].first <= block)
		return 0;
	if (i > 0 && t->runs[i - 1].first + t->runs[i - 1].count == block) {
		t->runs[i - 1].count++;
		join_next(t, i - 1);
		return 0;
	}
	if (i < t->n && t->runs[i].first == block + 1) {
		t->runs[i].first--;
		t->runs[i].count++;
		return 0;
	}
	return insert(t, i, block);
}

void tails_cut(struct tails *t, uint64_t block)
{
	size_t i = find(t, block);

	if (i < t->n && t->runs[i].first < block) {
		t->runs[i].count = block - t->runs[i].first;
		i++;
	}
	t->n = i;
}

void tails_done(struct tails *t)
{
	free(t->runs);
	*t = (struct tails){ 0 };
}
