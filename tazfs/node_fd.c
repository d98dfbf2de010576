/* The descriptors of nodes: opened when needed, kept while there is room. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "tazfs/node_priv.h"

#define DEPTH_MAX 1024 /* directories above a node whose descriptors all gave way: stack */
#define LOOK_BACK 32   /* how many of the oldest are asked to give way */

static void list_del(struct nodes *t, struct node *n)
{
	if (!n->in_list)
		return;
	*(n->newer ? &n->newer->older : &t->newest) = n->older;
	*(n->older ? &n->older->newer : &t->oldest) = n->newer;
	n->newer = n->older = NULL;
	n->in_list = false;
}

static void list_add(struct nodes *t, struct node *n)
{
	n->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = n;
	t->newest = n;
	n->in_list = true;
}

void node_share_put(struct node_share *share)
{
	if (--share->refs)
		return;
	store_close(&share->file);
	free(share);
}

static void drop_share(struct nodes *t, struct node *n)
{
	if (!n->share)
		return;
	node_share_put(take_ptr(&n->share));
	t->n_fds--;
}

static void drop_path(struct nodes *t, struct node *n)
{
	if (n->fd < 0)
		return;
	fd_close(&n->fd);
	if (!n->pinned)
		t->n_fds--;
}

static void give_way(struct nodes *t, struct node *n)
{
	if (!n->holds && !n->pinned)
		drop_path(t, n);
	if (n->share && n->share->refs == 1)
		drop_share(t, n);
	if ((n->fd < 0 || n->pinned) && !n->share)
		list_del(t, n);
}

static void make_room(struct nodes *t)
{
	struct node *n = t->oldest;

	for (int i = 0; i < LOOK_BACK && n && t->n_fds > t->max_fds; i++) {
		struct node *newer = n->newer;

		give_way(t, n);
		n = newer;
	}
}

void node_fd_touch(struct nodes *t, struct node *n)
{
	list_del(t, n);
	if ((n->fd >= 0 && !n->pinned) || n->share)
		list_add(t, n);
}

void node_fd_set(struct nodes *t, struct node *n, int *fd)
{
	if (n->fd < 0) {
		n->fd = take_fd(fd);
		t->n_fds++;
		make_room(t);
	}
	node_fd_touch(t, n);
}

void node_fd_pin(struct nodes *t, struct node *n)
{
	if (!n->pinned && n->fd >= 0)
		t->n_fds--;
	n->pinned = true;
	node_fd_touch(t, n);
}

void node_fd_unpin(struct nodes *t, struct node *n)
{
	if (!n->pinned)
		return;
	n->pinned = false;
	t->n_fds += n->fd >= 0;
	node_fd_touch(t, n);
}

void node_fd_drop(struct nodes *t, struct node *n)
{
	drop_path(t, n);
	drop_share(t, n);
	list_del(t, n);
	n->pinned = false;
}

static int open_checked(int dirfd, const char *name, const struct node *n)
{
	autoclose int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_ino == n->ino && st.st_dev == n->dev ? take_fd(&fd) : -ESTALE;
}

static int reach(struct nodes *t, struct node *n, int depth);

/* Opens a node through its parent. Needs the names' lock; gives the table's lock up meanwhile. */
static int reach_by_name(struct nodes *t, struct node *n, int depth)
{
	struct node *parent = n->parent;
	autofree char *name = n->name ? strdup(n->name) : NULL;
	autoclose int fd = -EBADF;
	int dirfd;

	if (!parent || !name || depth > DEPTH_MAX)
		return parent && name ? -ELOOP : -ESTALE;
	dirfd = reach(t, parent, depth + 1);
	if (dirfd < 0)
		return dirfd;
	pthread_mutex_unlock(&t->table);
	fd = open_checked(dirfd, name, n);
	pthread_mutex_lock(&t->table);
	parent->holds--;
	node_drop_if_unused(t, parent);
	if (fd < 0)
		return fd;
	node_fd_set(t, n, &fd);
	return 0;
}

/* The descriptor of a node, which is held now. Needs both locks. */
static int reach(struct nodes *t, struct node *n, int depth)
{
	n->holds++;
	if (n->fd < 0) {
		int r = reach_by_name(t, n, depth);

		if (r < 0) {
			n->holds--;
			return r;
		}
	} else if (!n->pinned || n->share) {
		node_fd_touch(t, n);
	}
	return n->fd;
}

int node_hold(struct nodes *t, struct node *n, struct node_hold *ret)
{
	int fd;

	pthread_mutex_lock(&t->table);
	fd = n->fd < 0 ? -EAGAIN : reach(t, n, 0);
	pthread_mutex_unlock(&t->table);
	if (fd == -EAGAIN) {
		pthread_rwlock_rdlock(&t->names);
		pthread_mutex_lock(&t->table);
		fd = reach(t, n, 0);
		pthread_mutex_unlock(&t->table);
		pthread_rwlock_unlock(&t->names);
	}
	if (fd < 0)
		return fd;
	*ret = (struct node_hold){ .t = t, .n = n, .fd = fd };
	return 0;
}

void node_hold_done(struct node_hold *h)
{
	int saved = errno;

	if (!h->n)
		return;
	pthread_mutex_lock(&h->t->table);
	h->n->holds--;
	node_drop_if_unused(h->t, h->n);
	pthread_mutex_unlock(&h->t->table);
	h->n = NULL;
	errno = saved;
}

static bool borrow_share(struct nodes *t, struct node *n, struct node_file *ret)
{
	bool there;

	pthread_mutex_lock(&t->table);
	there = n->share;
	if (there) {
		n->share->refs++;
		n->files++;
		*ret = (struct node_file){ .file = n->share->file, .n = n, .share = n->share };
		node_fd_touch(t, n);
	}
	pthread_mutex_unlock(&t->table);
	return there;
}

static int open_shared(const struct node_hold *h, struct node_file *ret)
{
	struct node_share *share;
	int r;

	if (borrow_share(h->t, h->n, ret))
		return 0;
	share = calloc(1, sizeof(*share));
	if (!share)
		return -ENOMEM;
	r = store_open(h->fd, O_RDONLY, &share->file);
	if (r < 0) {
		free(share);
		return r;
	}
	share->refs = 1;
	pthread_mutex_lock(&h->t->table);
	if (h->n->share) {
		node_share_put(share);
	} else {
		h->n->share = share;
		h->t->n_fds++;
	}
	h->n->share->refs++;
	h->n->files++;
	*ret = (struct node_file){ .file = h->n->share->file, .n = h->n, .share = h->n->share };
	node_fd_touch(h->t, h->n);
	make_room(h->t);
	pthread_mutex_unlock(&h->t->table);
	return 0;
}

static void fill_file(struct node *n, int flags, struct store_file file, struct node_file *ret)
{
	*ret = (struct node_file){ .file = file,
				   .n = n,
				   .writes = (flags & O_ACCMODE) != O_RDONLY,
				   .sync = flags & (O_SYNC | O_DSYNC) };
	n->files++;
	if (ret->writes)
		atomic_fetch_add(&n->writers, 1);
}

int node_open(const struct node_hold *h, int flags, struct node_file *ret)
{
	struct store_file file;
	int r;

	if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC))
		return open_shared(h, ret);
	r = store_open(h->fd, flags, &file);
	if (r < 0)
		return r;
	pthread_mutex_lock(&h->t->table);
	fill_file(h->n, flags, file, ret);
	pthread_mutex_unlock(&h->t->table);
	return 0;
}

void node_opened(struct nodes *t, uint64_t id, int flags, struct store_file file,
		 struct node_file *ret)
{
	pthread_mutex_lock(&t->table);
	fill_file(node_get(t, id), flags, file, ret);
	pthread_mutex_unlock(&t->table);
}

void node_close(struct nodes *t, struct node_file *f)
{
	if (f->writes)
		atomic_fetch_sub(&f->n->writers, 1);
	if (!f->share)
		store_close(&f->file);
	pthread_mutex_lock(&t->table);
	if (f->share)
		node_share_put(f->share);
	f->n->files--;
	node_drop(t, f->n);
	pthread_mutex_unlock(&t->table);
}

void node_unshare(struct nodes *t, struct node *n)
{
	pthread_mutex_lock(&t->table);
	drop_share(t, n);
	node_fd_touch(t, n);
	pthread_mutex_unlock(&t->table);
}

unsigned nodes_fds(struct nodes *t)
{
	unsigned n;

	pthread_mutex_lock(&t->table);
	n = t->n_fds;
	pthread_mutex_unlock(&t->table);
	return n;
}
