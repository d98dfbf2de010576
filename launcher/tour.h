/*
 * tour - real commands of this program, run one after the other on a workshop that is thrown away
 *
 * What it leaves behind when it is killed is one name in STATE/.tour, and the next tour removes
 * that workshop first. STATE/.tour is locked (flock(2)) as long as a tour runs: there is one at a
 * time.
 */
#ifndef TAZ_LAUNCHER_TOUR_H
#define TAZ_LAUNCHER_TOUR_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "enclave/base/secret.h"
#include "launcher/workshop.h"

#define TOUR_ARGS 12

/* How a command's streams are set up. */
enum tour_how {
	TOUR_PLAIN, /* ours: it may take minutes, and shows how far it is; it is told the engine */
	TOUR_KEPT,  /* its output is kept, then shown */
	TOUR_SESSION, /* the same; it gets the passphrase */
	TOUR_HELD,    /* it gets the passphrase, prints a line, and stays until tour_let_go() */
};

struct tour {
	char name[WORKSHOP_NAME_MAX + 1];
	char self[PATH_MAX];   /* this program */
	const char *engine;    /* NULL: choose */
	struct secret *pass;   /* of the vault that is thrown away */
	int lock, signals;     /* STATE/.tour, and a signalfd(2); < 0: not open */
	pid_t held;	       /* a command that stays; 0: none */
	int held_in, held_out; /* its streams */
	bool is_over;	       /* somebody wants it to end */
	bool has_begun;	       /* there may be a workshop to remove */
	char out[8192];	       /* what the last command has printed, clean of controls */
};

/*
 * tour_begin - be the only one, remove what an earlier tour has left, take a name
 * @engine: borrowed, or NULL
 * From here on SIGINT, SIGTERM and SIGHUP only set is_over.
 * Returns 0, or -errno after saying why: -EBUSY another tour runs.
 */
int tour_begin(struct tour *t, const char *engine);

/*
 * tour_run - run "tazlaunch ARGS" to its end, or, with TOUR_HELD, to its first line
 * @args: ended by NULL, at most TOUR_ARGS; where one is "NAME", the workshop's name stands
 * What it prints is in @t->out.
 * Returns its status as run_wait(), -EINTR when the tour is over, or -errno.
 */
int tour_run(struct tour *t, enum tour_how how, const char *const args[]);

/* tour_let_go - end what is held, and have in @t->out what it has printed since. Returns as above;
 * -ENOENT when nothing is held. */
int tour_let_go(struct tour *t);

/* tour_wait_enter - until a person has pressed Enter. Returns 0, or -EINTR: the tour is over. */
int tour_wait_enter(struct tour *t);

/* tour_end - stop the workshop and remove it, and all else of this tour. Returns 0, or -errno after
 * saying what is left; the next tour tries again. */
int tour_end(struct tour *t);

#endif
