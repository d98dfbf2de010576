/*
 * keeper_priv - what the files of the keeper share
 *
 *	keeper.c	the loop, the table of actions, timers, children
 *	keeper_lock.c	the lock: what is verified, what is done when something pins the volume
 *	keeper_conn.c	clients: who may ask for what
 *	keeper_open.c	opening a session, step by step
 *	keeper_view.c	the view's process, its channel and its mounts; sessions
 *	keeper_ask.c	questions of the view to a session's person, and the answers
 *	keeper_key.c	changes of the keys; the wait after a wrong passphrase
 *	keeper_pulse.c	is the view there, or stopped?
 *	keeper_notice.c	who is told that it has locked
 *	keeper_hollow.c	the key goes before the view does, so that the view can clear ext4's cache
 *	keeper_save.c	when the ciphertext goes to disk, and who is told
 *	keeper_saver.c	the talk with the process that writes it
 *	keeper_atrest.c	what this host has seen, the kept states, a second writer
 */
#ifndef TAZ_ENCLAVE_KEEPER_PRIV_H
#define TAZ_ENCLAVE_KEEPER_PRIV_H

#include <stdbool.h>

#include "enclave/backoff.h"
#include "enclave/history.h"
#include "enclave/keeper.h"
#include "enclave/keybox.h"
#include "enclave/lockstate.h"
#include "enclave/notice.h"
#include "enclave/proto.h"
#include "enclave/saver.h"
#include "enclave/stack.h"
#include "enclave/stale.h"
#include "enclave/worker.h"

#define KEEPER_CONNS	32
#define KEEPER_SESSIONS 64
#define KEEPER_MOUNTS	8

struct keeper;

/* Something the loop waits for. Events come one at a time, so a handler may free any source. */
struct source {
	int fd;
	void (*on)(struct keeper *k, struct source *s);
};

struct leader { /* of a session: pid and start time name one process for ever */
	pid_t pid;
	uint64_t start;
	int pidfd;
	uint64_t kind; /* enum view_session_kind */
	int asks; /* to the relay that shows questions, or -EBADF; a session's is in its source */
};

struct session {
	struct source src; /* the leader's pidfd: readable when it is dead */
	struct leader leader;
	struct source asks; /* as in leader */
	uint32_t asked;	    /* the question that is at its terminal, or 0 */
	bool used;
};

enum conn_state {
	CONN_IDLE,
	CONN_ASKING,	     /* its worker makes the one-time key */
	CONN_PROMPT,	     /* the user is typing */
	CONN_QUEUED,	     /* the passphrase is here, the lock is busy */
	CONN_WORKING,	     /* the worker is opening or verifying */
	CONN_STARTING,	     /* the view is starting */
	CONN_ADMITTING,	     /* the view is being told of the session */
	CONN_REFUSED,	     /* answered when the kernel is seen to be clean */
	CONN_LOCK,	     /* waits for the lock's report */
	CONN_SAVE,	     /* waits for the save */
	CONN_SAVE_NEXT,	     /* waits for the one after it */
	CONN_RESTORE_PROMPT, /* the user is typing, for a restore */
	CONN_RESTORING,
	CONN_KEY_ASKING, /* as the first four, for a change of the keys */
	CONN_KEY_PROMPT,
	CONN_KEY_QUEUED,
	CONN_KEY_WORKING,
	CONN_KEY_READY, /* the new header waits until no save is copying the old one */
	CONN_POLICY,	/* the view is taking its policy */
};

struct conn {
	struct source src;
	struct source worker; /* its unlock worker's socket */
	struct source bound;  /* conn_expect() */
	pid_t worker_pid;
	bool used, proved; /* it has just opened a session, with a passphrase */
	enum conn_state state;
	uid_t uid;
	int pidfd;
	pid_t pid;
	uint32_t flags; /* enum req_open_flags */
	struct leader leader;
	struct req_sealed sealed;
	struct res_done verdict;       /* of CONN_REFUSED */
	char source[HISTORY_NAME_MAX]; /* of a restore */
	struct key_change *key;	       /* of CONN_KEY_*, or NULL */
};

enum save_phase {
	SAVE_NONE,
	SAVE_PREPARING,
	SAVE_QUIESCING,
	SAVE_COPYING,
	SAVE_PROVING,
	SAVE_COMMITTING
};

struct save {
	struct source saver, watch; /* its socket; the watchdog over it */
	pid_t pid;
	enum save_phase phase;
	uint32_t id; /* of the save under way: what a given up one answers is ignored */
	uint64_t started_ns;
	uint64_t covers;   /* the view's fsyncs up to this one are in it */
	uint64_t wanted;   /* an fsync that this one may not cover, or 0 */
	unsigned quiesces; /* VIEW_QUIESCEs that have no answer yet */
	bool for_view;	   /* the view held its writers back for it, and is told how it went */
	bool hangs;	   /* the disk does not answer */
	bool retried;	   /* with another saver, after one that died */
	struct seal_origin next_origin; /* what is about to be put in place */
	struct saver_said last;		/* how the last one went */
	uint64_t pause_us;		/* how long it held writers back */
};

/*
 * What may block in the kernel is done aside: in a forked child that can be left behind, one of
 * each kind at a time. It writes into memory that it shares with us, so that what it has found so
 * far is there even when it does not come back.
 */
enum aside_kind {
	ASIDE_THAW,  /* undo a freeze of the file system, a suspend of the mapping */
	ASIDE_SWEEP, /* take copies of our mounts out of every namespace */
	ASIDE_CUT,   /* put an error target in the place of the crypt table */
	ASIDE_LOOK,  /* see who holds what is left */
	ASIDE_STALE, /* at the start: what a dead keeper left */
	ASIDES,
};

struct aside_result;

struct aside {
	struct source src; /* a pipe: end of file when the child is through, or dead */
	pid_t pid;
	struct aside_result *result;
	bool done; /* it was through, and result is whole; NULL or partial otherwise */
};

struct mount_at {
	int fd;
	int id; /* mount id, for the proof that it is gone */
};

/* Who is told when the lock is verified: leaders of the sessions that it ends. */
struct notices {
	int n, pidfds[KEEPER_SESSIONS];
	enum notice_why why; /* NOTICE_FAULT unless there is another reason */
	pid_t asker;	     /* 0, or who asked for the lock */
};

/* The vault at rest, beyond the file that the image continues. */
struct atrest_rest {
	struct atrest_seen seen;
	char conflict[HISTORY_NAME_MAX]; /* the image goes there, "" when it goes to the vault */
	bool kept; /* what was found at the unlock has a second name, or gave way to a save */
};

/* A child that looks at what is kept, for a client. */
struct lister {
	pid_t pid;	     /* 0: none */
	struct conn *client; /* NULL: gone */
};

#define KEEPER_LISTERS 4

struct keeper {
	const struct keeper_config *cfg;
	int epoll;
	struct source listen, signals, step_timer, idle_timer, settle_timer, pulse_timer;
	enum lock_state state;
	bool stopping, finished;

	int vault_dir;
	char vault_name[64];

	/* The vault in RAM; image is -EBADF when there is none. */
	int image, keybox_fd;
	struct keybox *keybox;
	char dm_name[DM_NAME_MAX];
	dev_t loop;
	uint64_t home; /* stale.h */
	struct stale stale;
	struct seal_origin origin; /* the sealed file that the image continues */
	struct atrest_rest rest;
	struct lister listers[KEEPER_LISTERS];
	uint64_t vault_bytes;
	bool dirty; /* the image is newer than the sealed file */
	int save_err;

	/* The view. */
	pid_t view_pid;
	struct source view_pidfd, view;
	struct source hollow; /* the child that takes the key away while the view still lives */
	/* The decrypted root, between the worker's hand and the view's; otherwise -EBADF. */
	int root;
	struct mount_at mounts[KEEPER_MOUNTS];
	int n_mounts, fuse_mount;
	dev_t fuse_dev; /* of the view's file system, 0 when there was none */
	bool fuse_attached, idle_asked;
	unsigned pulses; /* that it has not answered */

	struct save save;

	struct backoff backoff[2]; /* [0] root's, [1] the owner's */
	/* A change of the keys asked for it: after so many saves the kept states go; 0: they stay.
	 */
	unsigned forget_history;

	struct conn conns[KEEPER_CONNS];
	struct session sessions[KEEPER_SESSIONS];
	struct notices notices;

	/* How the last lock went. */
	uint64_t lock_started_ns, check_started_ns;
	struct aside asides[ASIDES];
	pid_t opener_pid; /* a worker that was told to die while it was opening */
	bool complained;
	struct res_lock report;
};

/* --- keeper.c */
void keeper_event(struct keeper *k, enum lock_event event);
int keeper_watch(struct keeper *k, struct source *s, int fd,
		 void (*on)(struct keeper *, struct source *));
void keeper_unwatch(struct keeper *k, struct source *s); /* closes it; nothing when not watched */
/* @ns 0 disarms */
void keeper_arm(struct source *timer, uint64_t ns);
uint64_t keeper_left(const struct source *timer); /* ns until it fires */

/* --- keeper_lock.c */
void lock_init(struct keeper *k);
int lock_find_home(struct keeper *k);	 /* whose mappings are ours, and what of them is stale */
void lock_shut_door(struct keeper *k);	 /* ACT_SHUT_DOOR */
void lock_kill_view(struct keeper *k);	 /* ACT_KILL_VIEW */
void lock_start_check(struct keeper *k); /* ACT_CHECK */
void lock_check(struct keeper *k);	 /* look at the kernel once: may lead to the next event */
void lock_cut(struct keeper *k);	 /* ACT_CUT */
void lock_complain(struct keeper *k);	 /* ACT_COMPLAIN */
void lock_check_again(struct keeper *k); /* while locked: is what was held still held? */
void lock_reaped(struct keeper *k, pid_t pid);

/* --- keeper_conn.c */
#define FOR_CONNS(k, c)                                                       \
	for (struct conn *c = (k)->conns; c < (k)->conns + KEEPER_CONNS; c++) \
		if (c->used)

int conns_listen(struct keeper *k);
void conns_report(struct keeper *k); /* ACT_REPORT */
void conns_trying(struct keeper *k); /* tell those who wait for the lock that it is late */
void conns_saved(struct keeper *k, int err);
bool conns_save_next(struct keeper *k); /* those who came too late for that one; false: none */
void conn_send(struct conn *c, const void *msg, size_t size);
void conn_answer(struct keeper *k, struct conn *c, int err, enum proto_why why);
void conn_drop_worker(struct keeper *k, struct conn *c);
/* The worker, or the view that is told of the session, must answer within EXPECT_NS, or it is
 * killed: a stopped process or a disk that hangs must not make somebody wait for ever. */
void conn_expect(struct keeper *k, struct conn *c);
void conn_expect_end(struct keeper *k, struct conn *c);
/* Its worker, which is expected to ask. Returns 0 or -errno; conn_answer() ends it either way. */
int conn_start_worker(struct keeper *k, struct conn *c, const char *kind,
		      void (*on)(struct keeper *, struct source *));
/* It has asked: the client is told what to seal for, and a person may take any time. */
void conn_prompt(struct keeper *k, struct conn *c, const struct worker_ask *ask, bool is_new,
		 enum conn_state next);
bool conn_is_entering(const struct conn *c);
void conns_policy_set(struct keeper *k, int err); /* VIEW_POLICY_SET */
bool vault_is_there(const struct keeper *k);	  /* the sealed file */

/* --- keeper_open.c */
void open_begin(struct keeper *k, struct conn *c, const void *msg, int fd); /* REQ_OPEN */
void open_go_on(struct keeper *k, struct conn *c, const void *msg, int fd); /* REQ_SEALED */
void open_pump(struct keeper *k);		 /* go on with what waited for the lock's state */
void open_start_worker(struct keeper *k);	 /* ACT_START_WORKER */
void open_kill_worker(struct keeper *k);	 /* ACT_KILL_WORKER */
void open_refuse(struct keeper *k);		 /* ACT_REFUSE */
void open_admit(struct keeper *k);		 /* ACT_ADMIT */
void open_admitted(struct keeper *k, pid_t pid); /* the view knows this leader */
bool open_is_working(const struct keeper *k);	 /* is a passphrase being verified? */
int leader_of(pid_t pid, struct leader *ret);	 /* fills pid and start; opens the pidfd */
void leader_done(struct leader *leader);
/* Without a session and without one under way it locks. Returns false when it began to lock. */
bool open_or_lock(struct keeper *k);

/* --- keeper_key.c */
void key_begin(struct keeper *k, struct conn *c, const void *msg, int fd); /* REQ_KEY */
void key_go_on(struct keeper *k, struct conn *c, const void *msg, int fd); /* REQ_KEY_SEALED */
void key_pump(struct keeper *k);  /* go on with what waited for the lock's or a save's state */
void key_saved(struct keeper *k); /* after a durable save, before anybody is told */
void key_forget(struct conn *c);  /* what conn_answer() and a hang-up end */
unsigned wait_sec(const struct keeper *k, const struct conn *c); /* before its next passphrase */
bool wait_refuses(struct keeper *k, struct conn *c);		 /* true: it was answered so */
void wait_verdict(struct keeper *k, const struct conn *c, int err, enum proto_why why);
/* A guess that was cut off before its verdict: wrong, or the wait could be walked around. Root's
 * are not: whoever is root here needs no guesses. */
void wait_cut_off(struct keeper *k, const struct conn *c);

/* --- keeper_view.c */
int view_start(struct keeper *k); /* takes k->root */
void view_kill(struct keeper *k);
void view_ask_lock(struct keeper *k);
void view_died(struct keeper *k);   /* it was reaped: its pidfd may not have been heard yet */
void view_forget(struct keeper *k); /* close what we have of it */
void view_unmount(struct keeper *k);
bool view_mounts_gone(struct keeper *k);
int view_mount_at(struct keeper *k, int target);
void view_send(struct keeper *k, uint32_t op);
void view_send_msg(struct keeper *k, const void *msg, size_t size);
void view_send_policy(struct keeper *k, int fd);
void view_listen(struct keeper *k); /* take what it has said so far; may lead to events */
int view_add_session(struct keeper *k, const struct leader *leader);
void view_del_session(struct keeper *k, const struct leader *leader); /* unless it is registered */
int sessions_add(struct keeper *k, struct leader *leader);	      /* takes its pidfd */
/* Whose leader it is, or an ancestor of it; or NULL */
struct session *sessions_of(struct keeper *k, pid_t pid);
bool sessions_end(struct keeper *k, pid_t pid); /* false: it leads none */
void sessions_clear(struct keeper *k);
unsigned sessions_count(const struct keeper *k);

/* --- keeper_ask.c */
/* What came with a passphrase, if anything: kept in c->leader. Returns 0, -EPERM unless from root,
 * or -errno. @fd is borrowed. */
int ask_take(struct keeper *k, struct conn *c, int fd);
void ask_begin(struct keeper *k, struct session *s);	      /* it has just got its leader */
void ask_end(struct keeper *k, struct session *s);	      /* nobody is there any more */
void ask_on_view(struct keeper *k, const struct view_ask *m); /* VIEW_ASK */

/* --- keeper_pulse.c: while it is unlocked, is the view there? */
void pulse_start(struct keeper *k);
void pulse_end(struct keeper *k);
void pulse_answered(struct keeper *k);
void pulse_on_timer(struct keeper *k);

/* --- keeper_notice.c */
void notice_begin(struct keeper *k); /* the sessions are about to end: theirs are told later */
void notice_end(struct keeper *k, bool not_saved); /* tell them, now that it is locked */
/* LE_LOCK, for a reason that is not a fault; @asker: 0, or a process whose session knows of it */
void notice_lock(struct keeper *k, enum notice_why why, pid_t asker);

/* --- keeper_atrest.c */
void atrest_opened(struct keeper *k, bool from_ram); /* k->origin is that of what was opened */
void atrest_saved(struct keeper *k, bool unchanged); /* k->origin is that of what was saved */
/* Somebody else has written the sealed file: from now on we save beside it. False: we did before.
 */
bool atrest_conflict(struct keeper *k);
/* Where a save goes, how many states stay, and whether there is nothing to keep before it */
void atrest_save_as(const struct keeper *k, char name[HISTORY_NAME_MAX], uint32_t *ret_keep,
		    uint32_t *ret_kept);
/* WHY_CONFLICT, until the next unlock, when the last save went beside the vault. @err: of that save
 */
enum proto_why atrest_why(const struct keeper *k, int err);
void atrest_forget(struct keeper *k, const struct conn *c); /* the client is gone */
void atrest_reaped(struct keeper *k, pid_t pid, int status);
bool atrest_is_restoring(const struct keeper *k); /* nothing may be opened meanwhile */
void atrest_on_history(struct keeper *k, struct conn *c, const void *msg, int fd); /* REQ_HISTORY */
void atrest_on_restore(struct keeper *k, struct conn *c, const void *msg, int fd); /* REQ_RESTORE */
void atrest_on_sealed(struct keeper *k, struct conn *c, const void *msg, int fd);

/* --- keeper_hollow.c */
void hollow_start(struct keeper *k); /* VIEW_HOLLOW */
void hollow_forget(struct keeper *k);

/* --- keeper_save.c */
int save_request(struct keeper *k);  /* while unlocked; 0 when one is under way now */
void save_at_lock(struct keeper *k); /* ACT_SAVE */
void save_abort(struct keeper *k); /* the image is about to change: what is copied would be torn */
void save_end(struct keeper *k);   /* the image goes away: nothing is saved any more */
void save_stop(struct keeper *k);  /* the keeper ends */
bool save_is_behind(const struct keeper *k); /* RAM holds what the sealed file does not */
void save_mark_dirty(struct keeper *k);
void save_on_settle(struct keeper *k);
void save_on_watch(struct keeper *k);
void save_done(struct keeper *k, int err); /* it has ended; who waited for it is answered */
bool save_begin_again(struct keeper *k);   /* with another saver; false: this is not the moment */
/* From the view. */
void save_quiesced(struct keeper *k, const struct view_quiesced *q);
void save_resumed(struct keeper *k, uint64_t pause_us);
void save_sync(struct keeper *k, const struct view_sync *sync);

/* --- keeper_saver.c */
#define SAVE_HANG_NS (10 * 1000000000ULL) /* a saver without a sign of life: its disk hangs */

int saver_need(struct keeper *k); /* start it, unless there is one */
int saver_ask(struct keeper *k, enum saver_op op, enum save_phase phase); /* of k->save.id */
void saver_gone(struct keeper *k);	    /* it is dead, or is killed */
void saver_lost(struct keeper *k, int err); /* gone, and with it the save, or begun again */

#endif
