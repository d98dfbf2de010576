/* Fsyncs that wait for the sealed file. No worker waits: a request is answered by whoever learns
 * how it went. */
#include "tazfs/fs_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "enclave/base/msg.h"
#include "enclave/proto.h"

struct waiter {
	struct durable_item item;
	struct view *view;
	fuse_req_t req;
	size_t written;
};

/* What an fsync(2) can say; the keeper's log says more. */
static int answer_of(int err)
{
	switch (err) {
	case 0:
	case -EINTR:
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
		return err;
	default:
		return -EIO;
	}
}

static void answer(struct waiter *w, int err)
{
	if (err == 0 && w->written)
		fuse_reply_write(w->req, w->written);
	else
		reply(w->req, answer_of(err));
	free(w);
}

/* Called by libfuse under the request's lock, which keeps us from being answered meanwhile. */
static void on_interrupt(fuse_req_t req, void *data)
{
	struct waiter *w = data;

	if (durable_interrupt(&w->view->durable, &w->item))
		answer(w, -EINTR);
}

/* Waits until on_interrupt(), if it is running, has ended; it is not called again. */
static void finish(struct waiter *w, int err)
{
	fuse_req_interrupt_func(w->req, NULL, NULL);
	answer(w, err);
}

void fs_ask(void *arg, uint64_t seq, bool changed)
{
	const struct view *v = arg;
	struct view_sync msg = { .op = VIEW_SYNC, .changed = changed, .seq = seq };

	msg_send(v->keeper, &msg, sizeof(msg), NULL, 0);
}

void fs_wait_durable(fuse_req_t req, size_t written)
{
	struct view *v = view_of(req);
	struct waiter *w = calloc(1, sizeof(*w));
	int r;

	if (!w) {
		reply(req, -ENOMEM);
		return;
	}
	*w = (struct waiter){ .view = v, .req = req, .written = written };
	fuse_req_interrupt_func(req, on_interrupt, w);
	r = durable_wait(&v->durable, &w->item, atomic_load(&v->dirty), fs_ask, v);
	if (r <= 0)
		finish(w, r);
}

void fs_answer(struct durable_item *list)
{
	while (list) {
		struct durable_item *next = list->next;

		finish((struct waiter *)((char *)list - offsetof(struct waiter, item)), list->err);
		list = next;
	}
}
