/*
 * dm - one private device-mapper device that cannot outlive its users
 *
 * The order makes it so: the device is created with an error target, opened, and marked for
 * deferred removal; only then is a table with a key put in its place. From the first instant at
 * which a key is in the kernel, the last close (our death included) removes the device and the key.
 *
 * No udev: nobody in a container answers its cookies, and the host's rules must not touch it.
 * Source: libdevmapper.h; drivers/md/dm-ioctl.c (DM_DEFERRED_REMOVE); dm-crypt of the kernel's
 * Documentation/admin-guide/device-mapper.
 */
#ifndef TAZ_ENCLAVE_DM_H
#define TAZ_ENCLAVE_DM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DM_NAME_MAX 96

/*
 * dm_create_doomed - a device that only fails, open, already marked for deferred removal
 * @name: global on the host: "taz-<instance>-<random>"
 * @sectors: its length in 512-byte sectors
 * @nodes: as for loop_attach()
 * @ret_dev: its number
 * Returns a descriptor of it, or -errno (-EEXIST, -ENODEV without device-mapper).
 */
int dm_create_doomed(const char *name, uint64_t sectors, int nodes, dev_t *ret_dev);

/*
 * dm_load - put another target in the place of the one that is there, and start it
 * @sectors: its length in 512-byte sectors
 * Returns 0 or -errno.
 */
int dm_load(const char *name, uint64_t sectors, const char *target, const char *params);

/*
 * dm_replace - put a target without parameters over the whole length of the live table
 * @target: "error": every read and write fails; "zero": reads give zeros, writes go nowhere
 *
 * The old table is destroyed before this returns, and with a crypt target its key. Nothing is
 * flushed and no file system is asked to hold still, so neither a frozen nor a busy one can stop
 * it; it waits only for the I/O that the old table is doing. Where that, or somebody else's suspend
 * of the device, may take long, call it in a process that can be left behind.
 *
 * Returns 0, -ENXIO when there is no such device, -ENODATA when it has no table, or -errno.
 */
int dm_replace(const char *name, const char *target);

/*
 * dm_replace_still - the same, but the file system on it is made to hold still first
 *
 * So what lies below the old table is as after an unmount, with an empty journal. Waits for every
 * write that is under way there: only in a process that can be left behind. One call into the
 * kernel does it, so that nothing stays suspended when that process is killed.
 */
int dm_replace_still(const char *name, const char *target);

struct dm_look {
	dev_t dev;
	unsigned open_count; /* block devices, mounts and descriptors that use it */
	bool suspended;	     /* by somebody: I/O waits */
	uint64_t sectors;    /* of the live table; 0 without one */
	bool inactive;	 /* a second table is loaded and waits for a resume: it may hold a key */
	char target[16]; /* "crypt" when it has such a target, else its last one's type, or "" */
};

/* dm_look - what is there under that name. 0, -ENXIO when nothing is, or -errno. Never blocks. */
int dm_look(const char *name, struct dm_look *ret);

/* dm_resume - end somebody's suspend; may block as dm_replace() may. 0 or -errno. */
int dm_resume(const char *name);

/* dm_open - open a device by number. @nodes: as for loop_attach(). Returns a descriptor or -errno.
 */
int dm_open(int nodes, dev_t dev);

/* dm_each - call @each for every device of this kernel. 0 or -errno. */
int dm_each(void (*each)(const char *name, void *arg), void *arg);

/* dm_forget_control - close what the library keeps open: before a fork's child closes all it has */
void dm_forget_control(void);

/* dm_exists - 1, 0, or -errno when device-mapper cannot be asked */
int dm_exists(const char *name);

/*
 * dm_remove - remove a device of ours that nobody uses, with a table or without
 * Only for a name that this process made: what a worker left that died between create and defer.
 * Returns 0 (also when it is not there), -EBUSY, or -errno.
 */
int dm_remove(const char *name);

#endif
