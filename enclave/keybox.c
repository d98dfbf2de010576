#include "enclave/keybox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/secret.h"

#define KEYBOX_BYTES 4096

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447 /* x86_64 and arm64, 5.14; glibc 2.36 has no name for it */
#endif

int keybox_new(void)
{
	autoclose int fd = syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd < 0)
		fd = memfd_create("taz-keybox", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, KEYBOX_BYTES) < 0)
		return -errno;
	return take_fd(&fd);
}

static bool is_secret(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == SECRETMEM_MAGIC;
}

struct keybox *keybox_map(int fd)
{
	void *p = mmap(NULL, KEYBOX_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* memfd_secret is locked by itself, and cannot be locked again: mlock(2) touches the pages
	 * on the kernel's behalf, which is what that memory refuses. */
	if (is_secret(fd) || mlock(p, KEYBOX_BYTES) == 0) {
		madvise(p, KEYBOX_BYTES, MADV_DONTDUMP);
		madvise(p, KEYBOX_BYTES, MADV_DONTFORK); /* a child has no business with it */
		return p;
	}
	munmap(p, KEYBOX_BYTES);
	errno = ENOMEM;
	return NULL;
}

void keybox_unmap(struct keybox *box)
{
	if (box)
		munmap(box, KEYBOX_BYTES);
}

void keybox_wipe(struct keybox *box)
{
	secret_wipe(box, sizeof(*box));
}
