#include "enclave/base/fd.h"

#include <fcntl.h>
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
