/*
 * gate - holds back changes while the store is being copied
 *
 * Changes pass one by one: gate_enter() before, gate_leave() after. A closed gate lets none in;
 * who is turned away parks what it wanted to do, and gets it back from gate_unpark() when the gate
 * is open again. Nobody waits inside, so reads always find a free worker.
 */
#ifndef TAZ_TAZFS_GATE_H
#define TAZ_TAZFS_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct gate_item { /* embedded in what is parked */
	struct gate_item *next;
};

struct gate {
	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t idle;
	bool closed;
	unsigned inside;
	uint64_t entered; /* how many ever were */
	struct gate_item *head, **tail;
};

void gate_init(struct gate *g);
void gate_done(struct gate *g);

/* gate_enter - Returns false when the gate is closed; otherwise gate_leave() must follow. */
bool gate_enter(struct gate *g);
void gate_leave(struct gate *g);

/*
 * gate_quiet_since - has nobody been inside since then?
 * @mark: of gate_mark(), which is 0 when somebody was inside at that moment
 */
uint64_t gate_mark(struct gate *g);
bool gate_quiet_since(struct gate *g, uint64_t mark);

/* gate_park - leave @item until the gate opens. Returns false when it is open meanwhile. */
bool gate_park(struct gate *g, struct gate_item *item);

/*
 * gate_close - let nobody in, and wait until those inside have left
 * @timeout_ms: how long to wait
 * Returns 0, or -ETIMEDOUT; the gate is closed in either case.
 */
int gate_close(struct gate *g, unsigned timeout_ms);

/* gate_open - let everybody in again */
void gate_open(struct gate *g);

/* gate_unpark - the first of those that were turned away, now the caller's; NULL for none */
struct gate_item *gate_unpark(struct gate *g);

#endif
