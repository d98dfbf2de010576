/*
 * approval - a command runs only after a person has seen it, whole, and said yes
 *
 * The workspace may change a command at any time; so a yes is given to a hash over everything that
 * decides what runs and what it overwrites: the entry's name, file and mode, each argument, the
 * directory, the program's path and its contents, and the names of the variables passed to it. It
 * is kept inside the vault, as one file .taz/approved/NAME-HASH that holds what was shown; removing
 * the file takes it back.
 */
#ifndef TAZ_ENCLAVE_APPROVAL_H
#define TAZ_ENCLAVE_APPROVAL_H

#include "enclave/entry.h"
#include "enclave/program.h"

enum { APPROVAL_HEX = 64 };

struct approval {
	char hash[HASH_HEX_MAX]; /* APPROVAL_HEX characters */
	char *text;		 /* what a person is shown: lines of printable ASCII */
};

enum approval_state { APPROVAL_GIVEN, APPROVAL_NEW, APPROVAL_CHANGED };

/*
 * approval_init - what would be said yes to
 * @dir: where the command runs
 * @ret: to be ended with approval_done()
 * Returns 0 or -ENOMEM.
 */
int approval_init(const struct entry *e, const struct program *p, const char *dir,
		  struct approval *ret);
void approval_done(struct approval *a);

/*
 * approval_state - was yes said to exactly this? APPROVAL_CHANGED: to something else of this entry
 * @root: of the vault (place.h)
 * Returns enum approval_state or -errno.
 */
int approval_state(int root, const struct entry *e, const struct approval *a);

/* approval_give - yes: from now on, durably. Returns 0 or -errno. */
int approval_give(int root, const struct entry *e, const struct approval *a);

#endif
