/*
 * host_bus - what logind says on the system bus: this host is about to sleep or to end, its screen
 * is locked; and the delay that it grants before it sleeps
 *
 * Source: org.freedesktop.login1(5), "Inhibitor Locks" (https://systemd.io/INHIBITOR_LOCKS/),
 * sd-bus(3). The one file that knows libsystemd is host_bus.c.
 */
#ifndef TAZ_LAUNCHER_HOST_BUS_H
#define TAZ_LAUNCHER_HOST_BUS_H

#include <poll.h>
#include <stdint.h>

enum host_event {
	HOST_HEARD,  /* logind answers, and waits for us before it sleeps: first on a connection */
	HOST_DEAF,   /* there is no logind that answers; it is asked again */
	HOST_SLEEPS, /* it sleeps or ends as soon as host_bus_let_go() was called, or the delay is
			over */
	HOST_WAKES,  /* it is back, or does not end after all */
	HOST_SCREEN, /* the screen of a session was locked, or is to be */
};

/* @why: a sentence's end for a person: "this host is about to sleep" */
typedef void host_event_t(void *arg, enum host_event what, const char *why);

struct host_bus;

/*
 * host_bus_open - connect; what logind says comes to @fn from within host_bus_process()
 *
 * Only what the owner of logind's name has sent counts: anyone of this host may send signals of
 * that shape to us.
 * Returns 0, -ENOENT when there is no bus on this machine, or -errno of sd_bus_open_system(3).
 */
int host_bus_open(host_event_t *fn, void *arg, struct host_bus **ret);

/* host_bus_free - also lets go; NULL is nothing */
void host_bus_free(struct host_bus *b);

/* host_bus_poll - what to wait for, and for how long at most: ms, -1 for ever */
struct pollfd host_bus_poll(const struct host_bus *b);
int host_bus_timeout_ms(const struct host_bus *b);

/* host_bus_process - after the wait. Returns 0, or -errno: the bus is gone, host_bus_free() it. */
int host_bus_process(struct host_bus *b);

/* host_bus_delay_ms - how long logind waits for us before it sleeps */
int64_t host_bus_delay_ms(const struct host_bus *b);

/* host_bus_let_go - the host may sleep now; it is held up again after HOST_WAKES */
void host_bus_let_go(struct host_bus *b);

/*
 * host_bus_ask - could the host's events be heard here? For doctor; waits two seconds at most
 * Returns NULL, or what is missing.
 */
const char *host_bus_ask(void);

/* host_bus_journal - a descriptor whose lines go to the journal under the name of tazlaunch, or
 * -errno. */
int host_bus_journal(void);

#endif
