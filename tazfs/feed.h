/*
 * feed - a child that tells: what it writes to standard output and error comes through two pipes
 *
 * So a wait in it (for a view, for a keeper that does not answer) holds up nobody, and what it says
 * on standard error is no mess on a terminal that is drawn on. It ends with us, whatever ends us.
 */
#ifndef TAZ_TAZFS_FEED_H
#define TAZ_TAZFS_FEED_H

#include <stdbool.h>
#include <sys/types.h>

#define FEED_SAID 256

struct feed {
	pid_t pid;	      /* 0: there is none */
	int out, err;	      /* read ends, or -EBADF */
	char said[FEED_SAID]; /* the last line of its standard error, so far; any bytes but a
				 newline */
	bool ended_line;      /* what comes next begins another one */
};

#define FEED_NONE                            \
	{                                    \
		.out = -EBADF, .err = -EBADF \
	}

/*
 * feed_start - run @run in a child that has every signal's default, none blocked, no input
 * @f: FEED_NONE, or ended; what it said is forgotten
 * @run: returns an exit code; what it prints with stdio is flushed
 * For a program of one thread. Returns 0 or -errno.
 */
int feed_start(struct feed *f, int (*run)(void *arg), void *arg);

/* feed_hear - there is something on @f->err: read it. False: it will say no more. */
bool feed_hear(struct feed *f);

/* feed_end - kill it if it lives, and hear the rest; nothing when there is none. @f->said stays. */
void feed_end(struct feed *f);

#endif
