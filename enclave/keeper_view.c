#include "enclave/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/proc.h"
#include "enclave/base/run.h"
#include "enclave/mounts.h"
#include "enclave/volume.h"

#define SEC	      1000000000ULL
#define ANCESTORS_MAX 256
#define START_NS      (20 * SEC)	    /* a view that does not answer by then never will */
#define LOCK_NS	      (1100 * (SEC / 1000)) /* leaves 0.9 s of the two for a cut */

/* --- the process ----------------------------------------------------------------------------- */

static void on_idle_reply(struct keeper *k, uint64_t last_ns)
{
	uint64_t limit = k->cfg->idle_sec * SEC, now = io_boottime_ns();

	if (!k->idle_asked || k->state != LS_UNLOCKED)
		return;
	k->idle_asked = false;
	if (last_ns > now)
		last_ns = now;
	if (now - last_ns < limit) {
		keeper_arm(&k->idle_timer, limit - (now - last_ns));
		return;
	}
	log_info("idle for %u s: locking", k->cfg->idle_sec);
	notice_lock(k, NOTICE_IDLE, 0);
}

/* In the order of enum view_op. */
static const struct {
	uint32_t op;
	size_t size;
} messages[] = {
	{ VIEW_READY, sizeof(struct view_plain) },
	{ VIEW_ALIVE, sizeof(struct view_plain) },
	{ VIEW_SESSION_ADDED, sizeof(struct view_session) },
	{ VIEW_DIRTY, sizeof(struct view_plain) },
	{ VIEW_QUIESCED, sizeof(struct view_quiesced) },
	{ VIEW_IDLE, sizeof(struct view_idle) },
	{ VIEW_HOLLOW, sizeof(struct view_plain) },
	{ VIEW_LOCKED, sizeof(struct view_plain) },
	{ VIEW_SYNC, sizeof(struct view_sync) },
	{ VIEW_RESUMED, sizeof(struct view_resumed) },
	{ VIEW_DECOY, sizeof(struct view_plain) },
	{ VIEW_POLICY_SET, sizeof(struct view_plain) },
	{ VIEW_ASK, sizeof(struct view_ask) },
};

/* 0, which no message has, when there is none of that kind. */
static size_t message_size(uint32_t op)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++)
		if (messages[i].op == op)
			return messages[i].size;
	return 0;
}

/* Takes one message. Returns false when there is none left, or the view has closed. */
static bool take_message(struct keeper *k, int flags)
{
	union {
		uint32_t op;
		struct view_plain plain;
		struct view_session session;
		struct view_idle idle;
		struct view_quiesced quiesced;
		struct view_sync sync;
		struct view_resumed resumed;
		struct view_ask ask;
	} m = { 0 };
	struct pollfd p = { .fd = k->view.fd, .events = POLLIN };
	ssize_t n;

	if (k->view.fd < 0 || (flags && poll(&p, 1, 0) <= 0))
		return false;
	n = msg_recv(k->view.fd, &m, sizeof(m), NULL, 0);
	if (n > 0 && (size_t)n != message_size(m.op))
		view_kill(k);
	if (n <= 0 || (size_t)n != message_size(m.op))
		return false;
	switch (m.op) {
	case VIEW_READY:
		if (k->state == LS_STARTING)
			keeper_event(k, LE_READY);
		break;
	case VIEW_ALIVE:
		pulse_answered(k);
		break;
	case VIEW_SESSION_ADDED:
		open_admitted(k, m.session.pid);
		break;
	case VIEW_DIRTY:
		save_mark_dirty(k);
		break;
	case VIEW_QUIESCED:
		save_quiesced(k, &m.quiesced);
		break;
	case VIEW_SYNC:
		save_sync(k, &m.sync);
		break;
	case VIEW_RESUMED:
		save_resumed(k, m.resumed.pause_us);
		break;
	case VIEW_IDLE:
		on_idle_reply(k, m.idle.last_ns);
		break;
	case VIEW_ASK:
		ask_on_view(k, &m.ask);
		break;
	case VIEW_HOLLOW:
		hollow_start(k);
		break;
	case VIEW_DECOY:
		log_warn("a decoy was opened: locking");
		notice_lock(k, NOTICE_DECOY, 0);
		break;
	case VIEW_POLICY_SET:
		conns_policy_set(k, m.plain.err);
		break;
	default: /* VIEW_LOCKED: its end is what counts */
		break;
	}
	return true;
}

static void on_view(struct keeper *k, struct source *s)
{
	if (take_message(k, 0))
		return;
	/* It closed its channel or speaks nonsense: its process is told to end; its pidfd says
	 * when. */
	keeper_unwatch(k, s);
	view_kill(k);
}

void view_listen(struct keeper *k)
{
	while (take_message(k, 1))
		;
}

static void on_view_dead(struct keeper *k, struct source *s)
{
	/* What it said before it died still counts: above all that it was dirty. */
	view_listen(k);
	keeper_unwatch(k, s);
	keeper_unwatch(k, &k->view);
	keeper_event(k, LE_GONE);
}

/* So that who sees no view_pid any more has seen all that the view said, and no LE_GONE comes late,
 * when there is another view. */
void view_died(struct keeper *k)
{
	if (k->view_pidfd.fd >= 0)
		on_view_dead(k, &k->view_pidfd);
}

static int spawn(struct keeper *k, int theirs, int fuse_fd)
{
	char *fsync = k->cfg->durability == DURABILITY_FSYNC ? "save" : "store";
	char uid[16], gid[16];
	char *const argv[] = { "tazfs", "view",	   "--uid", uid,	"--gid",
			       gid,	"--fsync", fsync,   "--memory", (char *)k->cfg->memory,
			       NULL };
	const struct run_fd fds[] = { { STDERR_FILENO, STDERR_FILENO },
				      { theirs, VIEW_FD_KEEPER },
				      { k->root, VIEW_FD_ROOT },
				      { fuse_fd, VIEW_FD_FUSE },
				      { k->fuse_mount, VIEW_FD_MOUNT } };

	snprintf(uid, sizeof(uid), "%u", k->cfg->uid);
	snprintf(gid, sizeof(gid), "%u", k->cfg->gid);
	return run_start(k->cfg->tazfs, argv, NULL, fds, 5, &k->view_pid);
}

int view_start(struct keeper *k)
{
	autoclose int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	autoclose int ours = -EBADF, theirs = -EBADF, pidfd = -EBADF;
	int pair[2], r;

	if (fuse < 0)
		return log_err(-errno, "open /dev/fuse");
	k->fuse_mount = volume_fuse(fuse, k->cfg->uid, k->cfg->gid);
	if (k->fuse_mount < 0)
		return log_err(k->fuse_mount, "mount the view");
	r = volume_dev(k->fuse_mount, &k->fuse_dev);
	if (r < 0) /* then nobody could find its copies */
		return log_err(r, "ask for the view's device number");
	r = msg_pair(pair);
	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	/* A view that does not read must not hold up the keeper: a full channel is an error. */
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = spawn(k, theirs, fuse);
	/* From here on only the view holds the decrypted root: its death is a lock. */
	fd_close(&k->root);
	if (r < 0)
		return log_err(r, "start %s", k->cfg->tazfs);
	pidfd = syscall(SYS_pidfd_open, k->view_pid, 0);
	if (pidfd < 0)
		return -errno;
	r = keeper_watch(k, &k->view_pidfd, pidfd, on_view_dead);
	if (r < 0)
		return r;
	take_fd(&pidfd);
	r = keeper_watch(k, &k->view, ours, on_view);
	if (r < 0)
		return r;
	take_fd(&ours);
	keeper_arm(&k->step_timer, START_NS);
	return 0;
}

void view_kill(struct keeper *k)
{
	if (k->view_pid > 0)
		kill(k->view_pid, SIGKILL);
}

void view_send(struct keeper *k, uint32_t op)
{
	struct view_plain msg = { .op = op };

	view_send_msg(k, &msg, sizeof(msg));
}

void view_send_msg(struct keeper *k, const void *msg, size_t size)
{
	if (k->view.fd >= 0 && msg_send(k->view.fd, msg, size, NULL, 0) < 0)
		view_kill(k);
}

void view_send_policy(struct keeper *k, int fd)
{
	const struct view_plain msg = { .op = VIEW_POLICY };

	if (k->view.fd >= 0 && msg_send(k->view.fd, &msg, sizeof(msg), &fd, 1) < 0)
		view_kill(k);
}

void view_ask_lock(struct keeper *k)
{
	view_send(k, VIEW_LOCK);
	keeper_arm(&k->step_timer, LOCK_NS);
}

void view_forget(struct keeper *k)
{
	/* One that was told to die may have said something that counts: on_view_dead() hears it. */
	if (k->view_pidfd.fd < 0)
		keeper_unwatch(k, &k->view);
	hollow_forget(k);
	fd_close(&k->root);
	fd_close(&k->fuse_mount);
	k->fuse_attached = false;
	k->idle_asked = false;
}

/* --- its mounts ------------------------------------------------------------------------------ */

static int attach(struct keeper *k, int target)
{
	struct mount_at *at = &k->mounts[k->n_mounts];
	autoclose int mnt = -EBADF;
	int r;

	/* The first place gets the mount itself, later ones a copy of it: a mount that is nowhere
	 * can be copied since Linux 6.15 only. */
	mnt = k->fuse_attached ? volume_clone(k->fuse_mount)
			       : fcntl(k->fuse_mount, F_DUPFD_CLOEXEC, 3);
	if (mnt < 0)
		return k->fuse_attached ? mnt : -errno;
	at->id = volume_mount_id(mnt);
	if (at->id < 0) /* then nobody could verify later that it is gone */
		return at->id;
	r = volume_move(mnt, target);
	if (r < 0)
		return r;
	k->fuse_attached = true;
	at->fd = take_fd(&mnt);
	k->n_mounts++;
	return 0;
}

int view_mount_at(struct keeper *k, int target)
{
	struct statfs fs;
	struct stat st;
	int r;

	/* The view itself is there already. It tells root nothing but its type. */
	if (fstatfs(target, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC) {
		int id = volume_mount_id(target);

		for (int i = 0; i < k->n_mounts; i++)
			if (k->mounts[i].id == id)
				return 0;
		return -EBUSY;
	}
	if (fstat(target, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (fstatfs(target, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
		return -EINVAL; /* the view itself reads /proc: it would wait for itself */
	if (st.st_uid != k->cfg->uid)
		return -EPERM;
	if (k->n_mounts == KEEPER_MOUNTS)
		return -EMFILE;
	r = volume_door(target, k->cfg->uid, k->cfg->gid);
	return r < 0 ? r : attach(k, target);
}

void view_unmount(struct keeper *k)
{
	for (int i = 0; i < k->n_mounts; i++) {
		int r = volume_detach(k->mounts[i].fd);

		if (r < 0 && r != -EINVAL) /* EINVAL: someone has unmounted it before us */
			log_err(r, "detach the view");
		fd_close(&k->mounts[i].fd);
	}
}

bool view_mounts_gone(struct keeper *k)
{
	for (int i = 0; i < k->n_mounts; i++)
		if (mounts_have(k->mounts[i].id))
			return false;
	return true;
}

/* --- sessions -------------------------------------------------------------------------------- */

int view_add_session(struct keeper *k, const struct leader *leader)
{
	struct view_session msg = { .op = VIEW_SESSION_ADD,
				    .pid = leader->pid,
				    .start = leader->start,
				    .kind = leader->kind };
	int r;

	if (k->view.fd < 0)
		return -ENOLCK;
	r = msg_send(k->view.fd, &msg, sizeof(msg), &leader->pidfd, 1);
	if (r < 0)
		view_kill(k);
	return r;
}

static void session_end(struct keeper *k, struct session *s)
{
	ask_end(k, s);
	keeper_unwatch(k, &s->src);
	s->used = false;
}

static struct session *find_session(struct keeper *k, const struct leader *leader)
{
	for (struct session *s = k->sessions; s < k->sessions + KEEPER_SESSIONS; s++)
		if (s->used && s->leader.pid == leader->pid && s->leader.start == leader->start)
			return s;
	return NULL;
}

void view_del_session(struct keeper *k, const struct leader *leader)
{
	struct view_session msg = { .op = VIEW_SESSION_DEL,
				    .pid = leader->pid,
				    .start = leader->start };

	if (find_session(k, leader))
		return;
	if (k->view.fd >= 0 && msg_send(k->view.fd, &msg, sizeof(msg), NULL, 0) < 0)
		view_kill(k);
}

static void leave(struct keeper *k, struct session *s)
{
	session_end(k, s);
	view_del_session(k, &s->leader);
}

bool sessions_end(struct keeper *k, pid_t pid)
{
	for (int i = 0; i < KEEPER_SESSIONS; i++)
		if (k->sessions[i].used && k->sessions[i].leader.pid == pid) {
			leave(k, &k->sessions[i]);
			return true;
		}
	return false;
}

static void on_leader_dead(struct keeper *k, struct source *src)
{
	leave(k, (struct session *)((char *)src - offsetof(struct session, src)));
	open_or_lock(k);
}

int sessions_add(struct keeper *k, struct leader *leader)
{
	struct session *spare = k->sessions;
	int r;

	if (find_session(k, leader)) {
		leader_done(leader);
		return 0;
	}
	while (spare < k->sessions + KEEPER_SESSIONS && spare->used)
		spare++;
	if (spare == k->sessions + KEEPER_SESSIONS)
		return -EUSERS;
	r = keeper_watch(k, &spare->src, leader->pidfd, on_leader_dead);
	if (r < 0)
		return r;
	spare->leader = *leader;
	spare->used = true;
	leader->pidfd = leader->asks = -EBADF;
	ask_begin(k, spare);
	return 0;
}

struct session *sessions_of(struct keeper *k, pid_t pid)
{
	struct session *s = NULL;
	struct proc_stat st = { .ppid = pid };

	for (int depth = 0; !s && depth < ANCESTORS_MAX && st.ppid > 0; depth++) {
		autoclose int proc = proc_open(st.ppid);
		struct leader l = { .pid = st.ppid };

		if (proc < 0 || proc_stat_read(proc, &st) < 0)
			return NULL;
		l.start = st.start;
		s = find_session(k, &l);
	}
	return s;
}

void sessions_clear(struct keeper *k)
{
	for (int i = 0; i < KEEPER_SESSIONS; i++)
		if (k->sessions[i].used)
			session_end(k, &k->sessions[i]);
}

unsigned sessions_count(const struct keeper *k)
{
	unsigned n = 0;

	for (int i = 0; i < KEEPER_SESSIONS; i++)
		n += k->sessions[i].used;
	return n;
}
