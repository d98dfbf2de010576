/*
 * view - one running view: what its threads share, and how it starts
 *
 * The workers (fs) obey requests; the main thread (link) listens to the keeper, or to signals, and
 * locks (scrub). Everything here is set before the workers start, except the atomics.
 */
#ifndef TAZ_TAZFS_VIEW_H
#define TAZ_TAZFS_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/caller.h"
#include "tazfs/decide.h"
#include "tazfs/durable.h"
#include "tazfs/gate.h"
#include "tazfs/node.h"
#include "tazfs/session.h"

#define VIEW_WORKERS 3

/* It only ever goes forward. */
enum view_phase {
	VIEW_OPEN,    /* requests are decided and served */
	VIEW_CLOSING, /* only what the kernel writes back, and our own thread, is served */
	VIEW_CLOSED,  /* nothing is */
};

struct view {
	struct nodes *nodes;
	struct sessions *sessions;
	struct callers *callers;
	struct gate gate;
	struct durable durable;
	struct fs *fs;
	int rootfd;  /* the store */
	int mountfd; /* our own mount, may be O_PATH; -EBADF with --source, where it would make the
			mount busy */
	const char *mountpoint; /* then this leads there */
	int keeper;		/* channel, -EBADF with --source */
	bool everyone, strict;
	bool fsync_saves;	  /* an fsync is answered when it is in the sealed file */
	_Atomic int phase;	  /* enum view_phase */
	_Atomic pid_t self;	  /* our thread that works on our own mount, while it does */
	_Atomic uint64_t last_ns; /* CLOCK_BOOTTIME of the last allowed operation */
	_Atomic bool dirty;	  /* the keeper knows of a change */
	uint64_t paused_ns;	  /* CLOCK_BOOTTIME since when the gate is closed; 0: it is open */
};

/*
 * view_init - make the tables
 * @rootfd: opened again, not kept
 * @mountfd, @keeper: borrowed for the whole life
 * Raises RLIMIT_NOFILE to its hard limit. Returns 0 or -errno.
 */
int view_init(struct view *v, int rootfd, int mountfd, int keeper);

/* view_used - an allowed operation happened now: the idle time begins anew */
void view_used(struct view *v);

/*
 * view_permit - may this thread name a file, now?
 * @change: it wants to change something
 * Returns 0, -EACCES (decided), or -EIO (the view is locked).
 */
int view_permit(struct view *v, pid_t tid, bool change);

/* view_still - is that phase, or an earlier one, current? 0 or -EIO. For requests on open files. */
int view_still(struct view *v, enum view_phase phase);

/* view_changed - tell the keeper of the first change since it last asked for a quiet store */
void view_changed(struct view *v);

#endif
