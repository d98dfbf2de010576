/*
 * node - the inode table: what the kernel's numbers stand for, and how each reaches its file
 *
 * A node remembers its parent and its name, not a descriptor: descriptors are opened when needed
 * and kept in a cache of limited size, so 100,000 inodes fit into 1,024 of them. A file whose
 * remembered name goes away (unlink, or a rename over it) keeps its descriptor for good: it is
 * pinned. Nodes live in places that are never given back, so a number is turned into a node without
 * a lock; the generation tells two users of one place apart.
 *
 * Locks, in the order in which they are taken:
 *
 *   names (rwlock)  read: a name is used to reach a node (lookup, opening a descriptor).
 *                   write: a name of a node goes away or changes (unlink, rmdir, rename).
 *   io (64 rwlocks, by number; never two at once, never together with names)
 *                   read: contents or sizes are read. write: contents or sizes change.
 *   table (mutex)   guards places, the hash by device and inode, parent, name, the counts, the
 *                   descriptors and their list. Never held across a call into the kernel, except
 *                   close(2) of a descriptor that gives way.
 *
 * Without a lock: node_id(), node_get(), and the two atomics cached_end and writers.
 */
#ifndef TAZ_TAZFS_NODE_H
#define TAZ_TAZFS_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "tazfs/store.h"

#define NODE_ROOT 1 /* FUSE_ROOT_ID */

struct nodes;
struct node;

/*
 * nodes_new - a table that knows the root
 * @rootfd: the directory that is shown; O_PATH suffices; borrowed for the whole life
 * @max_fds: how many descriptors may be cached
 * Returns 0, -ENOMEM or -errno of fstat(2).
 */
int nodes_new(int rootfd, unsigned max_fds, struct nodes **ret);
void nodes_free(struct nodes *t); /* NULL is allowed */

/* node_get - the node of a number that the kernel was given and has not forgotten, or NULL */
struct node *node_get(struct nodes *t, uint64_t id);
uint64_t node_id(const struct node *n);

/* A descriptor of a node while it is in use: autohold struct node_hold h = NODE_HOLD_NONE; */
struct node_hold {
	struct nodes *t;
	struct node *n;
	int fd; /* O_PATH */
};

#define NODE_HOLD_NONE             \
	{                          \
		NULL, NULL, -EBADF \
	}
#define autohold __attribute__((cleanup(node_hold_done)))

/*
 * node_hold - reach the file
 * Returns 0, -ESTALE when it is not where it was (somebody changed the store behind our back), or
 * -errno of open(2).
 */
int node_hold(struct nodes *t, struct node *n, struct node_hold *ret);
void node_hold_done(struct node_hold *h);

struct node_entry {
	uint64_t id, generation;
	struct stat st;
};

/*
 * node_lookup - what a directory has under a name; the kernel's count of the node goes up by one
 * @dir: held
 * Returns 0, or -errno of fstatat(2); -ENOMEM, -ENFILE.
 */
int node_lookup(const struct node_hold *dir, const char *name, struct node_entry *ret);

/* node_forget - the kernel's count goes down by @n; at 0 the node goes, unless it is in use */
void node_forget(struct nodes *t, uint64_t id, uint64_t n);

/* A known file whose last name went away, if one did; otherwise left alone. */
struct node_gone {
	uint64_t id;
	uint64_t cached; /* bytes of it that the kernel may have in its page cache */
};

/* node_unlink - @flags: 0 or AT_REMOVEDIR. Returns 0 or -errno of unlinkat(2). */
int node_unlink(const struct node_hold *dir, const char *name, int flags, struct node_gone *ret);

/* node_rename - @flags as renameat2(2). Returns 0 or its -errno. */
int node_rename(const struct node_hold *from, const char *name, const struct node_hold *to,
		const char *new_name, unsigned flags, struct node_gone *ret);

/* The lock of a node's contents and size. */
void node_io_rdlock(struct nodes *t, const struct node *n);
void node_io_wrlock(struct nodes *t, const struct node *n);
void node_io_unlock(struct nodes *t, const struct node *n);

/*
 * Open files. Those that only read share one descriptor a node; it survives the last of them until
 * the cache needs its place or the file's mode changes.
 */
struct node_file {
	struct store_file file;
	struct node *n; /* stays while the file is open */
	struct node_share *share;
	bool writes;
	bool sync;     /* O_SYNC or O_DSYNC: each write is durable when it is answered */
	bool direct;   /* the kernel keeps no pages of what is read through it */
	bool executes; /* it was opened to run it */
};

/* node_open - open the held node. Returns 0 or -errno as store_open(). */
int node_open(const struct node_hold *h, int flags, struct node_file *ret);

/* node_opened - make an open file of what store_create() has opened; takes @file */
void node_opened(struct nodes *t, uint64_t id, int flags, struct store_file file,
		 struct node_file *ret);
void node_close(struct nodes *t, struct node_file *f);

/* node_unshare - the mode has changed: whoever opens next is checked anew by the store */
void node_unshare(struct nodes *t, struct node *n);

/*
 * node_tails - what the page cache of the store may hold of a file; the node's lock guards it
 * node_keep - call after it may have grown, with that lock: the node then stays until its file is
 * deleted, whatever the kernel forgets
 * node_each_kept - for each such node; stops when @fn returns non-zero, and returns that
 */
struct tails *node_tails(struct node *n);
void node_keep(struct nodes *t, struct node *n);
int node_each_kept(struct nodes *t, int (*fn)(void *arg, struct node *n), void *arg);

/*
 * What may be in the kernel's page cache: every page of it was read or written through us.
 * node_saw_pages() is called for each; node_cut_pages() when the file shrinks.
 */
void node_saw_pages(struct node *n, uint64_t end_bytes);
uint64_t node_cached(const struct node *n);
void node_cut_pages(struct node *n, uint64_t size_bytes);

/*
 * node_each - for each node that the kernel knows: its pages up to @cached_bytes may be cached,
 * @writers files are open for writing. Nodes may come and go meanwhile. Stops when @fn returns
 * non-zero, and returns that.
 */
int node_each(struct nodes *t,
	      int (*fn)(void *arg, struct node *n, bool is_dir, uint64_t cached_bytes,
			unsigned writers),
	      void *arg);

/*
 * node_path - the path below the root, as last seen, for opening it through our own mount
 * Returns 0, -ENOENT when it has no name any more, -ENAMETOOLONG.
 */
int node_path(struct nodes *t, struct node *n, char *buf, size_t size);

/* node_files - how many open files it has; 0 for a number that means nothing */
unsigned node_files(struct nodes *t, uint64_t id);

/* nodes_count, nodes_fds - for tests: known nodes, open cached descriptors */
unsigned nodes_count(struct nodes *t);
unsigned nodes_fds(struct nodes *t);

#endif
