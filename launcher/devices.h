/*
 * devices - the nodes the stack needs, made from the kernel's own numbers
 *
 * A container's /dev is a fresh tmpfs without loop, device-mapper or fuse, and misc minors are
 * dynamic: nothing here is hard-coded.
 * Source: proc(5) /proc/misc, /proc/devices; mknod(2).
 */
#ifndef TAZ_LAUNCHER_DEVICES_H
#define TAZ_LAUNCHER_DEVICES_H

#include <stddef.h>
#include <sys/types.h>

#include "launcher/argv.h"

/*
 * devices_misc_minor - find a device in the text of /proc/misc
 * Returns its minor, or -ENOENT when the kernel does not have it (module not loaded).
 */
int devices_misc_minor(const char *text, const char *name);

/*
 * devices_block_major - find a driver in the text of /proc/devices, block part
 * Returns its major, or -ENOENT.
 */
int devices_block_major(const char *text, const char *name);

/*
 * devices_make_node - have exactly this node at a path
 * @dirfd, @path: its folder exists
 * @mode: S_IFCHR or S_IFBLK and permissions
 *
 * A node of the right type and number is kept (its mode is set); anything else is replaced, but
 * never a directory. Returns 0 or -errno of mknodat(2), unlinkat(2), fchmodat(2).
 */
int devices_make_node(int dirfd, const char *path, mode_t mode, dev_t dev);

/*
 * devices_make_all - every node of the table below @dev_path ("/dev")
 * @missing: on -ENODEV one sentence: which module to load, on which machine
 *
 * Returns 0, -ENODEV, or -errno of the file that could not be read or made.
 */
int devices_make_all(const char *dev_path, char *missing, size_t size);

/*
 * devices_kernel_has - does this kernel have everything of the table? For a look before a start.
 * Returns 1, or 0 with the same sentence in @missing, or -errno of /proc.
 */
int devices_kernel_has(char *missing, size_t size);

/*
 * devices_add_rules_of - what a container's device cgroup must let it use: one word of "run" each
 * @misc, @devices: the texts of /proc/misc and /proc/devices
 *
 * A loop's and a mapping's minor is not known before: their rules are for all of that kind.
 * Returns 0, or -ENODEV when the kernel lacks one.
 * Source: docker-run(1) --device-cgroup-rule; the kernel's admin-guide/cgroup-v1/devices.rst.
 */
int devices_add_rules_of(struct argv *a, const char *misc, const char *devices);

/* devices_add_rules - the same for this kernel; also -errno of /proc */
int devices_add_rules(struct argv *a);

#endif
