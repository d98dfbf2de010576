/*
 * help - a view on real FUSE, with the test in the keeper's place
 *
 * The test program is the leader of the one session, so each child of it is a member. Root only.
 */
#ifndef TAZ_TESTS_VIEW_HELP_H
#define TAZ_TESTS_VIEW_HELP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "enclave/proto.h"

#define OWNER 64001 /* no name needed */

struct view_fixture {
	char dir[64], src[80], mnt[80], image[80]; /* image: ON_EXT4's file */
	int keeper;				   /* our end of the channel */
	int mountfd;
	int fusefd;
	pid_t view;
	bool lies;	       /* what VIEW_HOLLOW asks for is said to be done, and is not */
	unsigned asked_hollow; /* how often */
	bool no_audit;	       /* with policy: the audit's key there is not one */
	const char *policy;    /* what the next fixture_start() finds in the store, or NULL */
};

/* IN_RAM: below the view is a tmpfs; ON_EXT4: an ext4 of 64 MiB in an image there */
enum how { CACHED = 0, STRICT = 1, NO_SESSION = 2, IN_RAM = 4, FSYNC_SAVES = 8, ON_EXT4 = 20 };

/* fixture_start - mount a view; fails the test when it cannot. @how: enum how, or'ed */
void fixture_start(struct view_fixture *f, int how);

/* fixture_stop - end everything that is left, by pid, and unmount; works in every state */
void fixture_stop(struct view_fixture *f);

/* fixture_add - register a leader and wait until the view knows it */
void fixture_add(struct view_fixture *f, pid_t leader);

/* fixture_send - a request without arguments */
void fixture_send(struct view_fixture *f, uint32_t op);

/* fixture_wait - the next message with that operation, others are passed over. Returns its err. */
int fixture_wait(struct view_fixture *f, uint32_t op);

/* fixture_policy - put a policy in force, as the keeper does. Returns 0 or -errno of the view. */
int fixture_policy(struct view_fixture *f, const char *text);

/* fixture_lock - VIEW_LOCK, VIEW_LOCKED, and the end of the process. Returns its exit status. */
int fixture_lock(struct view_fixture *f);

enum role {
	MEMBER,	      /* the owner, in the session */
	OUTSIDER,     /* the owner, adopted by init: in no session */
	ROOT_OUTSIDE, /* root, in no session */
};

/*
 * as - run @fn in a process of that role
 * @arg: of the fixture's kind, shared by fork
 * Returns what @fn returns (0 or -errno), -ECHILD when a signal ended it: as -1000 - signal.
 */
int as(enum role role, int (*fn)(void *arg), void *arg);

/* child_start - the same, not waited for. @ret_done: read end of a pipe that gets the result. */
pid_t child_start(enum role role, int (*fn)(void *arg), void *arg, int *ret_done);
int child_result(int done);

/* path_in - "<mnt>/<name>", valid until the next call but three */
const char *path_in(const struct view_fixture *f, const char *name);
const char *path_below(const struct view_fixture *f, const char *name);

/* Returns 0 or -errno. */
int write_file(const char *path, const char *text);

/* Returns 0 when the file holds exactly @text, -EILSEQ when not, or -errno. */
int check_file(const char *path, const char *text);

int become_owner(void);

#endif
