#include "enclave/keeper_priv.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"

#define SEC	   1000000000ULL
#define RETRY_NS   (10 * SEC) /* after a save that failed, while unlocked */
#define QUIESCE_NS (10 * SEC) /* a view that cannot hold its writers for so long is stuck */

/* At once is a nanosecond: 0 would disarm the timer. */
static uint64_t settle_ns(const struct keeper *k)
{
	return k->cfg->settle_sec ? k->cfg->settle_sec * SEC : 1;
}

void save_mark_dirty(struct keeper *k)
{
	k->dirty = true;
	if (k->state == LS_UNLOCKED && k->save_phase == SAVE_NONE)
		keeper_arm(&k->settle_timer, settle_ns(k));
}

static void finish(struct keeper *k, int err)
{
	bool at_lock = k->state == LS_SAVING;

	keeper_unwatch(k, &k->saver);
	k->save_phase = SAVE_NONE;
	k->save_err = err;
	k->report.save_us = (io_boottime_ns() - k->save_started_ns) / 1000;
	if (err < 0) {
		log_err(err, "save the vault to %s; the old one is kept", k->cfg->vault);
		k->dirty = true;
	}
	if (at_lock && err == 0 && k->dirty) {
		save_at_lock(k); /* that one had begun before the last writes */
		return;
	}
	conns_saved(k, err);
	if (at_lock)
		keeper_event(k, err < 0 ? LE_NOT_SAVED : LE_SAVED);
	else if (conns_save_next(k) && k->dirty)
		save_request(k);
	else if (k->dirty)
		keeper_arm(&k->settle_timer, err < 0 ? RETRY_NS : settle_ns(k));
	if (k->save_phase == SAVE_NONE && k->state == LS_UNLOCKED)
		conns_saved(k, 0); /* the late ones had nothing more to wait for */
}

static void on_saver(struct keeper *k, struct source *s)
{
	struct worker_result res;
	ssize_t n = msg_recv(s->fd, &res, sizeof(res), NULL, 0);

	if (n == sizeof(res) && res.op == WORKER_COPIED) {
		if (k->save_phase == SAVE_COPYING && k->state == LS_UNLOCKED)
			view_send(k, VIEW_RESUME);
		k->save_phase = SAVE_COMMITTING;
		return;
	}
	if (k->save_phase == SAVE_COPYING && k->state == LS_UNLOCKED)
		view_send(k, VIEW_RESUME);
	if (n != sizeof(res) || res.op != WORKER_RESULT) {
		finish(k, -EIO); /* it died */
		return;
	}
	if (res.err == 0) {
		k->origin = res.origin;
		atrest_saved(k);
	}
	finish(k, res.err);
}

static int start_worker(struct keeper *k)
{
	struct worker_job job = { .op = WORKER_SAVE, .origin = k->origin };
	int fds[] = { k->vault_dir, k->keybox_fd, k->image };
	autoclose int sock = -EBADF;
	int r = worker_start("save", &k->saver_pid, &sock);

	if (r < 0)
		return r;
	strcpy(job.name, k->vault_name);
	r = msg_send(sock, &job, sizeof(job), fds, 3);
	if (r == 0)
		r = keeper_watch(k, &k->saver, sock, on_saver);
	if (r < 0)
		return r;
	take_fd(&sock);
	k->save_phase = SAVE_COPYING;
	return 0;
}

int save_request(struct keeper *k)
{
	if (k->state != LS_UNLOCKED)
		return -ENOLCK;
	if (k->save_phase != SAVE_NONE)
		return 0;
	k->save_started_ns = io_boottime_ns();
	k->save_phase = SAVE_QUIESCING;
	view_send(k, VIEW_QUIESCE);
	keeper_arm(&k->settle_timer, QUIESCE_NS);
	return 0;
}

void save_quiesced(struct keeper *k, int err)
{
	if (k->save_phase != SAVE_QUIESCING)
		return;
	keeper_arm(&k->settle_timer, 0);
	k->dirty = false; /* what comes from here on is told by the next VIEW_DIRTY */
	if (err == 0)
		err = start_worker(k);
	if (err < 0) {
		view_send(k, VIEW_RESUME);
		finish(k, err);
	}
}

void save_at_lock(struct keeper *k)
{
	int r;

	if (k->save_phase != SAVE_NONE)
		return; /* finish() comes back here */
	k->save_started_ns = io_boottime_ns();
	k->report.save_us = 0;
	if (k->image < 0 || !k->dirty) {
		keeper_event(k, LE_SAVED);
		return;
	}
	k->dirty = false;
	r = start_worker(k);
	if (r < 0)
		finish(k, r);
}

void save_abort(struct keeper *k)
{
	/* A copy that is whole may be committed; a torn one must never be. */
	if (k->save_phase == SAVE_COMMITTING || k->save_phase == SAVE_NONE)
		return;
	if (k->saver_pid > 0)
		kill(k->saver_pid, SIGKILL);
	keeper_unwatch(k, &k->saver);
	k->save_phase = SAVE_NONE;
	k->dirty = true;
}
