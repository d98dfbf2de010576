/*
 * Pages that the kernel drops it does not clear. So what a request makes it drop (the end of a file
 * that is cut, all of one that is deleted) is overwritten in the page cache first, and the request
 * is answered afterwards: until then the kernel holds the inode.
 *
 * This is one thread's work, and not a worker's: a page may be locked by a read whose answer waits
 * for a free worker. But when nobody has the file open there is no such read (the kernel closes a
 * file after its last request), and waking the thread costs as much as the work: then a worker does
 * it, one at a time. Should somebody open the file in that moment, the other workers are there for
 * him.
 */
#include "tazfs/fs_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define CLOSE_MS 10 /* a close(2) before the unlink(2) reaches us beside it, not before it */

struct waiting {
	struct waiting *next;
	fuse_req_t req;
	struct fs_drop drop;
	struct stat st;		  /* THEN_ATTR */
	struct fuse_file_info fi; /* THEN_OPEN */
	enum { THEN_DONE, THEN_ATTR, THEN_OPEN } kind;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the queue */
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct waiting *first, **last = &first;

static bool is_free(struct nodes *t, const struct fs_drop *drop)
{
	for (int ms = 0; node_files(t, drop->ino) > drop->users; ms++) {
		if (ms == CLOSE_MS)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return true;
}

static void wipe(struct view *v, const struct fs_drop *drop)
{
	struct node *n = node_get(v->nodes, drop->ino);
	int r;

	if (drop->unless_used && !is_free(v->nodes, drop))
		return;
	r = fs_store_zeros(v->fs, drop->ino, drop->from, drop->to);
	if (r == 0 && drop->unless_used)
		r = fs_wipe(v->fs, drop->ino, 0);
	if (r == 0 && n && drop->forget)
		node_cut_pages(n, drop->from);
}

static void answer(fuse_req_t req, const struct waiting *l)
{
	struct fuse_file_info fi = l->fi;

	if (l->kind == THEN_DONE)
		reply(req, 0);
	else if (l->kind == THEN_ATTR)
		fuse_reply_attr(req, &l->st, fs_attr_sec(l->drop.ino));
	else
		fs_reply_open(req, &fi);
}

static struct waiting *take(void)
{
	struct waiting *l;

	pthread_mutex_lock(&lock);
	while (!first)
		pthread_cond_wait(&more, &lock);
	l = first;
	first = l->next;
	if (!first)
		last = &first;
	pthread_mutex_unlock(&lock);
	return l;
}

static void *drop_thread(void *arg)
{
	struct view *v = arg;

	for (;;) {
		struct waiting *l = take();

		wipe(v, &l->drop);
		answer(l->req, l);
		free(l);
	}
	return NULL;
}

int fs_drop_start(struct view *v)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, drop_thread, v);

	if (r == 0)
		pthread_detach(thread);
	return -r;
}

/* By the worker itself, if that is safe. */
static bool wipe_here(const struct waiting *what)
{
	static atomic_flag busy = ATOMIC_FLAG_INIT;
	struct view *v = view_of(what->req);

	if (!what->drop.unless_used || node_files(v->nodes, what->drop.ino) > what->drop.users ||
	    atomic_flag_test_and_set(&busy))
		return false;
	wipe(v, &what->drop);
	atomic_flag_clear(&busy);
	return true;
}

/* Without memory, or without pages that could be dropped, it is answered here. */
static void put(const struct waiting *what)
{
	bool done = what->drop.to <= what->drop.from || wipe_here(what);
	struct waiting *l = done ? NULL : malloc(sizeof(*l));

	if (!l) {
		answer(what->req, what);
		return;
	}
	*l = *what;
	l->next = NULL;
	pthread_mutex_lock(&lock);
	*last = l;
	last = &l->next;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
}

void fs_drop_done(fuse_req_t req, const struct fs_drop *drop)
{
	put(&(struct waiting){ .kind = THEN_DONE, .req = req, .drop = *drop });
}

void fs_drop_attr(fuse_req_t req, const struct fs_drop *drop, const struct stat *st)
{
	put(&(struct waiting){ .kind = THEN_ATTR, .req = req, .drop = *drop, .st = *st });
}

void fs_drop_open(fuse_req_t req, const struct fs_drop *drop, const struct fuse_file_info *fi)
{
	put(&(struct waiting){ .kind = THEN_OPEN, .req = req, .drop = *drop, .fi = *fi });
}
