/*
 * session - one person's, or one command's, time with the vault
 *
 * The process that runs session_run() is the session's leader: a living child subreaper, to
 * which every daemon started below it comes back. It ends with its command; then
 * the kernel tells the keeper, through the leader's pidfd.
 */
#ifndef TAZ_ENCLAVE_SESSION_H
#define TAZ_ENCLAVE_SESSION_H

#include <sys/types.h>

struct session_user {
	char name[64];
	char home[256];
	char shell[128];
	uid_t uid;
	gid_t gid;
};

/* session_find_user - by name, or the real uid's own when @name is NULL. 0 or -errno (-ENOENT). */
int session_find_user(const char *name, struct session_user *ret);

/* session_prepare_t - run in the command's process, as @user, before the command. 0 or -errno. */
typedef int session_prepare_t(const struct session_user *user, void *arg);

/*
 * session_run - become the leader, run @argv (empty: a login shell) and end with it
 * @user: becomes the command: when we are root with the session mark (base/privs.h), and with
 *	  HOME, USER, LOGNAME and SHELL as su(1) sets them
 * @prepare, @arg: called as that user, a member of the session, before the command; when it fails
 *		   (and has said why) the command does not run and the code is 1. May be NULL.
 *
 * With a controlling terminal the command gets a foreground process group of its own. SIGHUP and
 * SIGTERM are handed on to it; what does not end within a second is killed.
 * Returns the command's exit code, 128 + N for signal N, or -errno when it could not be started.
 */
int session_run(const struct session_user *user, char *const argv[], session_prepare_t *prepare,
		void *arg);

#endif
