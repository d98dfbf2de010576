#include "launcher/host_bus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#define LOGIND	"org.freedesktop.login1"
#define MANAGER "/org/freedesktop/login1", LOGIND ".Manager"
#define BUS	"org.freedesktop.DBus"

#define DELAY_USEC   5000000 /* logind.conf(5), InhibitDelayMaxSec=, until it has told its own */
#define RETRY_MS     1000    /* an inhibitor that was refused: again, later and later */
#define RETRY_MAX_MS 60000
#define ASK_MS	     2000 /* doctor's: a bus that hangs holds up no report */

struct host_bus {
	sd_bus *bus;
	host_event_t *fn;
	void *arg;
	char *owner;   /* whose signals count: the unique name of logind, or NULL */
	int inhibitor; /* closing it lets the host sleep; or -EBADF */
	uint64_t delay_usec;
	bool asking;		/* for an inhibitor */
	bool sleeps, ends;	/* as it has told */
	bool let_go;		/* of this sleep or end */
	bool heard, deaf;	/* which of the two was said */
	int64_t retry_at_ms;	/* when an inhibitor is asked for again; 0: not */
	int64_t retry_after_ms; /* and how long after the next refusal */
};

static void say(struct host_bus *b, enum host_event what, const char *why)
{
	b->fn(b->arg, what, why);
}

/* --- the inhibitor --------------------------------------------------------------------------- */

static int on_delay(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct host_bus *b = arg;
	uint64_t usec;

	if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "v", "t", &usec) > 0)
		b->delay_usec = usec;
	return 0;
}

static void refused(struct host_bus *b)
{
	b->retry_at_ms = io_monotonic_ms() + b->retry_after_ms;
	b->retry_after_ms *= 2;
	if (b->retry_after_ms > RETRY_MAX_MS)
		b->retry_after_ms = RETRY_MAX_MS;
	if (!b->deaf && b->inhibitor < 0)
		say(b, HOST_DEAF, "no logind answers on the system bus");
	b->deaf = true;
}

static void granted(struct host_bus *b, int fd)
{
	fd_close(&b->inhibitor);
	b->inhibitor = fd;
	b->retry_at_ms = 0;
	b->retry_after_ms = RETRY_MS;
	/* It was asked for before, and comes when all is done. */
	if (b->let_go)
		fd_close(&b->inhibitor);
	if (!b->heard || b->deaf)
		say(b, HOST_HEARD, "logind tells when this host sleeps and its screen is locked");
	b->heard = true;
	b->deaf = false;
}

static int on_inhibitor(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct host_bus *b = arg;
	int fd, copy = -EBADF;

	b->asking = false;
	/* Not while it is on its way to sleep: then it is asked again, and gives one afterwards. */
	if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "h", &fd) > 0)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message closes its own */
	if (copy < 0)
		refused(b);
	else
		granted(b, copy);
	return 0;
}

static void ask_inhibitor(struct host_bus *b)
{
	int r;

	b->retry_at_ms = 0;
	if (b->asking)
		return;
	/* What fails leaves the delay as it is known. */
	sd_bus_call_method_async(b->bus, NULL, LOGIND, "/org/freedesktop/login1",
				 "org.freedesktop.DBus.Properties", "Get", on_delay, b, "ss",
				 LOGIND ".Manager", "InhibitDelayMaxUSec");
	r = sd_bus_call_method_async(b->bus, NULL, LOGIND, MANAGER, "Inhibit", on_inhibitor, b,
				     "ssss", "sleep:shutdown", "taz", "lock the workshops",
				     "delay");
	if (r < 0)
		refused(b);
	else
		b->asking = true;
}

/* --- who is logind --------------------------------------------------------------------------- */

static int set_owner(struct host_bus *b, const char *name)
{
	free(b->owner);
	b->owner = *name ? strdup(name) : NULL;
	/* A new logind may not know what the one before has granted. */
	b->sleeps = b->ends = b->let_go = false;
	if (b->owner || !*name)
		ask_inhibitor(b);
	return *name && !b->owner ? -ENOMEM : 0;
}

static int on_owner(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *name = "";

	/* No owner yet: asking starts it, where it can be started. */
	if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "s", &name) < 0)
		name = "";
	return set_owner(arg, name);
}

static bool is_from(sd_bus_message *m, const char *who)
{
	const char *sender = sd_bus_message_get_sender(m);

	return who && sender && !strcmp(sender, who);
}

static int on_owner_changed(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *name, *before, *after;

	if (!is_from(m, BUS) || sd_bus_message_read(m, "sss", &name, &before, &after) <= 0 ||
	    strcmp(name, LOGIND) != 0)
		return 0;
	return set_owner(arg, after);
}

/* --- what it says ---------------------------------------------------------------------------- */

static void prepare(struct host_bus *b, bool *which, bool begins, const char *why)
{
	bool before = b->sleeps || b->ends;

	*which = begins;
	if (begins) {
		b->let_go = false;
		say(b, HOST_SLEEPS, why);
	} else if (before && !b->sleeps && !b->ends) {
		b->let_go = false;
		say(b, HOST_WAKES, why);
		b->retry_after_ms = RETRY_MS;
		if (b->inhibitor < 0)
			ask_inhibitor(b);
	}
}

static int on_prepare(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct host_bus *b = arg;
	int begins;

	if (!is_from(m, b->owner) || sd_bus_message_read(m, "b", &begins) <= 0)
		return 0;
	if (sd_bus_message_is_signal(m, NULL, "PrepareForSleep"))
		prepare(b, &b->sleeps, begins, "this host is about to sleep");
	else if (sd_bus_message_is_signal(m, NULL, "PrepareForShutdown"))
		prepare(b, &b->ends, begins, "this host is about to shut down");
	return 0;
}

static int on_lock(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct host_bus *b = arg;

	if (is_from(m, b->owner))
		say(b, HOST_SCREEN, "the screen is to be locked");
	return 0;
}

/* Of "a{sv}" the one that counts. What is not of that shape is no lock. */
static bool says_locked(sd_bus_message *m)
{
	const char *interface, *name;
	int on = 0;

	if (sd_bus_message_read(m, "s", &interface) <= 0 ||
	    sd_bus_message_enter_container(m, 'a', "{sv}") <= 0)
		return false;
	while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
		if (sd_bus_message_read(m, "s", &name) <= 0)
			return false;
		if (strcmp(name, "LockedHint") == 0)
			return sd_bus_message_read(m, "v", "b", &on) > 0 && on;
		if (sd_bus_message_skip(m, "v") < 0 || sd_bus_message_exit_container(m) < 0)
			return false;
	}
	return false;
}

static int on_properties(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct host_bus *b = arg;

	if (is_from(m, b->owner) && says_locked(m))
		say(b, HOST_SCREEN, "the screen was locked");
	return 0;
}

static const struct {
	const char *rule;
	sd_bus_message_handler_t fn;
} matches[] = {
	{ "type='signal',sender='" BUS "',interface='" BUS "',member='NameOwnerChanged',"
	  "arg0='" LOGIND "'",
	  on_owner_changed },
	{ "type='signal',sender='" LOGIND "',interface='" LOGIND ".Manager',"
	  "member='PrepareForSleep'",
	  on_prepare },
	{ "type='signal',sender='" LOGIND "',interface='" LOGIND ".Manager',"
	  "member='PrepareForShutdown'",
	  on_prepare },
	{ "type='signal',sender='" LOGIND "',interface='" LOGIND ".Session',member='Lock'",
	  on_lock },
	{ "type='signal',sender='" LOGIND "',interface='" BUS ".Properties',"
	  "member='PropertiesChanged',arg0='" LOGIND ".Session'",
	  on_properties },
};

/* --- the connection -------------------------------------------------------------------------- */

static int begin(struct host_bus *b)
{
	int r = sd_bus_open_system_with_description(&b->bus, "taz");

	/* One that is refused closes the connection: half of the events are worse than none. */
	for (size_t i = 0; r >= 0 && i < sizeof(matches) / sizeof(*matches); i++)
		r = sd_bus_add_match_async(b->bus, NULL, matches[i].rule, matches[i].fn, NULL, b);
	if (r >= 0)
		r = sd_bus_call_method_async(b->bus, NULL, BUS, "/org/freedesktop/DBus", BUS,
					     "GetNameOwner", on_owner, b, "s", LOGIND);
	return r < 0 ? r : 0;
}

int host_bus_open(host_event_t *fn, void *arg, struct host_bus **ret)
{
	struct host_bus *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->fn = fn;
	b->arg = arg;
	b->inhibitor = -EBADF;
	b->delay_usec = DELAY_USEC;
	b->retry_after_ms = RETRY_MS;
	r = begin(b);
	if (r < 0) {
		host_bus_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

void host_bus_free(struct host_bus *b)
{
	if (!b)
		return;
	sd_bus_close_unref(b->bus);
	fd_close(&b->inhibitor);
	free(b->owner);
	free(b);
}

struct pollfd host_bus_poll(const struct host_bus *b)
{
	int events = sd_bus_get_events(b->bus);

	return (struct pollfd){ .fd = sd_bus_get_fd(b->bus),
				.events = (short)(events < 0 ? POLLIN : events) };
}

int host_bus_timeout_ms(const struct host_bus *b)
{
	uint64_t usec;
	int64_t at = b->retry_at_ms, now = io_monotonic_ms();

	if (sd_bus_get_timeout(b->bus, &usec) >= 0 && usec != UINT64_MAX) {
		int64_t ms = (int64_t)((usec + 999) / 1000);

		at = at && at < ms ? at : ms;
		if (!at)
			return 0; /* there is something to be done already */
	}
	if (!at)
		return -1;
	return at <= now ? 0 : (int)(at - now);
}

int host_bus_process(struct host_bus *b)
{
	int r;

	do
		r = sd_bus_process(b->bus, NULL);
	while (r > 0);
	if (r >= 0 && sd_bus_is_open(b->bus) <= 0)
		r = -ECONNRESET;
	if (r < 0)
		return r;
	if (b->retry_at_ms && io_monotonic_ms() >= b->retry_at_ms)
		ask_inhibitor(b);
	return 0;
}

int64_t host_bus_delay_ms(const struct host_bus *b)
{
	return (int64_t)(b->delay_usec / 1000);
}

void host_bus_let_go(struct host_bus *b)
{
	b->let_go = b->sleeps || b->ends;
	fd_close(&b->inhibitor);
}

/* --- the rest of libsystemd ------------------------------------------------------------------ */

struct asked {
	bool done, answered;
};

static int on_listed(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	*(struct asked *)arg = (struct asked){ true, !sd_bus_message_is_method_error(m, NULL) };
	return 0;
}

/* Not sd_bus_call(): until the bus has greeted us that one has a limit of its own, of minutes. */
static int ask_until(sd_bus *bus, struct asked *a, int64_t end_ms)
{
	int r = sd_bus_call_method_async(bus, NULL, LOGIND, MANAGER, "ListInhibitors", on_listed, a,
					 "");

	while (r >= 0 && !a->done) {
		int64_t left = end_ms - io_monotonic_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, (uint64_t)left * 1000);
	}
	return r;
}

const char *host_bus_ask(void)
{
	struct asked a = { 0 };
	const char *why = NULL;
	sd_bus *bus = NULL;

	if (sd_bus_open_system_with_description(&bus, "taz") < 0)
		return "no system bus answers";
	ask_until(bus, &a, io_monotonic_ms() + ASK_MS);
	if (!a.answered)
		why = sd_bus_is_ready(bus) > 0 ? "no logind answers on the system bus"
					       : "no system bus answers";
	sd_bus_close_unref(bus);
	return why;
}

int host_bus_journal(void)
{
	return sd_journal_stream_fd("tazlaunch", LOG_INFO, 0);
}
