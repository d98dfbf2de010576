/*
 * kernel - what is left of an unlocked vault, read from the kernel itself
 *
 * Nothing of the project's own code looks here: a check must not share the fault of what it checks.
 */
#ifndef TAZ_TESTS_FAULTS_KERNEL_H
#define TAZ_TESTS_FAULTS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * kernel_left - the first thing that is left, as text; NULL when there is none
 * @mounts: a view's mount counts too, in any mount namespace. After the death of the keeper a dead
 *          one stays until the next keeper comes (in a workshop the container ends with it)
 *
 * Looked for: a mapping, a loop device, a key of ours, a process of the view or a worker with a
 * job.
 */
const char *kernel_left(bool mounts);

/* kernel_door_answers - can the mount point be looked at, and is it no FUSE file system? */
bool kernel_door_answers(const char *door);

#endif
