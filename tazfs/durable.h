/*
 * durable - fsyncs that are answered when what they cover is in the sealed file
 *
 * Each that has something to wait for takes a number. The keeper saves; at the moment at which the
 * gate is closed for a save (gate.h) every number given so far is in it (durable_quiesced), and is
 * answered when the save is durable (durable_synced). So all that came before share one save, and
 * all that come during it share the next one. Nobody waits in here: an fsync is parked, and given
 * back to whoever answers.
 *
 * Pure but for its lock: the caller sends what is to be sent.
 */
#ifndef TAZ_TAZFS_DURABLE_H
#define TAZ_TAZFS_DURABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct durable_item { /* embedded in what is parked */
	struct durable_item *next;
	uint64_t seq;
	int err;	  /* what to answer, once it has been given back */
	bool interrupted; /* its process would rather not wait */
};

struct durable {
	pthread_mutex_t lock; /* guards everything below */
	bool closed;	      /* the view is locked: nobody waits any more */
	bool behind;	      /* the keeper must be asked: no save has told us yet, or one failed */
	bool saving;	      /* a save covers the numbers up to covers */
	bool hangs;	      /* the disk does not answer */
	uint64_t last;	      /* the last number given */
	uint64_t covers;
	uint64_t asked; /* the keeper was asked for this one, and no save has begun since; or 0 */
	struct durable_item *head;
};

void durable_init(struct durable *d);

/* Asks the keeper to save up to @seq. Called under the lock. @changed: the keeper may not have been
 * told yet that there is something to save. */
typedef void durable_ask_t(void *arg, uint64_t seq, bool changed);

/*
 * durable_wait - park an fsync
 * @changed: something was changed since durable_quiesced() was called last
 *
 * Returns 1 when it is parked, and then it may be answered already; 0 when everything is durable;
 * -EIO when the view is locked; -EINTR when it was interrupted before. Not parked: still the
 * caller's.
 */
int durable_wait(struct durable *d, struct durable_item *item, bool changed, durable_ask_t *ask,
		 void *arg);

/* durable_quiesced - the gate is closed: which number a save that begins now covers */
uint64_t durable_quiesced(struct durable *d);

/*
 * durable_synced - a save has ended
 * @seq, @err: 0: those up to @seq are durable; otherwise why not, for all that wait
 * Returns a list of those to answer, now the caller's; NULL for none.
 */
struct durable_item *durable_synced(struct durable *d, uint64_t seq, int err, durable_ask_t *ask,
				    void *arg);

/* durable_close - the view locks: all that wait, and whoever comes later, get -EIO */
struct durable_item *durable_close(struct durable *d);

/*
 * durable_interrupt - its process was sent a signal
 * A save that is under way takes milliseconds and is waited for: many programs do not expect EINTR
 * of fsync(2). When the disk hangs it is the way out. Returns true when it is the caller's to
 * answer.
 */
bool durable_interrupt(struct durable *d, struct durable_item *item);

/* durable_hangs - the disk does not answer: those that were interrupted, to be answered */
struct durable_item *durable_hangs(struct durable *d);

#endif
