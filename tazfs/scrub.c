/*
 * 1. Closing: each request from now on gets EIO, also on open files, except what the kernel writes
 *    back and what our own thread asks.
 * 2. Bring home: pages that were changed through shared maps are only in the kernel. syncfs(2) on
 * our own mount starts their writing, but does not wait for FUSE in every kernel (before 6.16 pages
 *    counted as clean once copied; later kernels skip FUSE when they wait), so each file that is
 *    open for writing is opened through our own mount and fsync(2)ed. (With direct I/O no map is
 *    shared, and nothing is left to be brought.) This must be over before 3:
 *    zeros stored over a page that is being written would reach the store.
 * 3. Closed: writes are refused, too, so the zeros can't be written back. Then every page that may
 *    be cached is overwritten in place, which maps see as well, and dropped.
 * 4. The store is synced. Its descriptors close with the process, which ends next.
 *
 * A client can hold up step 2 (by holding an inode's lock), so that has a thread of its own and a
 * limit. It can't hold up the others for longer than a request takes, and all fail at once now.
 */
#include "tazfs/scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "tazfs/fs.h"

#define WIPERS	 2
/* The keeper waits for 1.1 s in all (keeper_view.c): what a client holds up must leave enough of it
 * for the wiping, which it cannot hold up. */
#define HOME_MS	 600
#define DRAIN_MS 200

struct home {
	struct view *view;
	int mountfd; /* of our own mount, open for reading */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static int sync_written(void *arg, struct node *n, bool is_dir, uint64_t cached, unsigned writers)
{
	const struct home *h = arg;
	autoclose int fd = -EBADF;
	char path[PATH_MAX];

	if (is_dir || !writers || node_path(h->view->nodes, n, path, sizeof(path)) < 0)
		return 0;
	fd = openat(h->mountfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fd = openat(h->mountfd, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		fsync(fd);
	return 0;
}

/*
 * Through our own mount, so in a table of descriptors of its own: see slow.h. (Without it a view,
 * and with it the key, stayed alive for ever when the keeper was killed during a lock.) Pages that
 * were changed through a map stay behind when the table cannot be left: the lock is worth more.
 * Source: request_wait_answer() and fuse_dev_release() in fs/fuse/dev.c, exit_files().
 */
static void bring_home(struct home *h)
{
	autoclose int fd = -EBADF;

	if (fd_keep_only(h->view->mountfd) < 0)
		return;
	/* Opened again: the descriptor of the mount may be O_PATH, which syncfs(2) refuses. */
	fd = openat(h->view->mountfd, h->view->mountpoint ? h->view->mountpoint : ".",
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	h->mountfd = fd;
	syncfs(fd);
	node_each(h->view->nodes, sync_written, h);
}

static void *home_thread(void *arg)
{
	struct home *h = arg;

	atomic_store(&h->view->self, gettid());
	bring_home(h);
	atomic_store(&h->view->self, 0);
	pthread_mutex_lock(&h->lock);
	h->done = true;
	pthread_cond_signal(&h->cond);
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* After the limit the thread is left behind: the process is about to end. */
static void bring_home_all(struct view *v)
{
	struct home *h = calloc(1, sizeof(*h));
	struct timespec until;
	pthread_t thread;
	int r = 0;

	if (!h)
		return;
	h->view = v;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->cond, NULL);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += HOME_MS % 1000 * 1000000L;
	until.tv_sec += HOME_MS / 1000 + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	if (pthread_create(&thread, NULL, home_thread, h)) {
		free(h);
		return;
	}
	pthread_detach(thread);
	pthread_mutex_lock(&h->lock);
	while (!h->done && r == 0)
		r = pthread_cond_timedwait(&h->cond, &h->lock, &until);
	pthread_mutex_unlock(&h->lock);
	if (r == 0)
		free(h);
}

struct wipe {
	struct view *view;
	unsigned part; /* of WIPERS */
	int err;
};

static int wipe_one(void *arg, struct node *n, bool is_dir, uint64_t cached, unsigned writers)
{
	struct wipe *w = arg;
	int r = 0;

	if (node_id(n) % WIPERS != w->part)
		return 0;
	if (is_dir || cached)
		r = fs_wipe(w->view->fs, node_id(n),
			    cached + (STORE_ALIGN - cached % STORE_ALIGN) % STORE_ALIGN);
	/* A page that was dirtied after step 2 is only cleaned by the first round (its write was
	 * refused), and dropped by the second. */
	if (r == 0 && writers)
		r = fs_wipe(w->view->fs, node_id(n), 0);
	if (r < 0 && w->err == 0)
		w->err = r;
	return 0;
}

static void *wipe_part(void *arg)
{
	struct wipe *w = arg;

	node_each(w->view->nodes, wipe_one, w);
	return NULL;
}

/* Each inode takes two calls into the kernel of about 3 us: two processors halve the wait. */
static int wipe_all(struct view *v)
{
	struct wipe w[WIPERS];
	pthread_t thread[WIPERS];
	bool started[WIPERS] = { false };
	int r = 0;

	for (unsigned i = 0; i < WIPERS; i++) {
		w[i] = (struct wipe){ .view = v, .part = i };
		started[i] = i && pthread_create(&thread[i], NULL, wipe_part, &w[i]) == 0;
	}
	for (unsigned i = 0; i < WIPERS; i++) {
		if (started[i])
			pthread_join(thread[i], NULL);
		else
			wipe_part(&w[i]);
		r = r ? r : w[i].err;
	}
	return r;
}

int scrub(struct view *v, bool bring_home)
{
	int r;

	atomic_store(&v->phase, bring_home ? VIEW_CLOSING : VIEW_CLOSED);
	fs_resume(v->fs);
	/* Nobody is left who could tell them more; and in the kernel they hold their files' locks.
	 */
	fs_answer(durable_close(&v->durable));
	if (bring_home && !v->strict)
		bring_home_all(v);
	atomic_store(&v->phase, VIEW_CLOSED);
	gate_close(&v->gate, DRAIN_MS);
	gate_open(&v->gate);
	r = wipe_all(v);
	/* Nothing is decided any more; and should the disk hang, the limit counts already. */
	if (bring_home)
		view_audit_end(v);
	if (bring_home && syncfs(v->rootfd) < 0 && r == 0)
		r = -errno;
	return r;
}
