/*
 * watch_screen - the terminal of "tazfs watch"; who else wants ncurses asks here
 *
 * For a program of one thread that takes its signals by signalfd(2): ncurses' own handlers for
 * SIGINT, SIGTERM, SIGTSTP and SIGWINCH never run.
 */
#ifndef TAZ_TAZFS_WATCH_SCREEN_H
#define TAZ_TAZFS_WATCH_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "tazfs/watch_ui.h"

/*
 * watch_screen_open - take the terminal that is standard input and output; full screen
 * Returns NULL, or why not, in a sentence: then the terminal is as it was.
 *
 * Takes HOME and TERMINFO out of the environment: only the system's descriptions of terminals are
 * read. One in the home directory may be from anybody who can write there, and a parser of
 * ncurses would read it in a process of a session.
 */
const char *watch_screen_open(void);

/* watch_screen_close - the terminal as it was; may be called again */
void watch_screen_close(void);

/* watch_screen_key - the next key that has been pressed. Returns false when there is none (yet). */
bool watch_screen_key(uint32_t *ret);

/*
 * watch_screen_is_lost - has somebody else got the terminal, for good?
 * Who is put into the background by a shell is stopped (SIGTTOU, when it takes the terminal again).
 * One that runs there has lost its shell. Source: tcsetattr(3) and setpgid(2), orphaned groups.
 */
bool watch_screen_is_lost(void);

/* watch_screen_draw - @all: as if nothing were known of what is there */
void watch_screen_draw(struct watch_ui *u, bool all);

/* watch_screen_resize - the terminal has another size now */
void watch_screen_resize(void);

/* watch_screen_leave, _return - while a shell has the terminal */
void watch_screen_leave(void);
void watch_screen_return(void);

#endif
