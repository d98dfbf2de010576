/*
 * mock_logind - logind, as far as it tells of sleep and of locked screens, on a bus of the test's
 *
 * mock_logind [DELAY_MS]: takes the name org.freedesktop.login1 at DBUS_SYSTEM_BUS_ADDRESS. What it
 * is told on standard input it does, a line each:
 *	sleep 1|0, shutdown 1|0		as before and after each
 *	lock				asks the desktop of a session to lock its screen
 *	locked 1|0			the desktop has
 *	forge				the same as sleep 1 and 0 and lock, by a client that is not
 *					logind, to everybody and to whoever has an inhibitor
 * What happens it says on standard output: "ready", "inhibits WHAT WHO MODE", "released MS" (since
 * the last line that it was told). Like the real one it refuses inhibitors while it goes to sleep.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define LOGIND	"org.freedesktop.login1"
#define PATH	"/org/freedesktop/login1"
#define SESSION "/org/freedesktop/login1/session/_31"
#define HOLDERS 8

static sd_bus *bus;
static uint64_t delay_usec = 5000000;
static int sleeping, hint;
static int holders[HOLDERS]; /* our ends; a hang-up is that the other one was closed */
static char whose[64];	     /* the last one that asked */
static int64_t told_ms;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "mock_logind: %s: %s\n", what, strerror(-r));
	exit(1);
}

static int inhibit(sd_bus_message *m, void *arg, sd_bus_error *err)
{
	const char *what, *who, *why, *mode;
	int ends[2], r, i = 0;

	must(sd_bus_message_read(m, "ssss", &what, &who, &why, &mode), "read Inhibit");
	if (sleeping)
		return sd_bus_error_set(err, LOGIND ".OperationInProgress", "it is running");
	while (i < HOLDERS && holders[i] >= 0)
		i++;
	if (i == HOLDERS || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -ENOMEM;
	holders[i] = ends[0];
	snprintf(whose, sizeof(whose), "%s", sd_bus_message_get_sender(m));
	r = sd_bus_reply_method_return(m, "h", ends[1]);
	close(ends[1]);
	printf("inhibits %s %s %s\n", what, who, mode);
	return r;
}

static int list(sd_bus_message *m, void *arg, sd_bus_error *err)
{
	return sd_bus_reply_method_return(m, "a(ssssuu)", 0);
}

static int get_delay(sd_bus *b, const char *path, const char *interface, const char *name,
		     sd_bus_message *reply, void *arg, sd_bus_error *err)
{
	return sd_bus_message_append(reply, "t", delay_usec);
}

static int get_hint(sd_bus *b, const char *path, const char *interface, const char *name,
		    sd_bus_message *reply, void *arg, sd_bus_error *err)
{
	return sd_bus_message_append(reply, "b", hint);
}

static int get_idle(sd_bus *b, const char *path, const char *interface, const char *name,
		    sd_bus_message *reply, void *arg, sd_bus_error *err)
{
	return sd_bus_message_append(reply, "b", !hint);
}

static const sd_bus_vtable manager[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Inhibit", "ssss", "h", inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListInhibitors", "", "a(ssssuu)", list, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("InhibitDelayMaxUSec", "t", get_delay, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_SIGNAL("PrepareForSleep", "b", 0),
	SD_BUS_SIGNAL("PrepareForShutdown", "b", 0),
	SD_BUS_VTABLE_END,
};

/* Two that change together: one is looked for among others. */
static const sd_bus_vtable session[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("IdleHint", "b", get_idle, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("LockedHint", "b", get_hint, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_SIGNAL("Lock", "", 0),
	SD_BUS_VTABLE_END,
};

/* --- what it is told ------------------------------------------------------------------------- */

static void prepare(const char *what, int begins)
{
	sleeping = begins;
	must(sd_bus_emit_signal(bus, PATH, LOGIND ".Manager", what, "b", begins), what);
}

static void forge_one(sd_bus *other, const char *to, const char *path, const char *interface,
		      const char *member, int value)
{
	sd_bus_message *m = NULL;

	must(sd_bus_message_new_signal(other, &m, path, interface, member), member);
	if (value >= 0)
		must(sd_bus_message_append(m, "b", value), member);
	if (to)
		must(sd_bus_message_set_destination(m, to), member);
	must(sd_bus_send(other, m, NULL), member);
	sd_bus_message_unref(m);
}

static void forge(void)
{
	const char *to[] = { NULL, whose };
	sd_bus *other = NULL;

	must(sd_bus_open_system_with_description(&other, "forger"), "connect");
	for (int i = 0; i < 2; i++) {
		forge_one(other, to[i], PATH, LOGIND ".Manager", "PrepareForSleep", 1);
		forge_one(other, to[i], PATH, LOGIND ".Manager", "PrepareForSleep", 0);
		forge_one(other, to[i], SESSION, LOGIND ".Session", "Lock", -1);
	}
	must(sd_bus_flush(other), "flush");
	sd_bus_flush_close_unref(other);
}

static void do_line(const char *line)
{
	int on = strchr(line, '1') != NULL;

	told_ms = now_ms();
	if (!strncmp(line, "sleep", 5)) {
		prepare("PrepareForSleep", on);
	} else if (!strncmp(line, "shutdown", 8)) {
		prepare("PrepareForShutdown", on);
	} else if (!strncmp(line, "locked", 6)) {
		hint = on;
		must(sd_bus_emit_properties_changed(bus, SESSION, LOGIND ".Session", "IdleHint",
						    "LockedHint", NULL),
		     "LockedHint");
	} else if (!strncmp(line, "lock", 4)) {
		must(sd_bus_emit_signal(bus, SESSION, LOGIND ".Session", "Lock", ""), "Lock");
	} else if (!strncmp(line, "forge", 5)) {
		forge();
	}
}

static void see_input(void)
{
	char text[256];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	if (n <= 0)
		exit(0);
	text[n] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		do_line(line);
}

static void see_holder(int i, short revents)
{
	if (!revents)
		return;
	close(holders[i]);
	holders[i] = -1;
	printf("released %lld\n", (long long)(now_ms() - told_ms));
}

static void serve(void)
{
	for (;;) {
		struct pollfd p[2 + HOLDERS];
		int r;

		while ((r = sd_bus_process(bus, NULL)) > 0)
			;
		/* The real one outlives its bus; but nobody hears it then. */
		if (r < 0 || sd_bus_is_open(bus) <= 0)
			exit(0);
		p[0] = (struct pollfd){ .fd = sd_bus_get_fd(bus),
					.events = (short)sd_bus_get_events(bus) };
		p[1] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
		for (int i = 0; i < HOLDERS; i++)
			p[2 + i] = (struct pollfd){ .fd = holders[i], .events = POLLIN };
		if (poll(p, 2 + HOLDERS, -1) < 0)
			continue;
		for (int i = 0; i < HOLDERS; i++)
			see_holder(i, p[2 + i].revents);
		if (p[1].revents)
			see_input();
	}
}

int main(int argc, char *argv[])
{
	if (argc > 1)
		delay_usec = strtoull(argv[1], NULL, 10) * 1000;
	for (int i = 0; i < HOLDERS; i++)
		holders[i] = -1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	must(sd_bus_open_system_with_description(&bus, "logind"), "connect");
	must(sd_bus_add_object_vtable(bus, NULL, PATH, LOGIND ".Manager", manager, NULL), "add");
	must(sd_bus_add_object_vtable(bus, NULL, SESSION, LOGIND ".Session", session, NULL), "add");
	must(sd_bus_request_name(bus, LOGIND, 0), "take the name");
	puts("ready");
	serve();
}
