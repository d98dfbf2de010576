/*
 * slow - readings that somebody else can delay: one at a time, in a thread that shares nothing
 *
 * What lies in the memory of a process (arguments, environment) is read under its memory's lock,
 * and what belongs to one that is just executing another program under the lock of that; both can
 * be held while the kernel waits for an answer of this very view. Paths, and executables, can lead
 * into the view itself, or to a file system that does not answer. So at most one of its workers is
 * ever waiting for such a reading: the others go on serving, which lets it go on, too.
 *
 * And none is inside one. Who waits for the answer to a request that a worker has read cannot be
 * killed; if it shared the workers' table of descriptors it would hold /dev/fuse open, so that the
 * request would never be answered, and a view that was killed would stay, with all that it has in
 * memory. A reading has a table of its own (fd_keep_only()), for some 50 us.
 */
#ifndef TAZ_TAZFS_SLOW_H
#define TAZ_TAZFS_SLOW_H

#include <stdbool.h>

enum slow {
	SLOW_LOOK, /* milliseconds at most, unless somebody delays it */
	SLOW_HASH, /* a file is read to its end: 0.3 s for 100 MB */
	SLOW_KINDS
};

/* How long one waits for its turn. */
#define SLOW_LOOK_PATIENCE_MS 200
#define SLOW_HASH_PATIENCE_MS 3000

/*
 * slow_run - run @read when nobody else runs one of that kind, and wait for its end
 * @fd: the only descriptor that it has, borrowed; or -EBADF
 * Returns false when it was not run: somebody else has been inside for that long, or there is no
 * thread to be had. Then what was to be read is unknown for now, and is not remembered.
 */
typedef void slow_read_t(void *arg, int fd);
bool slow_run(enum slow kind, slow_read_t *read, void *arg, int fd);

#endif
