/*
 * When and how the ciphertext goes to disk. The saver (saver.h) does the work, the view holds its
 * writers back for the one step that needs it, and this is who tells them (by keeper_saver.c):
 *
 *	NONE -> PREPARING   the saver brings its spare near, writers go on
 *	     -> QUIESCING   the view syncs, closes its gate, syncs what is left
 *	     -> COPYING     the saver looks at all of the image; then the view opens its gate
 *	     -> PROVING     and says so: it held the store for all of the copy (had it died, the
 *			    kernel would have written to the image under the saver's eyes)
 *	     -> COMMITTING  hash, write, fsync, exchange the names, fsync
 *	     -> NONE        who waited for it is answered
 *
 * After a lock nobody writes, so that save begins with COPYING. A lock gives up a save that has not
 * got as far as COMMITTING: the view is about to bring home what is left in caches.
 *
 * A disk that does not answer holds up nobody but those who wait for it: after SAVE_HANG_NS without
 * a sign of life from the saver it is said so (log, status), and a lock that has come as far as
 * SAVING ends as not saved, with the ciphertext kept in RAM. Should the disk come back, the save
 * ends as it would have, and the lock is saved after all.
 */
#include "enclave/keeper_priv.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/sealer.h"

#define SEC	 1000000000ULL
#define RETRY_NS (10 * SEC) /* after a save that failed, while unlocked */

static void next(struct keeper *k, int err);

/* At once is a nanosecond: 0 would disarm the timer. */
static uint64_t settle_ns(const struct keeper *k)
{
	return k->cfg->settle_sec ? k->cfg->settle_sec * SEC : 1;
}

/* With durability=lock only a new vault's very first save comes before, and those asked for. */
static bool saves_by_itself(const struct keeper *k)
{
	return k->cfg->durability != DURABILITY_LOCK || !k->origin.generation;
}

static void arm_settle(struct keeper *k, uint64_t ns)
{
	if (saves_by_itself(k))
		keeper_arm(&k->settle_timer, ns);
}

void save_mark_dirty(struct keeper *k)
{
	k->dirty = true;
	if (k->state == LS_UNLOCKED && k->save.phase == SAVE_NONE)
		arm_settle(k, settle_ns(k));
}

bool save_is_behind(const struct keeper *k)
{
	return k->image >= 0 && (k->dirty || k->save.phase != SAVE_NONE);
}

static void tell_view(struct keeper *k, uint64_t seq, int err)
{
	struct view_synced msg = { .op = VIEW_SYNCED, .err = err, .seq = seq };

	view_send_msg(k, &msg, sizeof(msg));
}

/* --- how one ends ---------------------------------------------------------------------------- */

/* Its numbers begin anew with the next view: none of this one's may be answered there. */
static void forget_view(struct keeper *k)
{
	k->save.quiesces = 0;
	k->save.for_view = false;
	k->save.covers = k->save.wanted = 0;
}

/* Its end is seen by the keeper's SIGCHLD. It removes its spare first; a stuck disk may stop it. */
void save_end(struct keeper *k)
{
	keeper_unwatch(k, &k->save.saver);
	keeper_arm(&k->save.watch, 0);
	forget_view(k);
	k->save.phase = SAVE_NONE;
	k->save.hangs = k->save.retried = false;
	k->save.next_origin = (struct seal_origin){ 0 };
	k->save_err = 0;
}

void save_done(struct keeper *k, int err)
{
	struct save *s = &k->save;

	keeper_arm(&s->watch, 0);
	if (s->hangs)
		log_info("the disk answers again");
	s->hangs = false;
	s->phase = SAVE_NONE;
	k->report.save_us = (io_boottime_ns() - s->started_ns) / 1000;
	if (err < 0 && err != k->save_err)
		log_err(err, "save the vault to %s; the old one is kept", k->cfg->vault);
	k->save_err = err;
	if (err < 0)
		k->dirty = true;
	else
		s->retried = false;
	next(k, err);
}

static void next_while_unlocked(struct keeper *k, int err)
{
	struct save *s = &k->save;
	bool again = conns_save_next(k) || s->wanted;

	if (s->for_view || err < 0)
		tell_view(k, s->covers, err);
	s->for_view = false;
	if (err == 0 && again && k->dirty)
		err = save_request(k);
	else if (k->dirty)
		arm_settle(k, err < 0 ? RETRY_NS : settle_ns(k));
	if (s->phase != SAVE_NONE)
		return;
	/* The late ones had nothing more to wait for, or share the fate of those before them. */
	if (s->wanted || err < 0)
		tell_view(k, s->wanted, err);
	s->wanted = 0;
	conns_saved(k, err);
}

/* Who waited is answered, and what came meanwhile goes on. */
static void next(struct keeper *k, int err)
{
	if (k->state == LS_SAVING && err == 0 && k->dirty) {
		save_at_lock(k); /* that one had begun before the last writes */
		return;
	}
	conns_saved(k, err);
	if (k->state == LS_SAVING)
		keeper_event(k, err < 0 ? LE_NOT_SAVED : LE_SAVED);
	else if (k->state == LS_LOCKED && err == 0)
		keeper_event(k, LE_LOCK); /* late: the lock ends once more, saved this time */
	else if (k->state == LS_UNLOCKED)
		next_while_unlocked(k, err);
}

bool save_begin_again(struct keeper *k)
{
	if (k->state != LS_UNLOCKED && k->state != LS_SAVING)
		return false;
	k->save.phase = SAVE_NONE;
	k->dirty = true;
	if (k->state == LS_UNLOCKED)
		return save_request(k) == 0;
	save_at_lock(k);
	return true;
}

/* --- how one begins -------------------------------------------------------------------------- */

static int begin(struct keeper *k, enum saver_op op, enum save_phase phase)
{
	int r = saver_need(k);

	k->save.id++;
	k->save.covers = 0;
	k->save.for_view = false;
	k->save.started_ns = io_boottime_ns();
	keeper_arm(&k->settle_timer, 0);
	keeper_arm(&k->save.watch, SAVE_HANG_NS);
	if (r == 0)
		r = saver_ask(k, op, phase);
	if (r != -EPIPE)
		return r;
	saver_gone(k); /* it has died meanwhile */
	r = saver_need(k);
	return r < 0 ? r : saver_ask(k, op, phase);
}

int save_request(struct keeper *k)
{
	int r;

	if (k->state != LS_UNLOCKED)
		return -ENOLCK;
	if (k->save.phase != SAVE_NONE)
		return 0;
	r = begin(k, SAVER_PREPARE, SAVE_PREPARING);
	if (r < 0) {
		/* Not save_done(): the caller may be what it would call. */
		log_err(r, "start a save");
		saver_gone(k);
		keeper_arm(&k->save.watch, 0);
		k->save.phase = SAVE_NONE;
		k->save_err = r;
		keeper_arm(&k->settle_timer, RETRY_NS);
	}
	return r;
}

void save_quiesced(struct keeper *k, const struct view_quiesced *q)
{
	int r = q->err;

	if (k->save.quiesces > 0)
		k->save.quiesces--;
	/* The answer to one before it, whose saver died: the view has opened its gate since. */
	if (k->save.phase != SAVE_QUIESCING || k->save.quiesces)
		return;
	k->dirty = false; /* what comes from here on is told by the next VIEW_DIRTY */
	k->save.covers = q->covers;
	k->save.for_view = true;
	/* One that came after the gate was closed may have overtaken this. */
	if (k->save.wanted <= q->covers)
		k->save.wanted = 0;
	if (r == 0)
		r = saver_ask(k, SAVER_COPY, SAVE_COPYING);
	keeper_arm(&k->save.watch, SAVE_HANG_NS);
	if (r < 0) {
		view_send(k, VIEW_RESUME);
		save_done(k, r);
	}
}

void save_resumed(struct keeper *k, uint64_t pause_us)
{
	int r;

	k->save.pause_us = pause_us;
	if (k->save.phase != SAVE_PROVING)
		return;
	r = saver_ask(k, SAVER_COMMIT, SAVE_COMMITTING);
	if (r < 0)
		save_done(k, r);
}

void save_sync(struct keeper *k, const struct view_sync *sync)
{
	int r = 0;

	if (k->state != LS_UNLOCKED)
		return; /* the view answers these itself when it is locked */
	k->dirty = k->dirty || sync->changed;
	if (!k->dirty && k->save.phase == SAVE_NONE) {
		tell_view(k, sync->seq, 0);
		return;
	}
	k->save.wanted = sync->seq;
	if (k->save.phase == SAVE_NONE)
		r = save_request(k);
	if (r < 0) {
		k->save.wanted = 0;
		tell_view(k, 0, r);
	}
}

void save_at_lock(struct keeper *k)
{
	int r;

	if (k->save.phase != SAVE_NONE) { /* save_done() comes back here */
		keeper_arm(&k->save.watch, SAVE_HANG_NS);
		return;
	}
	k->report.save_us = 0;
	if (k->image < 0 || !k->dirty) {
		keeper_event(k, LE_SAVED);
		return;
	}
	k->dirty = false;
	r = begin(k, SAVER_COPY, SAVE_COPYING);
	if (r < 0)
		save_done(k, r);
}

void save_abort(struct keeper *k)
{
	forget_view(k);
	/* A copy that is whole may be committed; a torn one must never be. */
	if (k->save.phase == SAVE_COMMITTING || k->save.phase == SAVE_NONE)
		return;
	k->save.id++;
	k->save.phase = SAVE_NONE;
	k->dirty = true;
	keeper_arm(&k->save.watch, 0);
}

void save_on_settle(struct keeper *k)
{
	if (k->state == LS_UNLOCKED && k->dirty)
		save_request(k);
}

/* No sign of life in time. */
void save_on_watch(struct keeper *k)
{
	if (k->save.phase == SAVE_NONE)
		return;
	if (k->save.phase == SAVE_QUIESCING || k->save.phase == SAVE_PROVING) {
		if (k->state == LS_UNLOCKED) {
			log_warn("the view cannot hold back its writers: locking");
			keeper_event(k, LE_LOCK);
		}
		return;
	}
	if (!k->save.hangs)
		log_warn("the disk at %s has not answered for %llu s: changes are not saved yet",
			 k->cfg->vault, SAVE_HANG_NS / SEC);
	k->save.hangs = true;
	if (k->state == LS_UNLOCKED && k->save.phase == SAVE_COPYING) {
		saver_lost(k, -ETIMEDOUT); /* writers are held back: they go on */
	} else if (k->state == LS_UNLOCKED) {
		view_send(k, VIEW_SYNC_HANGS);
	} else if (k->state == LS_SAVING) {
		/* The key is gone, and that is what a lock owes. The saver goes on trying. */
		k->save_err = -ETIMEDOUT;
		keeper_event(k, LE_NOT_SAVED);
	}
}

void save_stop(struct keeper *k)
{
	save_end(k);
	/* It has a spare to remove; a disk that hangs is not waited for. */
	for (int i = 0; i < 100 && k->save.pid > 0; i++) {
		if (waitpid(k->save.pid, NULL, WNOHANG) != 0)
			k->save.pid = 0;
		else
			usleep(10000);
	}
	sealer_clean(k->vault_dir, k->vault_name);
}
