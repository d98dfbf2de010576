/*
 * watch_file - STATE/.watch-host: who has it locked watches this host for the workshops beside it
 *
 * It holds one word, for doctor. It goes when its watcher ends; a killed one leaves it, unlocked.
 */
#ifndef TAZ_LAUNCHER_WATCH_FILE_H
#define TAZ_LAUNCHER_WATCH_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum watch_state {
	WATCH_NONE,    /* nobody watches */
	WATCH_BEGINS,  /* it does not know yet */
	WATCH_LISTENS, /* logind tells it */
	WATCH_DEAF,    /* there is no logind, or no bus for now */
};

/* watch_root - the folder of all workshops. Returns 0, or as workshop_state_dir(). */
int watch_root(char *buf, size_t size);

/*
 * watch_file_take - be the one who watches
 * Returns a descriptor (closing it lets go), or
 *   -EBUSY   there is one
 *   -EACCES  what has that name is no file of ours
 *   -errno   from open(2), fcntl(2)
 */
int watch_file_take(const char *root);

/* watch_file_is - is that still the file of this name? */
bool watch_file_is(const char *root, int fd);

/* watch_file_leave - take the name away; whoever comes now makes a new file */
void watch_file_leave(const char *root);

/* watch_file_write - the state, by who has taken it. Returns 0 or -errno. */
int watch_file_write(int fd, enum watch_state state);

/* watch_file_look - what the one who watches has written; WATCH_NONE also when it can't be told */
enum watch_state watch_file_look(const char *root);

/* watch_file_poke - a workshop is down: the one who watches looks whether it is needed still. When
 * it can't be told it looks by itself, within a minute. */
void watch_file_poke(const char *root);

/* watch_file_path - of the file. Returns 0 or -ENAMETOOLONG. */
int watch_file_path(const char *root, char *buf, size_t size);

#endif
