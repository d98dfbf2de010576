/* node_priv - shared by node.c (the table), node_fd.c (descriptors) and node_pages.c (page caches);
 * for nobody else */
#ifndef TAZ_TAZFS_NODE_PRIV_H
#define TAZ_TAZFS_NODE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "tazfs/node.h"

#define CHUNK	 1024 /* nodes that are allocated at once */
#define CHUNKS	 4096
#define IO_LOCKS 64

struct node_share {
	unsigned refs; /* the node's own, and one for each open file */
	struct store_file file;
};

struct node {
	uint64_t id, generation;
	dev_t dev;
	ino_t ino;
	bool is_dir, pinned;
	uint64_t nlookup; /* the kernel's count */
	unsigned kids;	  /* nodes that name this one as their parent */
	unsigned holds;	  /* the descriptor is in use */
	unsigned files;	  /* open files */
	int fd;		  /* O_PATH, -EBADF: not open */
	struct node *parent;
	char *name; /* NULL: none that we know */
	struct node_share *share;
	struct node *hash_next; /* or the next free place */
	struct node *newer, *older;
	bool in_list;
	struct tails tails; /* the node's io lock guards them */
	_Atomic bool kept;  /* it has tails: stays until the lock, or until its file is deleted */
	_Atomic uint64_t cached_end;
	_Atomic unsigned writers;
};

struct nodes {
	pthread_rwlock_t names;
	pthread_rwlock_t io[IO_LOCKS];
	pthread_mutex_t table;
	struct node *_Atomic chunks[CHUNKS];
	unsigned n_places, n_used;
	struct node *free_places;
	struct node **hash;
	size_t n_buckets; /* a power of two */
	unsigned n_fds, max_fds;
	struct node *newest, *oldest; /* nodes with a descriptor that may give way */
};

/* All of these need the table's lock. */
struct node *node_place(struct nodes *t, unsigned i); /* NULL behind the last; needs no lock */
struct node *node_find(struct nodes *t, dev_t dev, ino_t ino);
void node_set_name(struct nodes *t, struct node *n, struct node *parent, char *taken_name);
bool node_is_named(const struct node *n, const struct node *parent, const char *name);
void node_drop_if_unused(struct nodes *t, struct node *n);
void node_drop(struct nodes *t, struct node *n); /* the same; a deleted file's tails are wiped
						    first, and the lock is given up meanwhile */
void node_fd_set(struct nodes *t, struct node *n, int *fd); /* takes it if there is none yet */
void node_fd_pin(struct nodes *t, struct node *n);	    /* keep the descriptor for good */
void node_fd_unpin(struct nodes *t, struct node *n);	    /* it has a name again */
void node_fd_touch(struct nodes *t, struct node *n);
void node_fd_drop(struct nodes *t, struct node *n); /* close all of a node that goes */
void node_share_put(struct node_share *share);

#endif
