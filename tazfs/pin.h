/*
 * pin - the SHA-256 of an executable's content, remembered while the file is the same
 *
 * The same: device, inode, size, time of change of content and of the inode, to the nanosecond. A
 * file that was changed within the last two seconds is hashed each time: the kernel's clock for
 * these times has steps, in which it could be changed again unseen.
 */
#ifndef TAZ_TAZFS_PIN_H
#define TAZ_TAZFS_PIN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/facts.h"

#define PINS_MAX      32
#define PIN_BYTES_MAX (512LL * 1024 * 1024)

struct pin {
	struct file_id id; /* ino 0: the place is free */
	int64_t size, changed_ns, modified_ns;
	uint64_t used;
	unsigned char hash[FACTS_HASH_BYTES];
};

struct pins {
	pthread_mutex_t
		lock; /* guards what follows, but for the buffer: that is of whose turn it is */
	uint64_t clock;
	struct pin pins[PINS_MAX];
	unsigned char buf[65536];
};

void pins_init(struct pins *p);
void pins_done(struct pins *p);

/*
 * pin_hash - hash what a process runs, or remember it
 * @procfd: of proc_open()
 * @ret_settled: false: good for this answer only, the file has just been changed
 *
 * One at a time reads a file (slow.h); a large one takes a while.
 * Returns 0, or
 *   -EAGAIN  others have been hashing for SLOW_HASH_PATIENCE_MS
 *   -EFBIG   larger than PIN_BYTES_MAX
 *   -EBUSY   it changed while it was read
 *   -errno   from open(2) (-EACCES: the kernel does not show it, or it is not readable), read(2)
 */
int pin_hash(struct pins *p, int procfd, unsigned char hash[FACTS_HASH_BYTES], bool *ret_settled);

#endif
