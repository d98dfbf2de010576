/*
 * mounts - where file systems of ours are mounted, in this and in every other mount namespace
 *
 * A namespace that was made while the view was mounted (unshare -m, a container, a chroot with
 * rbind) has a copy of that mount, which no unmount in our namespace reaches.
 *
 * Source: mount_namespaces(7), setns(2), proc_pid_mountinfo(5); the kernel's fs/nsfs.c
 * (NS_MNT_GET_NEXT, since 6.12, which also finds namespaces that no process lives in).
 */
#ifndef TAZ_ENCLAVE_MOUNTS_H
#define TAZ_ENCLAVE_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* mounts_have - is a mount of that id in our mount namespace? True when it cannot be told. */
bool mounts_have(int id);

/* mounts_detach_stale - detach views at @path whose daemon is dead, left by a killed keeper */
void mounts_detach_stale(const char *path);

struct mounts_left {
	uint64_t ns; /* inode of the namespace; 0: ours */
	pid_t pid;   /* somebody who lives in it; 0: nobody that /proc shows */
	char at[64]; /* the path there, as far as it fits */
};

#define MOUNTS_LEFT 8

struct mounts_result {
	unsigned detached;
	unsigned n_left; /* could not be detached: covered by another mount, or locked together with
			  * its parent in a namespace of lesser rights (mount_namespaces(7)) */
	bool more_left;
	struct mounts_left left[MOUNTS_LEFT];
	/* For somebody who looks on through shared memory: where we are now, 0 for nowhere. */
	uint64_t in_ns;
	pid_t in_pid;
};

/*
 * mounts_detach_everywhere - detach every mount of these file systems in every namespace
 * @devs, @n: device numbers of the file systems, as in mountinfo; 0 matches nothing
 *
 * Goes round until a whole round finds nothing to detach, so that a copy that is made meanwhile is
 * found, too. Enters namespaces, and may block on a path of theirs: call it in a process that can
 * be left behind. The caller ends up in its own namespace again, at its root directory.
 *
 * Returns 0, or -errno when the namespaces cannot be listed.
 */
int mounts_detach_everywhere(const dev_t *devs, size_t n, struct mounts_result *ret);

#endif
