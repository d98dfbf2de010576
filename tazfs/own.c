#include "tazfs/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "tazfs/store.h"
#include "tazfs/view.h"

#define NAME_SIZE 64

static int open_folder(int rootfd)
{
	int fd = openat(rootfd, VIEW_OWN_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int own_folder(int rootfd)
{
	if (mkdirat(rootfd, VIEW_OWN_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	return open_folder(rootfd);
}

ssize_t own_read(int rootfd, const char *name, char *buf, size_t size)
{
	struct store_file f = { .fd = -EBADF };
	autoclose int folder = open_folder(rootfd), path = -EBADF;
	const char *data;
	ssize_t n;
	int r;

	if (folder < 0)
		return folder;
	path = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (path < 0)
		return -errno;
	r = store_open(path, O_RDONLY, &f);
	if (r < 0)
		return r;
	n = store_read(&f, STORE_IO_MAX, 0, &data);
	while (n > 0 && data[n - 1] == '\n')
		n--;
	if (n > (ssize_t)size)
		n = -EFBIG;
	if (n > 0)
		memcpy(buf, data, n);
	store_wipe();
	store_close(&f);
	return n;
}

static int write_padded(const struct store_file *f, const char *text, size_t size)
{
	size_t whole = (size + STORE_ALIGN) & ~(STORE_ALIGN - 1);
	autofree char *padded = malloc(whole);
	int r;

	if (!padded)
		return -ENOMEM;
	memset(padded, '\n', whole);
	memcpy(padded, text, size);
	r = store_write(f, padded, whole, 0, NULL);
	store_wipe();
	return r == 0 && fsync(f->fd) < 0 ? -errno : r;
}

int own_write(int rootfd, const char *name, const char *text, size_t size)
{
	autoclose int folder = own_folder(rootfd);
	struct store_file f;
	char new_name[NAME_SIZE];
	int r;

	if (folder < 0)
		return folder;
	if (size > STORE_IO_MAX - STORE_ALIGN)
		return -EFBIG;
	snprintf(new_name, sizeof(new_name), "%s.new", name);
	r = store_create(folder, new_name, O_WRONLY | O_TRUNC, 0600, &f);
	if (r < 0)
		return r;
	r = write_padded(&f, text, size);
	store_close(&f);
	if (r == 0 && renameat(folder, new_name, folder, name) < 0)
		r = -errno;
	if (r == 0 && fsync(folder) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, new_name, 0);
	return r;
}
