#include "enclave/lockstate.h"

#include <stddef.h>

struct row {
	bool known;
	enum lock_state next;
	unsigned actions;
};

#define TO(next, actions)               \
	{                               \
		true, (next), (actions) \
	}
#define DIE (ACT_SHUT_DOOR | ACT_CHECK)

/* Every empty cell is a refusal. LE_LOCK has a cell in every state: a lock is never refused. */
static const struct row table[LS_STATES][LE_EVENTS] = {
	[LS_LOCKED] = {
		[LE_OPEN] = TO(LS_OPENING, ACT_START_WORKER),
		[LE_LOCK] = TO(LS_SAVING, ACT_SAVE),
	},
	[LS_OPENING] = {
		[LE_OPENED] = TO(LS_STARTING, ACT_START_VIEW),
		[LE_FAILED] = TO(LS_DRAINING, ACT_REFUSE | DIE),
		[LE_LOCK] = TO(LS_DRAINING, ACT_KILL_WORKER | ACT_REFUSE | DIE),
	},
	[LS_STARTING] = {
		[LE_READY] = TO(LS_UNLOCKED, ACT_ADMIT),
		[LE_FAILED] = TO(LS_DRAINING, ACT_KILL_VIEW | ACT_REFUSE | DIE),
		[LE_GONE] = TO(LS_DRAINING, ACT_REFUSE | DIE),
		[LE_TIMEOUT] = TO(LS_DRAINING, ACT_KILL_VIEW | ACT_REFUSE | DIE),
		[LE_LOCK] = TO(LS_CLOSING, ACT_REFUSE | ACT_SHUT_DOOR | ACT_ASK_VIEW),
	},
	[LS_UNLOCKED] = {
		[LE_LOCK] = TO(LS_CLOSING, ACT_SHUT_DOOR | ACT_ASK_VIEW),
		[LE_GONE] = TO(LS_DRAINING, DIE),
	},
	[LS_CLOSING] = {
		[LE_GONE] = TO(LS_DRAINING, ACT_CHECK),
		[LE_TIMEOUT] = TO(LS_DRAINING, ACT_KILL_VIEW | ACT_CHECK),
		[LE_LOCK] = TO(LS_CLOSING, ACT_NONE),
	},
	[LS_DRAINING] = {
		[LE_CLEAN] = TO(LS_SAVING, ACT_SAVE),
		[LE_GONE] = TO(LS_DRAINING, ACT_NONE), /* of a view that was killed */
		[LE_TIMEOUT] = TO(LS_CUTTING, ACT_CUT | ACT_CHECK),
		[LE_LOCK] = TO(LS_DRAINING, ACT_NONE),
	},
	[LS_CUTTING] = {
		[LE_CLEAN] = TO(LS_SAVING, ACT_SAVE),
		[LE_PINNED] = TO(LS_SAVING, ACT_SAVE),
		[LE_GONE] = TO(LS_CUTTING, ACT_NONE),
		[LE_TIMEOUT] = TO(LS_CUTTING, ACT_COMPLAIN | ACT_CUT | ACT_CHECK),
		[LE_LOCK] = TO(LS_CUTTING, ACT_NONE),
	},
	[LS_SAVING] = {
		[LE_SAVED] = TO(LS_LOCKED, ACT_FORGET | ACT_REPORT),
		[LE_NOT_SAVED] = TO(LS_LOCKED, ACT_KEEP | ACT_REPORT),
		[LE_LOCK] = TO(LS_SAVING, ACT_NONE),
	},
};

struct lock_step lockstate_step(enum lock_state state, enum lock_event event)
{
	const struct row *row = &table[state][event];

	if (!row->known)
		return (struct lock_step){ .next = state, .actions = ACT_NONE, .refused = true };
	return (struct lock_step){ .next = row->next, .actions = row->actions };
}

const char *lockstate_name(enum lock_state state)
{
	static const char *const names[LS_STATES] = { "locked",	 "opening",  "starting", "unlocked",
						      "closing", "draining", "cutting",	 "saving" };

	return names[state];
}

const char *lockstate_event_name(enum lock_event event)
{
	static const char *const names[LE_EVENTS] = { "open",	"opened", "failed",   "ready",
						      "lock",	"gone",	  "timeout",  "clean",
						      "pinned", "saved",  "not-saved" };

	return names[event];
}
