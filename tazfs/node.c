#include "tazfs/node_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"

static struct node **bucket(struct nodes *t, dev_t dev, ino_t ino)
{
	uint64_t h = ((uint64_t)ino ^ (uint64_t)dev << 32) * 0x9e3779b97f4a7c15ULL;

	return &t->hash[(h >> 32) & (t->n_buckets - 1)];
}

struct node *node_find(struct nodes *t, dev_t dev, ino_t ino)
{
	struct node *n = *bucket(t, dev, ino);

	while (n && (n->ino != ino || n->dev != dev))
		n = n->hash_next;
	return n;
}

static void hash_add(struct nodes *t, struct node *n)
{
	struct node **b = bucket(t, n->dev, n->ino);

	n->hash_next = *b;
	*b = n;
}

static void hash_del(struct nodes *t, struct node *n)
{
	struct node **b = bucket(t, n->dev, n->ino);

	while (*b != n)
		b = &(*b)->hash_next;
	*b = n->hash_next;
}

/* Without memory the chains merely grow longer. */
static void hash_grow(struct nodes *t)
{
	struct node **old = t->hash;
	size_t n_old = t->n_buckets;
	struct node **bigger = calloc(n_old * 2, sizeof(struct node *));

	if (!bigger)
		return;
	t->hash = bigger;
	t->n_buckets = n_old * 2;
	for (size_t i = 0; i < n_old; i++) {
		while (old[i]) {
			struct node *n = old[i];

			old[i] = n->hash_next;
			hash_add(t, n);
		}
	}
	free(old);
}

struct node *node_place(struct nodes *t, unsigned i)
{
	struct node *chunk = i / CHUNK < CHUNKS ? atomic_load(&t->chunks[i / CHUNK]) : NULL;

	return chunk ? &chunk[i % CHUNK] : NULL;
}

static struct node *new_place(struct nodes *t)
{
	struct node *n = t->free_places;

	if (n) {
		t->free_places = n->hash_next;
		return n;
	}
	if (t->n_places == CHUNK * CHUNKS)
		return NULL;
	if (t->n_places % CHUNK == 0) {
		struct node *chunk = calloc(CHUNK, sizeof(*chunk));

		if (!chunk)
			return NULL;
		atomic_store(&t->chunks[t->n_places / CHUNK], chunk);
	}
	n = node_place(t, t->n_places++);
	n->id = t->n_places;
	return n;
}

static struct node *add(struct nodes *t, const struct stat *st)
{
	struct node *n;

	if (t->n_used >= t->n_buckets)
		hash_grow(t);
	n = new_place(t);
	if (!n)
		return NULL;
	*n = (struct node){ .id = n->id,
			    .generation = n->generation + 1,
			    .dev = st->st_dev,
			    .ino = st->st_ino,
			    .is_dir = S_ISDIR(st->st_mode),
			    .fd = -EBADF };
	t->n_used++;
	hash_add(t, n);
	return n;
}

int nodes_new(int rootfd, unsigned max_fds, struct nodes **ret)
{
	struct nodes *t = calloc(1, sizeof(*t));
	struct node *root;
	struct stat st;

	if (!t)
		return -ENOMEM;
	if (fstat(rootfd, &st) < 0) {
		free(t);
		return -errno;
	}
	t->n_buckets = 1024;
	t->max_fds = max_fds;
	t->hash = calloc(t->n_buckets, sizeof(struct node *));
	pthread_mutex_init(&t->table, NULL);
	pthread_rwlock_init(&t->names, NULL);
	for (int i = 0; i < IO_LOCKS; i++)
		pthread_rwlock_init(&t->io[i], NULL);
	root = t->hash ? add(t, &st) : NULL;
	if (!root) {
		nodes_free(t);
		return -ENOMEM;
	}
	root->fd = rootfd;
	root->pinned = true;
	root->nlookup = 1;
	*ret = t;
	return 0;
}

void nodes_free(struct nodes *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->n_places; i++) {
		struct node *n = node_place(t, i);

		if (i > 0 && n->nlookup + n->kids + n->holds + n->files + n->kept)
			node_fd_drop(t, n);
		tails_done(&n->tails);
		free(n->name);
	}
	for (int i = 0; i < CHUNKS; i++)
		free(atomic_load(&t->chunks[i]));
	for (int i = 0; i < IO_LOCKS; i++)
		pthread_rwlock_destroy(&t->io[i]);
	pthread_rwlock_destroy(&t->names);
	pthread_mutex_destroy(&t->table);
	free(t->hash);
	free(t);
}

struct node *node_get(struct nodes *t, uint64_t id)
{
	struct node *n = id ? node_place(t, id - 1) : NULL;

	return n && n->id ? n : NULL;
}

uint64_t node_id(const struct node *n)
{
	return n->id;
}

bool node_is_named(const struct node *n, const struct node *parent, const char *name)
{
	return n->parent == parent && n->name && !strcmp(n->name, name);
}

void node_set_name(struct nodes *t, struct node *n, struct node *parent, char *taken_name)
{
	struct node *old = n->parent;

	free(n->name);
	n->name = taken_name;
	n->parent = parent;
	if (parent)
		parent->kids++;
	if (old) {
		old->kids--;
		node_drop_if_unused(t, old);
	}
}

/* A node that goes may be the last reason why its parent stays, and so on upwards. */
void node_drop_if_unused(struct nodes *t, struct node *n)
{
	while (n && !n->nlookup && !n->kids && !n->holds && !n->files && !n->kept &&
	       n->id != NODE_ROOT) {
		struct node *parent = n->parent;

		node_fd_drop(t, n);
		tails_done(&n->tails);
		hash_del(t, n);
		free(n->name);
		n->name = NULL;
		n->parent = NULL;
		atomic_store(&n->cached_end, 0);
		n->hash_next = t->free_places;
		t->free_places = n;
		t->n_used--;
		if (parent)
			parent->kids--;
		n = parent;
	}
}

static int lookup_locked(struct nodes *t, struct node *dir, char **name, struct node_entry *ret)
{
	struct node *n = node_find(t, ret->st.st_dev, ret->st.st_ino);

	if (!n)
		n = add(t, &ret->st);
	if (!n)
		return -ENFILE;
	n->nlookup++;
	/* The root is never somebody's child, even where the store is mounted into itself. */
	if (n->id != NODE_ROOT && !node_is_named(n, dir, *name)) {
		node_set_name(t, n, dir, take_ptr(name));
		node_fd_unpin(t, n);
	}
	ret->id = n->id;
	ret->generation = n->generation;
	return 0;
}

int node_lookup(const struct node_hold *dir, const char *name, struct node_entry *ret)
{
	struct nodes *t = dir->t;
	autofree char *copy = strdup(name);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	pthread_rwlock_rdlock(&t->names);
	if (fstatat(dir->fd, name, &ret->st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0) {
		pthread_mutex_lock(&t->table);
		r = lookup_locked(t, dir->n, &copy, ret);
		pthread_mutex_unlock(&t->table);
	}
	pthread_rwlock_unlock(&t->names);
	return r;
}

void node_forget(struct nodes *t, uint64_t id, uint64_t count)
{
	struct node *n = node_get(t, id);

	if (!n || id == NODE_ROOT)
		return;
	pthread_mutex_lock(&t->table);
	n->nlookup -= count < n->nlookup ? count : n->nlookup;
	node_drop(t, n);
	pthread_mutex_unlock(&t->table);
}

/*
 * Before a name goes: the node that is known by it, held, and with a descriptor that will outlive
 * the name. NULL for none. Needs the names' lock for writing.
 */
static struct node *hold_victim(const struct node_hold *dir, const char *name, bool *ret_last)
{
	struct nodes *t = dir->t;
	autoclose int fd = -EBADF;
	bool has_fd = false;
	struct stat st;
	struct node *n;

	*ret_last = false;
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	*ret_last = S_ISREG(st.st_mode) && st.st_nlink == 1;
	pthread_mutex_lock(&t->table);
	n = node_find(t, st.st_dev, st.st_ino);
	if (n) {
		n->holds++;
		has_fd = n->fd >= 0; /* which stays while the node is held */
	}
	pthread_mutex_unlock(&t->table);
	if (!n || has_fd)
		return n;
	fd = openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	pthread_mutex_lock(&t->table);
	if (fd >= 0)
		node_fd_set(t, n, &fd);
	pthread_mutex_unlock(&t->table);
	return n;
}

static void unhold(struct nodes *t, struct node *n)
{
	n->holds--;
	node_drop_if_unused(t, n);
}

/* The name is gone; if the node was known by it, only its descriptor leads to it now. */
static void lose_name(const struct node_hold *dir, const char *name, struct node *n)
{
	if (!node_is_named(n, dir->n, name))
		return;
	node_fd_pin(dir->t, n);
	node_set_name(dir->t, n, NULL, NULL);
}

static void tell_gone(const struct node *n, bool last, struct node_gone *ret)
{
	if (n && last && ret)
		*ret = (struct node_gone){ .id = n->id, .cached = node_cached(n) };
}

int node_unlink(const struct node_hold *dir, const char *name, int flags, struct node_gone *ret)
{
	struct nodes *t = dir->t;
	struct node *n;
	bool last;
	int r;

	pthread_rwlock_wrlock(&t->names);
	n = hold_victim(dir, name, &last);
	r = unlinkat(dir->fd, name, flags) < 0 ? -errno : 0;
	if (r == 0)
		tell_gone(n, last, ret);
	if (n) {
		pthread_mutex_lock(&t->table);
		if (r == 0)
			lose_name(dir, name, n);
		unhold(t, n);
		pthread_mutex_unlock(&t->table);
	}
	pthread_rwlock_unlock(&t->names);
	return r;
}

static void renamed(const struct node_hold *from, const char *name, struct node *moved,
		    const struct node_hold *to, char **new_name, struct node *victim, bool exchange)
{
	struct nodes *t = from->t;
	bool known = node_is_named(moved, from->n, name);
	char *old_name = exchange && victim && known ? take_ptr(&moved->name) : NULL;

	if (victim && old_name && node_is_named(victim, to->n, *new_name)) {
		node_set_name(t, victim, from->n, old_name);
	} else if (victim) {
		free(old_name);
		lose_name(to, *new_name, victim);
	}
	if (known)
		node_set_name(t, moved, to->n, take_ptr(new_name));
}

int node_rename(const struct node_hold *from, const char *name, const struct node_hold *to,
		const char *new_name, unsigned flags, struct node_gone *ret)
{
	struct nodes *t = from->t;
	autofree char *copy = strdup(new_name);
	struct node *moved, *victim;
	bool last;
	int r;

	if (!copy)
		return -ENOMEM;
	pthread_rwlock_wrlock(&t->names);
	moved = hold_victim(from, name, &last);
	victim = hold_victim(to, new_name, &last);
	r = renameat2(from->fd, name, to->fd, new_name, flags) < 0 ? -errno : 0;
	if (r == 0 && victim != moved && !(flags & RENAME_EXCHANGE))
		tell_gone(victim, last, ret);
	pthread_mutex_lock(&t->table);
	/* Two names of one inode: rename(2) does nothing and succeeds. */
	if (r == 0 && moved && moved != victim)
		renamed(from, name, moved, to, &copy, victim, flags & RENAME_EXCHANGE);
	else if (r == 0 && !moved && victim)
		lose_name(to, new_name, victim);
	if (moved)
		unhold(t, moved);
	if (victim)
		unhold(t, victim);
	pthread_mutex_unlock(&t->table);
	pthread_rwlock_unlock(&t->names);
	return r;
}

void node_io_rdlock(struct nodes *t, const struct node *n)
{
	pthread_rwlock_rdlock(&t->io[n->id % IO_LOCKS]);
}

void node_io_wrlock(struct nodes *t, const struct node *n)
{
	pthread_rwlock_wrlock(&t->io[n->id % IO_LOCKS]);
}

void node_io_unlock(struct nodes *t, const struct node *n)
{
	pthread_rwlock_unlock(&t->io[n->id % IO_LOCKS]);
}

int node_path(struct nodes *t, struct node *n, char *buf, size_t size)
{
	char *at = buf + size - 1;
	int r = 0;

	*at = '\0';
	pthread_mutex_lock(&t->table);
	for (; n->id != NODE_ROOT && r == 0; n = n->parent) {
		size_t len = n->name ? strlen(n->name) : 0;

		if (!n->name || !n->parent) {
			r = -ENOENT;
			break;
		}
		if ((size_t)(at - buf) < len + 1) {
			r = -ENAMETOOLONG;
			break;
		}
		at -= len;
		memcpy(at, n->name, len);
		if (n->parent->id != NODE_ROOT)
			*--at = '/';
	}
	pthread_mutex_unlock(&t->table);
	if (r == 0)
		memmove(buf, at, strlen(at) + 1);
	return r;
}

unsigned nodes_count(struct nodes *t)
{
	unsigned n;

	pthread_mutex_lock(&t->table);
	n = t->n_used;
	pthread_mutex_unlock(&t->table);
	return n;
}
