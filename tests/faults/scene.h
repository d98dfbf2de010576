/*
 * scene - one life of the vault, from the unlock to the lock, with a strike somewhere in it
 *
 * The keeper lives on from one scene to the next until it is struck. Each scene's session first
 * checks what was promised in the scenes before (tests/load), then writes, saves, reads, and ends
 * or asks for the lock.
 */
#ifndef TAZ_TESTS_FAULTS_SCENE_H
#define TAZ_TESTS_FAULTS_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/faults/tracer.h"

#define SCENE_BOUND_MS 2000  /* everything is clean by then; else it is late */
#define SCENE_HANG_MS  10000 /* and this is no slow machine any more */

enum phase { PHASE_UNLOCK, PHASE_USE, PHASE_SAVE, PHASE_LOCK, PHASES };

struct scene_point {
	struct point point;
	enum phase phase;
};

struct scene_result {
	bool struck;
	struct point at;
	unsigned points;   /* how many there were until the strike, or at all */
	unsigned took_ms;  /* all of it */
	unsigned clean_ms; /* from the strike, or from the request to lock, to a clean kernel */
	bool late;	   /* that was more than SCENE_BOUND_MS */
	bool checked;	   /* the session got in, and every promise of before is kept */
	char failed[200];  /* empty: nothing did */
};

struct scene;

/* scene_new - @ack: how tests/load acknowledges. NULL after saying why. */
struct scene *scene_new(const char *ack);
void scene_free(struct scene *s);

/*
 * scene_play - one life
 * @strike: where and whom, or .at 0
 * @points, @max: each point is noted there, or NULL
 */
void scene_play(struct scene *s, const struct strike *strike, struct scene_point *points,
		unsigned max, struct scene_result *ret);

const char *phase_name(enum phase phase);

#endif
