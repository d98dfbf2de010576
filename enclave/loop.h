/*
 * loop - a loop device that the kernel detaches by itself when its last user is gone
 *
 * Source: loop(4); linux/loop.h; drivers/block/loop.c (LO_FLAGS_AUTOCLEAR, LOOP_CONFIGURE).
 */
#ifndef TAZ_ENCLAVE_LOOP_H
#define TAZ_ENCLAVE_LOOP_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * loop_attach - put a loop device over an image
 * @image: the image file, borrowed; the device holds its own reference
 * @nodes: directory on a file system of ours that allows device nodes; the node is made there,
 *         opened and unlinked again, so that no path leads to the device
 * @label: what losetup shows as the back file
 * @ret_dev: the device's number
 *
 * Returns a descriptor of the device: it is there until the last one is closed; or
 *   -ENOENT  no /dev/loop-control ("tazlaunch first-process" makes it) or no loop driver
 *   -errno   from the ioctls
 */
int loop_attach(int image, int nodes, const char *label, dev_t *ret_dev);

/* loop_is_bound - does this device have a back file? (sysfs: /sys/dev/block/MAJ:MIN/loop) */
bool loop_is_bound(dev_t dev);

#endif
