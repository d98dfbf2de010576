/*
 * lockstate - the lock's state machine: (state, event) -> (state, actions), and nothing else
 *
 * No I/O, no time, no memory: the keeper gathers events and carries the actions out. What is not in
 * the table is refused: the state stays and ACT_NONE is returned with refused set, so that an event
 * that comes at a wrong moment can never open anything.
 *
 *   LOCKED ---OPEN--> OPENING --OPENED--> STARTING --READY--> UNLOCKED
 *     ^                  | FAILED             | GONE, LOCK        | LOCK       | GONE
 *     |                  v                    v                   v            v
 *     +--------------- LOCKED             (CLOSING)            CLOSING ----> DRAINING
 *     |                                                           | GONE,      |      | TIMEOUT
 *     |                                                           | TIMEOUT    |      v
 *     |                                                           +----------->|   CUTTING
 *     |                                                              CLEAN     v      | CLEAN,
 * PINNED
 *     +----------------SAVED or NOT_SAVED------------------------------------SAVING <-+
 *
 * CLOSING: the view was asked to scrub and end; TIMEOUT kills it. DRAINING: the view is dead, or
 * told to die, and the kernel takes the stack down; CLEAN says that this was seen; TIMEOUT that
 * something pins it. CUTTING: an error target takes the place of the crypt table, so that the key
 * is gone whoever pins what; TIMEOUT says that even this is not seen yet, and goes on trying for
 * ever. SAVING: the ciphertext goes to disk. There is no way from CLOSING to LOCKED but through
 * CLEAN or PINNED: a lock ends in what was verified, or does not end.
 */
#ifndef TAZ_ENCLAVE_LOCKSTATE_H
#define TAZ_ENCLAVE_LOCKSTATE_H

#include <stdbool.h>

enum lock_state {
	LS_LOCKED,
	LS_OPENING,
	LS_STARTING,
	LS_UNLOCKED,
	LS_CLOSING,
	LS_DRAINING,
	LS_CUTTING,
	LS_SAVING,
	LS_STATES,
};

enum lock_event {
	LE_OPEN,      /* a sealed passphrase arrived for a locked vault */
	LE_OPENED,    /* the worker handed over the decrypted root */
	LE_FAILED,    /* the worker refused, failed or died */
	LE_READY,     /* the view answers */
	LE_LOCK,      /* any reason to lock: request, idle, last session, stop */
	LE_GONE,      /* the view's process is dead */
	LE_TIMEOUT,   /* the bound of the present step has passed */
	LE_CLEAN,     /* no mapping, loop, mount and key of ours is left */
	LE_PINNED,    /* view and key are gone; what is left is in others' hands, and fails */
	LE_SAVED,     /* the sealed file is durable, or nothing had to be saved */
	LE_NOT_SAVED, /* it could not be written */
	LE_EVENTS,
};

enum lock_action {
	ACT_NONE = 0,
	ACT_START_WORKER = 1 << 0, /* hand the job to the worker that holds the one-time key */
	ACT_KILL_WORKER = 1 << 1,
	ACT_START_VIEW = 1 << 2,
	ACT_ADMIT = 1 << 3,	/* register the sessions that wait, arm idle and settle timers */
	ACT_SHUT_DOOR = 1 << 4, /* detach the view's mounts; sessions end; timers stop */
	ACT_ASK_VIEW = 1 << 5,	/* VIEW_LOCK, and a bound */
	ACT_KILL_VIEW = 1 << 6, /* SIGKILL, and a bound */
	ACT_CHECK = 1 << 7,	/* look at the kernel until it is clean, and a bound */
	ACT_SAVE = 1 << 8,	/* write the sealed file if it is behind */
	ACT_FORGET = 1 << 9,	/* drop the image and the seal key */
	ACT_KEEP = 1 << 10,	/* keep both: the ciphertext in RAM is all there is */
	ACT_REFUSE = 1 << 11,	/* tell the client that the open failed */
	ACT_REPORT = 1 << 12,	/* tell those who asked for the lock how it ended */
	ACT_COMPLAIN = 1 << 13, /* it is not done in time: say what is left */
	ACT_CUT = 1 << 14,	/* an error target in the place of the key, in a child */
};

struct lock_step {
	enum lock_state next;
	unsigned actions; /* enum lock_action */
	bool refused;	  /* the event has no place in that state */
};

struct lock_step lockstate_step(enum lock_state state, enum lock_event event);

/* Their names, for logs and tests. */
const char *lockstate_name(enum lock_state state);
const char *lockstate_event_name(enum lock_event event);

#endif
