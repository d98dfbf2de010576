/*
 * stale - mappings that a dead keeper of this very place left behind
 *
 * Normally there are none: the kernel removes them. Two cases are left: a worker that was killed
 * between making a mapping and dooming it, and a process of root that had the volume open when
 * keeper and view were killed. A mapping's name says whose it is:
 *
 *	taz-<instance>-<home><random>	home: 16 hex digits, random: 8
 *
 * home is a random number of this machine or container, kept in /run. Only one keeper can listen
 * there, so whoever listens knows that all others of its home are dead. A mapping of another home,
 * of the same instance or not, is somebody else's and is never touched.
 */
#ifndef TAZ_ENCLAVE_STALE_H
#define TAZ_ENCLAVE_STALE_H

#include <stdbool.h>
#include <stdint.h>

#include "enclave/dm.h"

#define STALE_MAX 8

struct stale {
	unsigned n; /* more than that are found by the next start */
	char names[STALE_MAX][DM_NAME_MAX];
};

/* stale_home - read the home's number from @path, a file of ours; made when it is missing. 0 or
 * -errno. */
int stale_home(const char *path, uint64_t *ret_home);

/* stale_name - a new mapping's name */
void stale_name(const char *instance, uint64_t home, uint32_t random, char buf[DM_NAME_MAX]);

/* stale_is_ours - has @name exactly that form, with this instance and home? */
bool stale_is_ours(const char *name, const char *instance, uint64_t home);

/* stale_list - those that are there now: before we make our first. 0 or -errno. */
int stale_list(const char *instance, uint64_t home, struct stale *ret);

/*
 * stale_sweep - take their keys, remove those that nobody uses, and say who holds the others
 * May block in the kernel: call it in a process that can be left behind.
 */
void stale_sweep(const struct stale *stale);

#endif
