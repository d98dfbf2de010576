/*
 * approval - what a workspace wants happens only after a person has seen it, whole, and said yes
 *
 * The workspace may change a declaration at any time; so a yes is given to a hash over everything
 * that decides what happens.
 *
 * Of a command, what runs and what it overwrites: the entry's name, file, variable and mode, each
 * argument, the directory, the program's path and its contents, and the names of the variables
 * passed to it. Of a variable: the entry's name, the variable's, the file it leads to, and whether
 * it holds the file's path or its contents: programs are started, loaded and configured by the
 * variables they find, so that a name is as good as a command.
 *
 * A yes is kept inside the vault, as one file .taz/approved/NAME-HASH (a variable's in
 * .taz/approved-env) that holds what was shown; removing the file takes it back.
 */
#ifndef TAZ_ENCLAVE_APPROVAL_H
#define TAZ_ENCLAVE_APPROVAL_H

#include "enclave/entry.h"
#include "enclave/program.h"

enum { APPROVAL_HEX = 64 };

enum approval_kind { APPROVAL_COMMAND, APPROVAL_VARIABLE };

struct approval {
	enum approval_kind kind;
	char hash[HASH_HEX_MAX]; /* APPROVAL_HEX characters */
	char *text;		 /* what a person is shown: lines of printable ASCII */
};

enum approval_state { APPROVAL_GIVEN, APPROVAL_NEW, APPROVAL_CHANGED };

/* approval_word - "command" or "variable" */
const char *approval_word(const struct approval *a);

/* approval_state_word - for programs: "confirmed", "new" or "changed" */
const char *approval_state_word(enum approval_state state);

/* approval_state_text - the same for people */
const char *approval_state_text(enum approval_state state);

/*
 * approval_init, approval_init_env - what would be said yes to: the entry's command, its variable
 * @dir: where the command runs
 * @ret: to be ended with approval_done()
 * Returns 0 or -ENOMEM.
 */
int approval_init(const struct entry *e, const struct program *p, const char *dir,
		  struct approval *ret);
int approval_init_env(const struct entry *e, struct approval *ret);
void approval_done(struct approval *a);

/*
 * approval_state - was yes said to exactly this? APPROVAL_CHANGED: to something else of this entry
 * @root: of the vault (place.h)
 * Returns enum approval_state or -errno.
 */
int approval_state(int root, const struct entry *e, const struct approval *a);

/* approval_give - yes: from now on, durably. Who sees a command sees its variable: that is
 * confirmed with it. Returns 0 or -errno. */
int approval_give(int root, const struct entry *e, const struct approval *a);

#endif
