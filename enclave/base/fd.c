#include "enclave/base/fd.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

void fd_close(int *fd)
{
	int saved = errno;

	/* No retry on EINTR: Linux has closed it, and a second close() would hit someone else's. */
	if (*fd >= 0)
		close(*fd);
	*fd = -EBADF;
	errno = saved;
}

void fd_closep(int *fd)
{
	fd_close(fd);
}

void freep(void *ptr_to_ptr)
{
	int saved = errno;

	free(*(void **)ptr_to_ptr);
	errno = saved;
}

void fclosep(FILE **f)
{
	int saved = errno;

	if (*f)
		fclose(*f);
	errno = saved;
}

int fd_set_cloexec(int fd, int on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_keep_only(int fd)
{
	if (unshare(CLONE_FILES) < 0)
		return -errno;
	if (fd < 0)
		return close_range(0, ~0U, 0) < 0 ? -errno : 0;
	if (fd > 0 && close_range(0, (unsigned)fd - 1, 0) < 0)
		return -errno;
	return close_range((unsigned)fd + 1, ~0U, 0) < 0 ? -errno : 0;
}
