/*
 * The lock, from the shut door to the report. What is verified is looked at again and again (no
 * event tells when the kernel has let go); what was seen to be gone stays gone: the mapping's name
 * is random, the number of a loop device may be somebody else's a moment later.
 */
#include "enclave/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/dm.h"
#include "enclave/holders.h"
#include "enclave/mounts.h"

#define MS	 1000000ULL
#define FIRST_NS (1 * MS)
#define SOON_NS	 (50 * MS) /* until then looks are STEP_NS apart, afterwards SLOW_NS */
#define STEP_NS	 (2 * MS)
#define SLOW_NS	 (10 * MS)

/* How long the kernel may take before the volume counts as pinned, and a cut before it is late.
 * Together with what the view may take (keeper_view.c) they are less than two seconds. */
#define PINNED_NS      (250 * MS) /* since the view's death */
#define UNDEAD_NS      (400 * MS) /* since it was killed, and does not die */
#define CUT_NS	       (450 * MS)
#define CUT_AGAIN_NS   (2000 * MS)
#define LOOK_ANYWAY_NS (250 * MS) /* after a cut that does not come back */

struct aside_result {
	int err;
	struct mounts_result mounts; /* ASIDE_SWEEP */
	struct holders holders;	     /* ASIDE_LOOK */
};

/* --- aside ----------------------------------------------------------------------------------- */

static void do_thaw(const struct keeper *k, struct aside_result *res)
{
	res->err = stack_thaw(k->dm_name, k->view_pid);
}

static dev_t volume_number(const struct keeper *k)
{
	struct dm_look now;

	return dm_look(k->dm_name, &now) < 0 ? 0 : now.dev;
}

static void do_sweep(const struct keeper *k, struct aside_result *res)
{
	/* A mount of the decrypted file system itself can only be somebody's who got at the view's
	 * descriptors or at the device: it goes as well. */
	const dev_t devs[] = { k->fuse_dev, volume_number(k) };

	res->err = mounts_detach_everywhere(devs, 2, &res->mounts);
}

static void do_cut(const struct keeper *k, struct aside_result *res)
{
	res->err = stack_cut(k->dm_name);
	if (res->err == 0)
		stack_shut_fs(k->dm_name);
}

static void do_look(const struct keeper *k, struct aside_result *res)
{
	pid_t ours[ASIDES];

	for (int i = 0; i < ASIDES; i++)
		ours[i] = k->asides[i].pid;
	holders_find(volume_number(k), k->loop, ours, ASIDES, &res->holders);
}

static void do_stale(const struct keeper *k, struct aside_result *res)
{
	stale_sweep(&k->stale);
}

static const struct {
	const char *name;
	void (*work)(const struct keeper *k, struct aside_result *res);
} works[ASIDES] = {
	[ASIDE_THAW] = { "enclave-thaw", do_thaw },
	[ASIDE_SWEEP] = { "enclave-sweep", do_sweep },
	[ASIDE_CUT] = { "enclave-cut", do_cut },
	[ASIDE_LOOK] = { "enclave-look", do_look },
	[ASIDE_STALE] = { "enclave-stale", do_stale },
};

static void aside_forget(struct keeper *k, struct aside *a)
{
	if (a->pid > 0)
		kill(a->pid, SIGKILL); /* and left behind, when it is stuck */
	a->pid = 0;
	keeper_unwatch(k, &a->src);
	if (a->result)
		munmap(a->result, sizeof(*a->result));
	a->result = NULL;
	a->done = false;
}

static void on_aside(struct keeper *k, struct source *src)
{
	struct aside *a = (struct aside *)((char *)src - offsetof(struct aside, src));
	char through;

	a->done = read(src->fd, &through, 1) == 1;
	keeper_unwatch(k, src);
	if (k->state == LS_DRAINING || k->state == LS_CUTTING)
		lock_check(k);
}

/* Nothing of ours stays open in the child: whoever waits for our death must not wait for its. */
__attribute__((noreturn)) static void be_aside(const struct keeper *k, enum aside_kind kind,
					       int pipe_fd)
{
	dm_forget_control();
	if (dup2(pipe_fd, 3) < 0 || close_range(4, ~0U, 0) < 0)
		_exit(1);
	prctl(PR_SET_NAME, works[kind].name);
	works[kind].work(k, k->asides[kind].result);
	if (write(3, "", 1) != 1)
		_exit(1);
	_exit(0);
}

static int aside_spawn(struct keeper *k, enum aside_kind kind)
{
	struct aside *a = &k->asides[kind];
	autoclose int ours = -EBADF, theirs = -EBADF;
	int fds[2], r;

	a->result = mmap(NULL, sizeof(*a->result), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a->result == MAP_FAILED) {
		a->result = NULL;
		return -ENOMEM;
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	ours = fds[0];
	theirs = fds[1];
	r = keeper_watch(k, &a->src, ours, on_aside);
	if (r < 0)
		return r;
	take_fd(&ours);
	a->pid = fork();
	if (a->pid == 0)
		be_aside(k, kind, theirs);
	return a->pid < 0 ? -errno : 0;
}

/* When no process can be had (a fork bomb, say) it is done here: to lock is worth the risk. */
static void aside_start(struct keeper *k, enum aside_kind kind)
{
	struct aside *a = &k->asides[kind];
	int r;

	aside_forget(k, a);
	r = aside_spawn(k, kind);
	if (r == 0)
		return;
	a->pid = 0;
	keeper_unwatch(k, &a->src);
	log_err(r, "start a process for %s", works[kind].name);
	if (!a->result)
		return;
	works[kind].work(k, a->result);
	a->done = true;
}

static bool is_started(const struct aside *a)
{
	return a->result;
}

static bool is_running(const struct aside *a)
{
	return a->src.fd >= 0;
}

/* --- what is verified ------------------------------------------------------------------------ */

static bool view_is_gone(struct keeper *k)
{
	return k->view_pid <= 0 && k->opener_pid <= 0;
}

static bool mapping_is_gone(struct keeper *k)
{
	return stack_mapping_gone(k->dm_name);
}

static bool loop_is_gone(struct keeper *k)
{
	/* A worker that was killed could not tell it in a message. */
	if (!k->loop)
		k->loop = k->keybox->loop;
	return stack_loop_gone(k->loop);
}

static bool mount_is_gone(struct keeper *k)
{
	const struct aside *sweep = &k->asides[ASIDE_SWEEP];

	if (!view_mounts_gone(k))
		return false;
	return !k->fuse_dev ||
	       (sweep->done && sweep->result->err == 0 && !sweep->result->mounts.n_left);
}

static bool key_is_gone(struct keeper *k)
{
	return stack_key_gone(k->dm_name);
}

static const struct {
	const char *name;
	bool (*is_gone)(struct keeper *k);
} checks[PROTO_CHECKS] = {
	[CHECK_VIEW] = { "the view", view_is_gone },
	[CHECK_MAPPING] = { "the mapping", mapping_is_gone },
	[CHECK_LOOP] = { "the loop", loop_is_gone },
	[CHECK_MOUNT] = { "a mount", mount_is_gone },
	[CHECK_KEY] = { "the key", key_is_gone },
};

static bool is_gone(const struct keeper *k, enum proto_check check)
{
	return k->report.checks[check].gone;
}

static bool look_at_all(struct keeper *k)
{
	bool all = true;

	for (int i = 0; i < PROTO_CHECKS; i++) {
		struct proto_checked *c = &k->report.checks[i];

		/* Killed inside the kernel, it can still make what was seen to be gone. */
		if (k->opener_pid > 0 && i != CHECK_VIEW) {
			all = false;
			continue;
		}
		if (!c->gone && checks[i].is_gone(k)) {
			c->gone = 1;
			c->us = (io_boottime_ns() - k->lock_started_ns) / 1000;
			if (i == CHECK_VIEW) /* from now on the kernel is on its own */
				k->check_started_ns = io_boottime_ns();
		}
		all = all && c->gone;
	}
	return all;
}

/* --- who holds it ---------------------------------------------------------------------------- */

static void add_mounts(struct keeper *k, struct holders *list)
{
	const struct aside *sweep = &k->asides[ASIDE_SWEEP];
	const struct mounts_result *m = sweep->result ? &sweep->result->mounts : NULL;
	struct proto_holder h = { .how = HOLD_MOUNT, .fd = -1 };

	for (unsigned i = 0; m && i < m->n_left && i < MOUNTS_LEFT; i++) {
		h.pid = m->left[i].pid;
		h.mnt_ns = m->left[i].ns;
		snprintf(h.where, sizeof(h.where), "%.63s", m->left[i].at);
		holders_add(list, &h);
	}
	if (m && !sweep->done && m->in_ns) { /* that namespace does not let us look */
		h.pid = m->in_pid;
		h.mnt_ns = m->in_ns;
		snprintf(h.where, sizeof(h.where), "?");
		holders_add(list, &h);
	}
}

/* Who has it open only in passing (udev looks at each device that changes) kept nothing that is
 * gone now. */
static bool still_holds(const struct keeper *k, enum proto_hold how)
{
	switch (how) {
	case HOLD_LOOP:
		return !is_gone(k, CHECK_LOOP);
	case HOLD_STACKED:
		return !is_gone(k, CHECK_MAPPING) || !is_gone(k, CHECK_LOOP);
	default:
		return !is_gone(k, CHECK_MAPPING);
	}
}

static struct holders seen_holders(const struct keeper *k)
{
	const struct aside *look = &k->asides[ASIDE_LOOK];
	struct holders list = { 0 };

	if (!look->result)
		return list;
	list.more = look->result->holders.more;
	for (uint32_t i = 0; i < look->result->holders.n; i++)
		if (still_holds(k, look->result->holders.held[i].how))
			list.held[list.n++] = look->result->holders.held[i];
	return list;
}

static void name_holders(struct keeper *k)
{
	static const struct proto_holder unknown = { .how = HOLD_UNKNOWN, .fd = -1 };
	struct holders list = seen_holders(k);

	add_mounts(k, &list);
	if (!list.n)
		holders_add(&list, &unknown);
	k->report.n_held = list.n;
	k->report.more_held = list.more;
	memcpy(k->report.held, list.held, sizeof(k->report.held));
}

/* What may never be left, whoever holds what. */
static bool is_harmless(struct keeper *k)
{
	return is_gone(k, CHECK_VIEW) && is_gone(k, CHECK_KEY) && view_mounts_gone(k);
}

static bool holders_are_known(const struct keeper *k)
{
	const struct aside *look = &k->asides[ASIDE_LOOK], *sweep = &k->asides[ASIDE_SWEEP];

	return look->done && (sweep->done || !k->fuse_dev) &&
	       (seen_holders(k).n ||
		(sweep->result && sweep->result->mounts.n_left && is_gone(k, CHECK_MAPPING)));
}

/* --- the steps ------------------------------------------------------------------------------- */

static void end_check(struct keeper *k, enum lock_event event)
{
	keeper_arm(&k->step_timer, 0);
	k->report.took_us = (io_boottime_ns() - k->lock_started_ns) / 1000;
	keeper_event(k, event);
}

static uint64_t bound_ns(const struct keeper *k)
{
	if (k->state == LS_CUTTING)
		return k->complained ? CUT_AGAIN_NS : CUT_NS;
	return is_gone(k, CHECK_VIEW) ? PINNED_NS : UNDEAD_NS;
}

/* After the cut, and when the view is dead: before, it would be named itself. */
static void look_for_holders(struct keeper *k, uint64_t waited)
{
	if (k->state == LS_CUTTING && is_gone(k, CHECK_VIEW) && is_gone(k, CHECK_KEY) &&
	    !is_started(&k->asides[ASIDE_LOOK]) &&
	    (!is_running(&k->asides[ASIDE_CUT]) || waited > LOOK_ANYWAY_NS))
		aside_start(k, ASIDE_LOOK);
}

void lock_check(struct keeper *k)
{
	bool cut = k->state == LS_CUTTING, all = look_at_all(k), late;
	uint64_t waited = io_boottime_ns() - k->check_started_ns;

	late = waited > bound_ns(k);
	if (all) {
		end_check(k, LE_CLEAN);
		return;
	}
	if (cut && is_harmless(k) && (late || holders_are_known(k))) {
		name_holders(k);
		end_check(k, LE_PINNED);
		return;
	}
	if (late) {
		keeper_event(k, LE_TIMEOUT);
		return;
	}
	look_for_holders(k, waited);
	keeper_arm(&k->step_timer, waited < FIRST_NS  ? FIRST_NS
				   : waited < SOON_NS ? STEP_NS
						      : SLOW_NS);
}

void lock_start_check(struct keeper *k)
{
	view_forget(k);
	k->check_started_ns = io_boottime_ns();
	/* A view that waits for a frozen file system cannot even be killed. */
	if (k->view_pid > 0 && k->fuse_dev)
		aside_start(k, ASIDE_THAW);
	lock_check(k);
}

void lock_cut(struct keeper *k)
{
	if (!is_gone(k, CHECK_MAPPING))
		k->report.cut = 1;
	aside_start(k, ASIDE_CUT);
	if (k->fuse_dev)
		aside_start(k, ASIDE_SWEEP);
	aside_forget(k, &k->asides[ASIDE_LOOK]);
}

void lock_kill_view(struct keeper *k)
{
	if (k->view_pid > 0)
		k->report.killed_view = 1;
	view_kill(k);
}

void lock_complain(struct keeper *k)
{
	char left[128] = "";

	for (int i = 0; i < PROTO_CHECKS; i++)
		if (!is_gone(k, i)) {
			size_t at = strlen(left);

			snprintf(left + at, sizeof(left) - at, " %s", checks[i].name);
		}
	log_error("the lock is late: still there:%s of %s; trying again", left, k->dm_name);
	k->complained = true;
	conns_trying(k);
}

void lock_shut_door(struct keeper *k)
{
	for (int i = 0; i < ASIDE_STALE; i++)
		aside_forget(k, &k->asides[i]);
	k->lock_started_ns = io_boottime_ns();
	k->complained = false;
	k->report = (struct res_lock){ 0 };
	keeper_arm(&k->step_timer, 0);
	keeper_arm(&k->idle_timer, 0);
	keeper_arm(&k->settle_timer, 0);
	pulse_end(k);
	view_unmount(k);
	if (k->fuse_dev) {
		aside_start(k, ASIDE_SWEEP);
		aside_start(k, ASIDE_THAW);
	}
	save_abort(k);
	notice_begin(k);
	sessions_clear(k);
	open_refuse(k); /* those that were about to enter */
}

void lock_check_again(struct keeper *k)
{
	bool mounts = false;

	for (uint32_t i = 0; i < k->report.n_held; i++)
		mounts = mounts || k->report.held[i].how == HOLD_MOUNT;
	if (!k->report.n_held || mounts)
		return;
	if (look_at_all(k))
		k->report.n_held = k->report.more_held = 0;
}

void lock_reaped(struct keeper *k, pid_t pid)
{
	if (pid == k->opener_pid)
		k->opener_pid = 0;
	for (int i = 0; i < ASIDES; i++)
		if (k->asides[i].pid == pid)
			k->asides[i].pid = 0;
}

void lock_init(struct keeper *k)
{
	for (int i = 0; i < PROTO_CHECKS; i++)
		k->report.checks[i].gone = 1;
	for (int i = 0; i < ASIDES; i++)
		k->asides[i].src.fd = -EBADF;
}

int lock_find_home(struct keeper *k)
{
	int r = stale_home(PROTO_DIR "/home", &k->home);

	if (r < 0)
		return log_err(r, "make " PROTO_DIR "/home");
	/* Without device-mapper nothing is stale; an unlock will say what is missing. */
	if (stale_list(k->cfg->instance, k->home, &k->stale) == 0 && k->stale.n)
		aside_start(k, ASIDE_STALE);
	return 0;
}
