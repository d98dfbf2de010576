/*
 * watcher - "tazfs watch" on a view and a terminal of its own, and who looks at it; one at a time
 *
 * What it should show and does not fails the test, and the screen is printed.
 */
#ifndef TAZ_TESTS_VIEW_WATCHER_H
#define TAZ_TESTS_VIEW_WATCHER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

#include "help.h"
#include "vt52.h"

#define ROWS 24
#define COLS 80

extern struct watcher {
	pid_t pid; /* 0: none */
	int tty;   /* our end */
	struct termios before;
	struct vt52 shown;
	char raw[1 << 20]; /* all that it wrote */
	size_t n;
	struct view_fixture view; /* with ssh/id, which nobody may write, and note */
	int program;		  /* tazfs, opened as root: the owner need not reach its folder */
} w;

/* For cmocka: of a group; and of a test, with a policy that says audit-all. */
int watcher_program(void **state);
int watcher_setup(void **state);
int watcher_teardown(void **state);

/* refused, allowed - a member of the session opens it: to write, so many times; to read */
void refused(const char *name, int times);
void allowed(const char *name);

/* watch - as the owner; watch_with: @option may be NULL */
void watch(void);
void watch_with(char *const env[], const char *option);

/* watcher_fork - as fork(2): w.pid is 0 in the child, which has the terminal; the last one is
 * closed */
void watcher_fork(void);

/* watcher_forget - whatever state it is in */
void watcher_forget(void);

/* look - at what it writes next, for so long. Returns false when it is gone. */
bool look(int ms);

/* sees - the row that has this text, as soon as there is one */
const char *sees(const char *text);
void sees_no_more(const char *text);

void type(const char *keys);

/* ends - its wait status; the terminal must be as it was */
int ends(void);

/* quits - by its key, and with 0 */
void quits(void);

bool was_written(const char *bytes);

#endif
