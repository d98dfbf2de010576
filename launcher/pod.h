/*
 * pod - what an engine does for a container of ours, and a cluster leaves to the first process
 *
 * A volume of a cluster comes as its maker left it: root's or open to all, empty or not. A
 * container may be started again over what the one before has left, and root in that one may have
 * left anything. So each folder is opened once, is no link, and is changed by its descriptor.
 * Nothing else runs in the container yet.
 */
#ifndef TAZ_LAUNCHER_POD_H
#define TAZ_LAUNCHER_POD_H

#include <sys/types.h>

#define POD_INSTANCE_MAX 64
#define POD_SOURCE	 "taz" /* how /proc/mounts calls what pod_cover() has mounted */

/*
 * pod_prepare - all of the below: /run, /run/taz-host, /tmp, /var/lib/taz and /workspace
 * @user: whose an empty /workspace becomes
 * Returns 0 or -errno after saying why.
 */
int pod_prepare(const char *user);

/*
 * pod_instance - NAME and 16 random digits: the kernel's names are global on a node
 * @name: workshop_name_ok()
 * Returns 0 or -EINVAL.
 */
int pod_instance(const char *name, char buf[POD_INSTANCE_MAX]);

/*
 * pod_cover - an empty file system in memory over a folder: nothing in it reaches the node's disk,
 * and nothing is left of what was in it before
 * @mode: "755" or "1777"; root's
 * Returns 0, -ELOOP or -ENOTDIR when it is no folder, or -errno of open(2), mount(2).
 */
int pod_cover(const char *path, const char *mode);

/*
 * pod_take - the root of a volume becomes root's alone, 0700
 * Returns 0, -ENODEV when no volume is mounted there, or -errno as above, or of fchown(2),
 * fchmod(2).
 */
int pod_take(const char *path);

/*
 * pod_give - a new volume becomes a user's
 * Only root's, and only an empty one: a lost+found of root's that mkfs has made does not count.
 * Returns 1 when it did, 0 when there was nothing to do, or -errno.
 */
int pod_give(const char *path, uid_t uid, gid_t gid);

#endif
