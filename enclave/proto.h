/*
 * proto - what crosses the keeper's two kinds of socket: constants and structs only
 *
 * Both are SOCK_SEQPACKET: one struct is one message. Host byte order; both ends are of one build
 * on one machine. The keeper refuses a wrong size, state or peer before it looks at the contents.
 */
#ifndef TAZ_ENCLAVE_PROTO_H
#define TAZ_ENCLAVE_PROTO_H

#include <stdint.h>

#include "enclave/base/keytoken.h"
#include "enclave/base/question.h"

/* Fixed, and in a directory that only root can write: no environment can lead a client elsewhere.
 */
#define PROTO_DIR    "/run/taz"
#define PROTO_SOCKET PROTO_DIR "/enclave.sock"

/* What the view keeps in the vault's root: it shows it to nobody, and nobody may make it. */
#define PROTO_VIEW_DIR ".tazfs"

#define PROTO_POLICY_MAX 65536 /* bytes of a policy for the view */

/* --- the control socket: clients and the keeper ---------------------------------------------- */

enum proto_op {
	REQ_STATUS = 1, /* answer: struct res_status */
	REQ_OPEN,	/* open a session: struct req_open; answer: res_seal_to or res_done */
	REQ_SEALED,  /* the passphrase: struct req_sealed; root may send the socket along at which
			its session's person is asked (base/question.h); answer: res_done */
	REQ_MOUNT,   /* show the view at the directory whose O_PATH descriptor comes along */
	REQ_LOCK,    /* answer: struct res_lock, when everything is verified to be gone */
	REQ_SAVE,    /* answer: res_done, when the sealed file is durable */
	REQ_HISTORY, /* answer: struct res_history */
	REQ_RESTORE, /* struct req_restore; answer: res_seal_to or res_done */
	REQ_RESTORE_SEALED, /* struct req_sealed; answer: res_done */
	REQ_LEAVE, /* the peer's own session ends; the last one waits: res_lock, or res_done */
	REQ_KEY,   /* change the keys: struct req_key; answer: res_seal_to, or res_keys to LIST */
	REQ_KEY_SEALED, /* struct req_key_sealed; answer: res_done, when RAM has it: save then */
	REQ_POLICY, /* put the view's policy in force that comes along as a sealed memfd; only right
		       after this very connection has opened a session; answer: res_done */

	RES_DONE = 100,
	RES_STATUS,
	RES_SEAL_TO,
	RES_LOCK,
	RES_LOCK_TRYING, /* struct res_lock: it is late, and goes on; RES_LOCK follows */
	RES_HISTORY,
	RES_KEYS,
};

struct req_plain { /* REQ_STATUS, REQ_MOUNT, REQ_LOCK, REQ_SAVE, REQ_LEAVE, REQ_HISTORY, REQ_POLICY
		    */
	uint32_t op;
};

enum req_open_flags {
	OPEN_CREATE = 1,   /* a new vault may be made when there is none */
	OPEN_TERMINAL = 2, /* the session's leader is the session leader of the peer's terminal */
	OPEN_ACCEPT_ROLLBACK = 256, /* although a newer state was seen on this host */
};

struct req_open {
	uint32_t op;
	uint32_t flags;
};

#define PROTO_NAME_MAX 128 /* of a file beside the sealed one, with the NUL */

struct req_restore {
	uint32_t op;
	char what[PROTO_NAME_MAX]; /* a generation, or a name of the list */
};

#define PROTO_BOX_MAX 1024

struct req_sealed {
	uint32_t op;
	uint32_t len; /* 0: the user gave up */
	uint8_t box[PROTO_BOX_MAX];
};

enum proto_key { KEY_LIST, KEY_ADD, KEY_REPLACE, KEY_REMOVE };

struct req_key {
	uint32_t op;
	uint32_t what;	 /* enum proto_key */
	uint32_t forget; /* 1: when it is saved, remove the kept states, which the old keys open */
	char which[KEYTOKEN_LABEL]; /* REMOVE, REPLACE: a slot's number or a label; may be empty */
	struct keytoken token;	    /* ADD: of the new one */
};

struct req_key_sealed {
	uint32_t op;
	uint32_t current_len; /* 0: the user gave up */
	uint32_t fresh_len;
	uint8_t current[PROTO_BOX_MAX];
	uint8_t fresh[PROTO_BOX_MAX]; /* ADD, REPLACE */
};

/* Why something was refused, beyond what an errno can say. */
enum proto_why {
	WHY_NONE,
	WHY_NO_VAULT, /* nothing to unlock, and OPEN_CREATE was not given */
	WHY_WRONG_PASSPHRASE,
	WHY_DAMAGED,	 /* the sealed file is not a whole vault: truncated, unreadable */
	WHY_TAMPERED,	 /* it is whole, and not what we sealed */
	WHY_BUSY,	 /* another unlock or a lock is under way */
	WHY_LOCKED,	 /* it needs an unlocked vault */
	WHY_NOT_YOURS,	 /* the peer, or the directory, is not the owner's */
	WHY_NO_TERMINAL, /* OPEN_TERMINAL without a controlling terminal */
	WHY_KERNEL,	 /* the kernel lacks something; err tells */
	WHY_NOT_SAVED,	 /* locked, but the sealed file could not be written; err tells */
	WHY_HEADER,	 /* the LUKS2 header asks for less protection than we accept */
	WHY_ROLLED_BACK, /* authentic, and older than the newest state seen on this host */
	WHY_MISSING,	 /* there is no sealed file, and this host has seen one */
	WHY_CONFLICT,	 /* somebody else has written the sealed file: ours is beside it */
	WHY_NO_SUCH,	 /* no kept state of that name */
	WHY_OPEN,	 /* it needs a locked vault */
	WHY_WAIT,	 /* too many wrong passphrases: wait_sec tells how long */
	WHY_MEMORY,	 /* the key derivation needs more memory than there is */
	WHY_NO_SLOT,	 /* there is no room for one more key */
	WHY_LABEL,	 /* a key has that label */
	WHY_NO_KEY,	 /* there is no such key, or it is no passphrase */
	WHY_WHICH_KEY,	 /* several passphrases: which one is to be replaced? */
	WHY_LAST_KEY,	 /* the last key cannot be removed */
	WHY_SAME_KEY,	 /* the new passphrase is the old one */
	WHY_SAVE_HANGS,	 /* locked, but the disk does not answer: not saved yet */
	WHY_UNPROVED,	 /* it takes a passphrase on the same connection, just before */
	WHY_DISK,	 /* the disk does not answer those who asked before */
	WHY_POLICY,	 /* the policy does not parse: the one in force stays */
};

struct res_done {
	uint32_t op;
	int32_t err;  /* 0 or -errno */
	uint32_t why; /* enum proto_why */
	uint64_t generation;
	uint32_t wait_sec; /* after a wrong passphrase: until the next one is looked at */
	int32_t slot;	   /* REQ_KEY_SEALED: which was made or removed */
};

struct res_seal_to {
	uint32_t op;
	uint32_t is_new; /* 1: no vault yet: ask twice */
	uint8_t public_key[32];
};

enum proto_lock { PROTO_LOCKED, PROTO_OPENING, PROTO_UNLOCKED, PROTO_LOCKING };

struct res_status {
	uint32_t op;
	uint32_t lock; /* enum proto_lock */
	uint32_t has_vault;
	uint32_t unsaved; /* 1: something in RAM is newer than the sealed file */
	uint32_t sessions;
	uint32_t idle_limit_sec;
	uint32_t idle_left_sec; /* while unlocked */
	uint64_t vault_bytes;	/* size of the volume */
	uint64_t generation;	/* of the sealed file, 0 for none */
	int32_t view_pid;	/* 0 for none */
	int32_t save_err;	/* the last save's result */
	uint32_t durability;	/* enum durability (keeper.h) */
	uint32_t save_hangs;	/* 1: the disk does not answer */
	uint64_t save_bytes;	/* what the last save wrote */
	uint64_t save_us;	/* how long it took, all in all */
	uint64_t save_pause_us; /* and how long writers were held back for it */
	char instance[64];
	uint64_t seen;	      /* the newest generation that this host has seen, 0 for none */
	uint8_t vault_id[16]; /* of which vault */
	char conflict[PROTO_NAME_MAX]; /* where the last save went instead, or "" */
};

#define PROTO_HISTORY_MAX 64

struct res_history {
	uint32_t op;
	uint32_t n;
	uint64_t seen;	 /* as in res_status */
	char vault[256]; /* path of the sealed file */
	struct res_history_entry {
		uint32_t kind;	/* enum history_kind */
		uint32_t whole; /* 1: it has the footer of a sealed vault */
		uint64_t generation;
		uint64_t saved_at; /* seconds since 1970 */
		uint64_t disk_bytes;
		char name[PROTO_NAME_MAX];
	} entries[PROTO_HISTORY_MAX];
};

#define PROTO_KEYS 8

struct res_keys {
	uint32_t op;
	uint32_t n;
	uint32_t verified; /* 1: of the open vault; 0: as the sealed file says, unauthenticated */
	struct proto_key_info {
		int32_t slot;
		uint32_t memory_kib, passes, threads; /* of Argon2id */
		struct keytoken token;
	} keys[PROTO_KEYS];
};

/* What a lock verifies, in the order in which it goes. */
enum proto_check { CHECK_VIEW, CHECK_MAPPING, CHECK_LOOP, CHECK_MOUNT, CHECK_KEY, PROTO_CHECKS };

struct proto_checked {
	uint32_t gone; /* 1: it was seen to be gone; stays so */
	uint32_t pad;
	uint64_t us; /* since the lock began */
};

/* By what somebody holds on to a part of the volume. */
enum proto_hold {
	HOLD_FD,     /* a file or directory of the decrypted file system */
	HOLD_CWD,    /* its working directory is there */
	HOLD_ROOT,   /* its root directory is there */
	HOLD_EXE,    /* it runs a program from there */
	HOLD_MAP,    /* it has mapped a file of it */
	HOLD_DEVICE, /* the mapping, opened as a device */
	HOLD_LOOP,   /* the loop device, opened: ciphertext */
	HOLD_MOUNT, /* a mount that could not be taken away, at where; pid lives in its namespace */
	HOLD_STACKED, /* another block device on top, named in where; no pid */
	HOLD_UNKNOWN, /* nobody that /proc shows: a descriptor in flight, or the kernel itself */
	PROTO_HOLDS,
};

struct proto_holder {
	int32_t pid;	 /* 0: no process */
	uint32_t how;	 /* enum proto_hold */
	int32_t fd;	 /* the first one, for HOLD_FD, HOLD_DEVICE, HOLD_LOOP; otherwise -1 */
	uint32_t more;	 /* descriptors or maps of the same kind beside it */
	uint64_t mnt_ns; /* inode of its mount namespace when that is not the keeper's; otherwise 0
			  */
	char program[64];
	char where[64];
};

#define PROTO_HOLDERS 16

struct res_lock { /* also RES_LOCK_TRYING */
	uint32_t op;
	int32_t err;
	uint32_t why;
	uint32_t killed_view; /* 1: it did not close in time, or could not be asked */
	uint32_t cut;	      /* 1: an error target has taken the place of the crypt table */
	uint32_t n_held;      /* 0: all is gone */
	uint32_t more_held;   /* 1: there are others than those in held */
	struct proto_checked checks[PROTO_CHECKS];
	uint64_t took_us; /* from the request to the verified state, without the save */
	uint64_t save_us;
	uint64_t generation;
	struct proto_holder held[PROTO_HOLDERS];
};

/* --- the view's channel: the keeper and its tazfs -------------------------------------------- */

/* The view starts as "tazfs view ..." with these descriptors and nothing else. */
enum view_fd {
	VIEW_FD_KEEPER = 3, /* this channel */
	VIEW_FD_ROOT = 4,   /* the decrypted root directory: its whole power */
	VIEW_FD_FUSE = 5,   /* /dev/fuse of a mount that the keeper made */
	VIEW_FD_MOUNT = 6,  /* that mount, detached: for syncfs(2) on ourselves at lock */
};

/*
 * Each of the two notices that the other one is stopped: the keeper sends a VIEW_PULSE every so
 * many seconds, and the view answers it. The keeper locks when so many were not answered; the view
 * wipes its pages and ends, so that the kernel takes everything away, when nothing came for as
 * long.
 */
enum { VIEW_PULSE_SEC = 2, VIEW_PULSES = 5 };

enum view_op {
	/* keeper to view */
	VIEW_SESSION_ADD = 200, /* struct view_session, with a pidfd; answer: VIEW_SESSION_ADDED */
	VIEW_SESSION_DEL,	/* struct view_session; no answer */
	VIEW_QUIESCE,		/* hold back writers, sync the store; answer: VIEW_QUIESCED */
	VIEW_RESUME,		/* let writers go on; no answer */
	VIEW_ASK_IDLE,		/* answer: VIEW_IDLE */
	VIEW_LOCK,   /* scrub, close the store, end with status 0; answer: VIEW_LOCKED, then EOF */
	VIEW_SYNCED, /* struct view_synced: how a save, or a VIEW_SYNC, went; no answer */
	VIEW_SYNC_HANGS, /* the disk does not answer: who waits may be interrupted; no answer */

	VIEW_HOLLOWED, /* struct view_plain; err: the store's device could not be replaced */
	VIEW_PULSE,    /* answer: VIEW_ALIVE */
	VIEW_POLICY,   /* struct view_plain, with the sealed memfd; answer: VIEW_POLICY_SET */
	VIEW_ANSWER,   /* struct view_answer, to VIEW_ASK; no answer */

	/* view to keeper */
	VIEW_READY = 300,   /* it answers requests now */
	VIEW_ALIVE,	    /* to VIEW_PULSE */
	VIEW_SESSION_ADDED, /* struct view_session */
	VIEW_DIRTY,	    /* first change since READY, or since the last QUIESCED */
	VIEW_QUIESCED,	    /* struct view_quiesced */
	VIEW_IDLE,	    /* struct view_idle */
	VIEW_HOLLOW,	 /* while locking, once: the store is synced, take the key away and let the
			    store read as zeros; answer: VIEW_HOLLOWED */
	VIEW_LOCKED,	 /* everything is scrubbed and revoked; it is about to end */
	VIEW_SYNC,	 /* struct view_sync: fsyncs wait for a save; answer: VIEW_SYNCED */
	VIEW_RESUMED,	 /* struct view_resumed: writers go on */
	VIEW_DECOY,	 /* somebody touched what the policy calls a decoy: lock */
	VIEW_POLICY_SET, /* struct view_plain; err: -EINVAL it does not parse, -errno not stored */
	VIEW_ASK,	 /* struct view_ask: ask the person, or ask no more; answer: VIEW_ANSWER */
};

struct view_plain {
	uint32_t op;
	int32_t err;
};

struct view_ask {
	uint32_t op;
	int32_t pid; /* who asks: the person of its session is asked */
	struct question_put put;
};

struct view_answer {
	uint32_t op;
	struct question_reply reply;
};

struct view_quiesced {
	uint32_t op;
	int32_t err;	 /* -errno of the sync, or -ETIMEDOUT */
	uint64_t covers; /* the fsyncs up to this one will be in the save */
};

struct view_synced {
	uint32_t op;
	int32_t err; /* 0: those up to seq are durable; or why a save failed, for all who wait */
	uint64_t seq;
};

struct view_sync {
	uint32_t op;
	uint32_t changed; /* 1: something is to be saved, even if VIEW_DIRTY has not come yet */
	uint64_t seq;	  /* of the last fsync that waits */
};

struct view_resumed {
	uint32_t op;
	uint64_t pause_us; /* how long writers were held back */
};

enum view_session_kind {
	VIEW_SESSION_MARKED = 1,  /* its members hold the session mark, or are none */
	VIEW_SESSION_COMMAND = 2, /* its leader is a subreaper that starts one child: session.h */
};

struct view_session {
	uint32_t op;
	int32_t pid;	/* the leader, in the keeper's pid namespace */
	uint64_t start; /* its start time: proc_stat.start */
	uint64_t kind;	/* VIEW_SESSION_ADD: bits of enum view_session_kind */
};

struct view_idle {
	uint32_t op;
	uint64_t last_ns; /* CLOCK_BOOTTIME of the last allowed operation */
};

#endif
