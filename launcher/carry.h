/*
 * carry - bytes of one stream between the host's side and the agent's, until one of them ends
 *
 * Closing the host's side is a hang-up: nothing more is carried, whatever is on its way. What the
 * agent's side has said before it ended still reaches the host. Neither side can block the look at
 * the other: at most PIPE_BUF bytes are written, and only when poll(2) says that there is room.
 * Source: pipe(7), poll(2), unix_poll() of the kernel's net/unix/af_unix.c.
 */
#ifndef TAZ_LAUNCHER_CARRY_H
#define TAZ_LAUNCHER_CARRY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define CARRY_POLL 4 /* entries of poll(2) that it needs */

enum carry_end {
	CARRY_ON,
	CARRY_HOST_GONE,
	CARRY_AGENT_GONE,
};

struct carry_way {
	int from, to; /* borrowed; from < 0: it has ended */
	size_t at, len;
	char buf[4096];
};

struct carry {
	struct carry_way up;   /* host to agent */
	struct carry_way down; /* agent to host */
	bool started;	       /* the host has sent something */
	bool answered;	       /* the agent's side has */
	bool deaf; /* the agent's side takes nothing more; it may still have something to say */
};

/* carry_init - a socket is given twice; all are borrowed */
void carry_init(struct carry *c, int host_in, int host_out, int agent_in, int agent_out);

/* carry_fill - what to ask poll(2) for */
void carry_fill(const struct carry *c, struct pollfd p[CARRY_POLL]);

/* carry_wait_ms - how long poll(2) may wait: -1 for ever. When it comes back with nothing then, the
 * agent's side has no more to say. */
int carry_wait_ms(const struct carry *c);

/* carry_be_deaf - the agent's side takes nothing more, as is known from elsewhere */
void carry_be_deaf(struct carry *c);

/* carry_turn - read and write what poll(2) has found */
enum carry_end carry_turn(struct carry *c, const struct pollfd p[CARRY_POLL]);

#endif
