/*
 * fd - every resource has one owner, visible in its declaration
 *
 *	autoclose int fd = -EBADF;	closed when the name goes out of scope
 *	autofree char *p = NULL;	freed likewise
 *	autofclose FILE *f = NULL;
 *
 * The cleanups keep errno. take_fd() and take_ptr() hand over to a new owner.
 */
#ifndef TAZ_BASE_FD_H
#define TAZ_BASE_FD_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

void fd_closep(int *fd);
void freep(void *ptr_to_ptr);
void fclosep(FILE **f);

#define autoclose  __attribute__((cleanup(fd_closep)))
#define autofree   __attribute__((cleanup(freep)))
#define autofclose __attribute__((cleanup(fclosep)))

/* take_fd - give the descriptor away; the variable is -EBADF afterwards */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

#define take_ptr(pp)                              \
	({                                        \
		__typeof__(*(pp)) taken_ = *(pp); \
		*(pp) = NULL;                     \
		taken_;                           \
	})

/* fd_close - close once, whatever errno says, and forget. Keeps errno. */
void fd_close(int *fd);

/* fd_set_cloexec - @on 0 lets the next exec inherit @fd. Returns 0 or -errno of fcntl(2). */
int fd_set_cloexec(int fd, int on);

/*
 * fd_keep_only - give this thread a table of descriptors of its own, with nothing but @fd in it
 * @fd: -EBADF for nothing at all
 * Returns 0, or -errno of unshare(2) or close_range(2): then the table may be shared still.
 */
int fd_keep_only(int fd);

#endif
