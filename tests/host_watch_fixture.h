/*
 * host_watch_fixture - a bus with a logind of the test's, workshops whose agents are doubles, and
 * the real "tazlaunch watch-host" between them
 */
#ifndef TAZ_TESTS_HOST_WATCH_FIXTURE_H
#define TAZ_TESTS_HOST_WATCH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

/* How a double of an agent behaves; what it did is in memory that is shared with it. */
struct shop {
	char name[16];
	int lock_ms; /* so long a lock takes; < 0: for ever */
	int fails;   /* so many locks end with 1 first */
	pid_t pid;
	int begun, done;
};

#define SHOPS 4
extern struct shop *shops; /* a free one has no name */

/* setup_watch, teardown_watch - for cmocka: a folder, a bus, a logind with a delay of 20 s */
int setup_watch(void **state);
int teardown_watch(void **state);

/* bus_start, bus_end; logind_start - after bus_end() it is gone, too */
void bus_start(void);
void bus_end(void);
void logind_start(int delay_ms);

/* tell - a line for logind (tests/mock_logind.c); hear - wait for a line that begins with @text;
 * returns the number at its end; hears_nothing - there is no such line within @ms */
void tell(const char *line);
long hear(const char *text);
void hears_nothing(int ms);

/* shop_start - a workshop that is up; shop_end - it is down; shop_remove - there is no record of it
 * any more */
struct shop *shop_start(const char *name, int lock_ms);
void shop_end(struct shop *s);
void shop_remove(struct shop *s);

/* watcher_start - in the foreground; its words go to a file. watcher_said - is that in it? */
pid_t watcher_start(void);
bool watcher_said(const char *text);

/* watcher_detach - as `up` starts it; returns its status. watcher_find - the pid of the one that
 * runs, or 0; it is a child of ours by then */
int watcher_detach(void);
pid_t watcher_find(void);

/* WITHIN - fail unless @cond is true by then; looks every 10 ms */
#define WITHIN(ms, cond)                                               \
	do {                                                           \
		int left_ = (ms) / 10;                                 \
		while (!(cond) && left_-- > 0)                         \
			usleep(10000);                                 \
		if (!(cond))                                           \
			fail_msg("not within %d ms: %s", (ms), #cond); \
	} while (0)

extern char state_dir[64];

#endif
