#include "tazfs/hollow.h"

#include <errno.h>
#include <fcntl.h>

struct probe {
	struct nodes *nodes;
	struct store_file file;
	off_t at;
};

/* Stops at the first file that has a tail which is not all zeros, and keeps it open. */
static int find_probe(void *arg, struct node *n)
{
	struct probe *p = arg;
	autohold struct node_hold h = NODE_HOLD_NONE;
	int r;

	if (node_hold(p->nodes, n, &h) < 0 || store_open(h.fd, O_RDONLY, &p->file) < 0)
		return 0;
	r = store_probe(&p->file, node_tails(n), &p->at);
	if (r > 0)
		return 1;
	store_close(&p->file);
	return 0;
}

struct wipe {
	struct nodes *nodes;
	int err;
};

static int wipe_one(void *arg, struct node *n)
{
	struct wipe *w = arg;
	autohold struct node_hold h = NODE_HOLD_NONE;
	int r = node_hold(w->nodes, n, &h);

	if (r == 0) {
		node_io_wrlock(w->nodes, n);
		r = store_wipe_tails(h.fd, node_tails(n));
		node_io_unlock(w->nodes, n);
	}
	if (r < 0 && w->err == 0)
		w->err = r;
	return 0;
}

int hollow(struct view *v, int (*ask)(struct view *v))
{
	struct probe p = { .nodes = v->nodes };
	struct wipe w = { .nodes = v->nodes };
	int r;

	if (!node_each_kept(v->nodes, find_probe, &p))
		return 0;
	r = ask(v);
	if (r == 0)
		r = store_reads_zeros(&p.file, p.at) == 1 ? 0 : -EIO;
	store_close(&p.file);
	if (r < 0)
		return r;
	node_each_kept(v->nodes, wipe_one, &w);
	return w.err;
}
