/*
 * program - the very file that a command will run: found once, hashed, and held
 *
 * What was confirmed and what runs are the same bytes. A program that only root can change is run
 * by its path; any other one (of the workspace, of the home directory) is first copied into a
 * sealed memfd, and the copy is what is hashed and what runs: it cannot change any more.
 *
 * Source: memfd_create(2) file seals; execve(2) on /proc/self/fd.
 */
#ifndef TAZ_ENCLAVE_PROGRAM_H
#define TAZ_ENCLAVE_PROGRAM_H

#include <stdbool.h>

#include "enclave/base/hash.h"

/* Where a name without '/' is looked for: never in a directory that the caller's PATH adds. */
#define PROGRAM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct program {
	int fd;			 /* the file, or its sealed copy */
	char *path;		 /* where it was found, without links */
	char hash[HASH_HEX_MAX]; /* of its contents */
	bool copied;		 /* @fd is the copy */
};

#define PROGRAM_NONE         \
	{                    \
		.fd = -EBADF \
	}

/*
 * program_find - by name, in PROGRAM_PATH, or by a path with a '/' that begins at @dirfd
 * @ret: to be ended with program_done()
 *
 * Returns 0, or
 *   -ENOENT  no such file
 *   -EACCES  a regular file, but not executable by us
 *   -EINVAL  not a regular file
 *   -EFBIG   one that must be copied and is longer than 256 MiB
 *   -errno   from open(2), memfd_create(2), write(2)
 */
int program_find(int dirfd, const char *name, struct program *ret);
void program_done(struct program *p);

#endif
