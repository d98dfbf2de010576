/*
 * workshop - one workshop's folder on the host: its name, its lock, what it was started with
 *
 *	STATE/NAME/		0700 root
 *		vault/		the sealed vault, /var/lib/taz inside
 *		run/		the agent's socket or the guest's ports
 *		work/		an empty workspace, when there is no better one
 *		workshop	what `up` chose, "key=value" lines, written atomically
 *		lock		flock(2): one up or down at a time
 */
#ifndef TAZ_LAUNCHER_WORKSHOP_H
#define TAZ_LAUNCHER_WORKSHOP_H

#include <limits.h>
#include <stdbool.h>

#include "launcher/binds.h"
#include "launcher/engine.h"

#define WORKSHOP_NAME_MAX 32

/* What is written down at `up`, and read by every later command. */
struct record {
	char engine[16];
	char image[128];
	char instance[64];
	char workspace[PATH_MAX];
	char mounts[BINDS_TEXT]; /* as binds_parse() has them; "" for none */
	char rights[16];	 /* RIGHTS_*, or "" in one of an older version */
};

/* What a workshop has of this host: all of it, what it needs, or nothing (a machine of its own). */
#define RIGHTS_ALL   "privileged"
#define RIGHTS_LEAST "least"
#define RIGHTS_NONE  "none"

/* workshop_name_ok - [a-z0-9][a-z0-9-]*, at most WORKSHOP_NAME_MAX bytes */
bool workshop_name_ok(const char *name);

/*
 * workshop_state_dir - the folder of a workshop: $TAZ_STATE or /var/lib/taz, and its name
 * Returns 0 or -ENAMETOOLONG, -EINVAL for a relative TAZ_STATE.
 */
int workshop_state_dir(const char *name, char *buf, size_t size);

/*
 * workshop_through_dir - the folder for what is known of a workshop that is elsewhere (--through)
 * For root .through/NAME beside this host's workshops; for others in $TAZ_STATE, or taz in
 * $XDG_STATE_HOME or ~/.local/state. Returns 0, -ENAMETOOLONG, -ENOENT without any, or -EINVAL:
 * relative.
 */
int workshop_through_dir(const char *name, char *buf, size_t size);

/* workshop_make_through_dir - make it. Returns 0, -EACCES when it is not ours, or -errno. */
int workshop_make_through_dir(const char *dir);

/* workshop_make_dirs - make what is missing, 0700. Returns 0, -EACCES when one is not root's, or
 * -errno. */
int workshop_make_dirs(const char *state_dir);

/*
 * workshop_lock - wait until we are the only one who starts or stops it
 * Returns a descriptor (closing it lets go), -ENOENT when there is no such folder, or no longer
 * when it was our turn, or -errno.
 */
int workshop_lock(const char *state_dir);

/* workshop_exists - there is its folder, or what an interrupted workshop_remove() has left of it */
bool workshop_exists(const char *state_dir);

/*
 * workshop_remove - remove the folder and all that is in it, the vault among it
 * The caller holds its lock, and knows that it is down. It loses its name first: who waits for the
 * lock makes a new one. What is mounted in it stays, and so does the folder then, as NAME.removed.
 * Returns 0, -ENOENT, or -errno of the first thing that did not go; the next call goes on with it.
 */
int workshop_remove(const char *state_dir);

/*
 * record_parse - the text of the file "workshop"
 * Returns 0 or -EBADMSG: a line without '=', an unknown or a missing key, a value too long.
 */
int record_parse(const char *text, struct record *ret);

/* record_load - Returns 0, -ENOENT when it was never up, -EBADMSG, or -errno. */
int record_load(const char *state_dir, struct record *ret);

/* record_save - written whole or not at all. Returns 0, -EINVAL for a line's end in a value, or
 * -errno. */
int record_save(const char *state_dir, const struct record *rec);

/*
 * workspace_refused - why a directory may not be the workspace
 * @cwd: as getcwd(3) has it
 * @own: what root runs on this host: paths of taz's programs and sources; ended by NULL
 *
 * What is in the workspace can be written from inside the workshop. With taz itself in it, whoever
 * is inside would be root outside, at the next start. One that is not there is passed over.
 * Returns the reason, or NULL when it may.
 */
const char *workspace_refused(const char *cwd, const char *const own[]);

/*
 * workshop_around - another workshop that is up, in whose workspace or mounts a directory lies
 * @state_dir: of the workshop that is asked for; those beside it are looked at
 * @cwd: as getcwd(3) has it
 * @is_up: 1, 0 or -errno, for a name, its folder and its record
 * @ret_name: of the one that was found, or could not be asked
 *
 * Whoever is inside that one can put a link in the place of @cwd, or of a directory above it,
 * between our look and the engine's: the new workspace would be any directory of the host. Of the
 * workspace itself he can't. A mount that is read-only counts, too: root of a container can mount
 * it anew. Returns 1, 0 when there is none, or -errno of opendir(3), readdir(3), record_load(),
 * @is_up.
 */
typedef int workshop_is_up_t(const char *name, const char *dir, const struct record *rec);
int workshop_around(const char *state_dir, const char *cwd, workshop_is_up_t *is_up,
		    char ret_name[WORKSHOP_NAME_MAX + 1]);

/*
 * workspace_inside - where a host directory is seen inside
 * Returns 0, or -ENOENT when it is not in the workspace: @buf is then "/workspace".
 */
int workspace_inside(const char *workspace, const char *cwd, char *buf, size_t size);

#endif
