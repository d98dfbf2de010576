/*
 * The keeper's talk with the saver (saver.h): start it, ask for one step, and what its answers lead
 * to. When a save begins, and who is told how it went, is keeper_save.c's.
 */
#include "enclave/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/msg.h"

/* A view that cannot hold its writers back for so long is stuck. */
#define QUIESCE_NS (10 * 1000000000ULL)

void saver_gone(struct keeper *k)
{
	keeper_unwatch(k, &k->save.saver);
	if (k->save.pid > 0)
		kill(k->save.pid, SIGKILL);
}

int saver_ask(struct keeper *k, enum saver_op op, enum save_phase phase)
{
	struct saver_do req = { .op = op, .id = k->save.id };
	int r = msg_send(k->save.saver.fd, &req, sizeof(req), NULL, 0);

	if (r == 0)
		k->save.phase = phase;
	return r;
}

static void on_prepared(struct keeper *k, const struct saver_said *said)
{
	if (said->err < 0) {
		save_done(k, said->err);
		return;
	}
	k->save.phase = SAVE_QUIESCING;
	k->save.quiesces++;
	keeper_arm(&k->save.watch, QUIESCE_NS);
	view_send(k, VIEW_QUIESCE);
}

static void on_copied(struct keeper *k, const struct saver_said *said)
{
	int r = said->err;

	if (k->state == LS_UNLOCKED) {
		view_send(k, VIEW_RESUME);
		if (r == 0) {
			k->save.phase = SAVE_PROVING;
			return;
		}
	}
	if (r == 0)
		r = saver_ask(k, SAVER_COMMIT, SAVE_COMMITTING);
	if (r < 0)
		save_done(k, r);
}

/* Somebody else has written the sealed file: it is left as it is, and this goes beside it. */
static bool save_beside(struct keeper *k)
{
	if (!atrest_conflict(k))
		return false;
	saver_gone(k);
	k->save.next_origin = (struct seal_origin){ 0 };
	return save_begin_again(k);
}

static void on_done(struct keeper *k, const struct saver_said *said)
{
	/* After an error the next one may or may not be in place: the file that is there tells. */
	if (said->err == 0) {
		k->origin = said->origin;
		k->save.next_origin = (struct seal_origin){ 0 };
		atrest_saved(k, said->unchanged);
		key_saved(k);
	}
	k->save.last = *said;
	if (said->err == -ESTALE && save_beside(k))
		return;
	save_done(k, said->err);
}

static void on_sealed(struct keeper *k, const struct saver_said *said)
{
	k->save.next_origin = said->origin;
}

static void on_busy(struct keeper *k, const struct saver_said *said)
{
}

static const struct {
	uint32_t op;
	enum save_phase phase;
	void (*on)(struct keeper *k, const struct saver_said *said);
} answers[] = {
	{ SAVER_PREPARED, SAVE_PREPARING, on_prepared }, { SAVER_COPIED, SAVE_COPYING, on_copied },
	{ SAVER_SEALED, SAVE_COMMITTING, on_sealed },	 { SAVER_DONE, SAVE_COMMITTING, on_done },
	{ SAVER_BUSY, SAVE_PREPARING, on_busy },	 { SAVER_BUSY, SAVE_COPYING, on_busy },
	{ SAVER_BUSY, SAVE_COMMITTING, on_busy },
};

/* The saver died: another one may do better. */
static bool try_again(struct keeper *k)
{
	if (k->save.retried)
		return false;
	k->save.retried = true;
	return save_begin_again(k);
}

/* It died, or was given up: so did the save. Its writers must not wait for ever. */
void saver_lost(struct keeper *k, int err)
{
	saver_gone(k);
	/* Behind its VIEW_QUIESCE, if that is still on its way: opens what that will close. */
	if ((k->save.phase == SAVE_QUIESCING || k->save.phase == SAVE_COPYING) &&
	    k->state == LS_UNLOCKED)
		view_send(k, VIEW_RESUME);
	if (k->save.phase == SAVE_NONE || (err == -EIO && try_again(k)))
		return;
	save_done(k, err);
}

static void on_saver(struct keeper *k, struct source *s)
{
	struct saver_said said;
	ssize_t n;

	/* Who asked for a save too late for this one has written before: the view has said so. */
	view_listen(k);
	if (s->fd < 0)
		return;
	n = msg_recv(s->fd, &said, sizeof(said), NULL, 0);
	if (n != sizeof(said)) {
		saver_lost(k, -EIO);
		return;
	}
	if (said.id != k->save.id)
		return; /* of a save that was given up */
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		if (answers[i].op == said.op && answers[i].phase == k->save.phase) {
			keeper_arm(&k->save.watch, SAVE_HANG_NS);
			answers[i].on(k, &said);
			return;
		}
}

int saver_need(struct keeper *k)
{
	struct saver_start job = { .op = SAVER_START };
	int fds[] = { k->vault_dir, k->keybox_fd, k->image };
	autoclose int sock = -EBADF;
	int r;

	if (k->save.saver.fd >= 0)
		return 0;
	job.origin[0] = k->origin;
	job.origin[1] = k->save.next_origin;
	r = worker_start("save", &k->save.pid, &sock);
	if (r < 0)
		return r;
	atrest_save_as(k, job.name, &job.keep, &job.kept);
	r = msg_send(sock, &job, sizeof(job), fds, 3);
	/* A saver that does not read must not hold up the keeper. */
	if (r == 0 && fcntl(sock, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0)
		r = keeper_watch(k, &k->save.saver, sock, on_saver);
	if (r < 0)
		return r;
	take_fd(&sock);
	return 0;
}
