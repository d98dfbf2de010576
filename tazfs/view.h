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

#include "enclave/proto.h"
#include "tazfs/ask.h"
#include "tazfs/audit.h"
#include "tazfs/caller.h"
#include "tazfs/durable.h"
#include "tazfs/gate.h"
#include "tazfs/judge.h"
#include "tazfs/node.h"
#include "tazfs/session.h"

#define VIEW_OWN_DIR PROTO_VIEW_DIR /* in the store's root: the policy and the audit */

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
	struct judge judge;
	struct audit *audit; /* NULL with --source */
	struct asks *asks;   /* the same: there is nobody to ask */
	struct gate gate;
	struct durable durable;
	struct fs *fs;
	int rootfd;  /* the store */
	int mountfd; /* our own mount, may be O_PATH; -EBADF with --source, where it would make the
			mount busy */
	const char *mountpoint; /* then this leads there */
	int keeper;		/* channel, -EBADF with --source */
	bool everyone, strict;
	bool transparent;	  /* --allow-other: what somebody makes belongs to him, not to us */
	bool fsync_saves;	  /* an fsync is answered when it is in the sealed file */
	_Atomic int phase;	  /* enum view_phase */
	_Atomic pid_t self;	  /* our thread that works on our own mount, while it does */
	_Atomic uint64_t last_ns; /* CLOCK_BOOTTIME of the last allowed operation */
	_Atomic bool dirty;	  /* the keeper knows of a change */
	int policy_fd;		  /* one that came while the gate was closed; -EBADF: none */
	_Atomic bool noted;	  /* there is something to write for the audit */
	_Atomic bool decoyed;	  /* a decoy was opened: the lock is on its way */
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
 * view_permit - may this thread do that, now?
 * Returns 0; as decided -EACCES, or -ENOENT for what is hidden; -EIO when the view is locked;
 * with @req->parks ASK_LATER: it is not to be answered now, and runs again when a person has.
 */
int view_permit(struct view *v, pid_t tid, const struct judge_request *req);

/*
 * view_permit_again - may this thread do that with an open file, if the policy wants to be asked?
 * @may: MAY_READ or another one letter. Returns 0, -EACCES, or -EIO when the view is locked.
 */
int view_permit_again(struct view *v, pid_t tid, struct node *n, unsigned may);

/*
 * view_permit_tree - the same for everything that it and what can be below it may be asked for
 * For what is about to be moved elsewhere, where other rules hold.
 */
int view_permit_tree(struct view *v, pid_t tid, struct node *dir, const char *name);

/* view_list - begin a listing (judge_list_begin()). Returns 0, or as view_permit(). */
int view_list(struct view *v, pid_t tid, struct node *dir, struct judge_listing *ret);

/* view_still - is that phase, or an earlier one, current? 0 or -EIO. For requests on open files. */
int view_still(struct view *v, enum view_phase phase);

/*
 * view_policy_load - put the policy in force that the vault keeps; without one the preset "session"
 * One that does not parse lets nobody in but the keeper's next one. Returns 0 or -errno.
 */
int view_policy_load(struct view *v);

/* view_policy_file - put the one in a file in force. Returns 0, -EINVAL (said where), or -errno. */
int view_policy_file(struct view *v, int fd, const char *name);

/*
 * view_policy_set - keep a policy in the vault, and put it in force; main thread only, gate open
 * @fd: a memfd sealed against changes, borrowed
 * Returns 0, -EINVAL when it does not parse or is not sealed, or -errno: nothing has changed then,
 * unless it was said that it is in force and pages could not be dropped.
 */
int view_policy_set(struct view *v, int fd);

/* view_givens - what no policy can change, at this moment */
struct givens view_givens(struct view *v);

/* view_audit_say - an event that is no decision, in words */
void view_audit_say(struct view *v, const char *text);

/* view_audit_start - before the sandbox. Without room for it there is no audit, which is said: a
 * full vault must open, or nobody could make room. */
void view_audit_start(struct view *v);

/* view_note - record a decision, if it is one of those that are recorded. Any thread, no I/O. */
void view_note(struct view *v, pid_t tid, const struct judge_request *req,
	       const struct judgement *j);

/* view_audit_flush - write what was noted, unless a save is copying; view_audit_end: the last of it
 */
void view_audit_flush(struct view *v);
void view_audit_end(struct view *v);

/* view_changed - tell the keeper of the first change since it last asked for a quiet store */
void view_changed(struct view *v);

#endif
