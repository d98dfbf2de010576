#include "tazfs/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "enclave/base/fd.h"

struct dir {
	pthread_mutex_t lock; /* guards what follows: a descriptor may be read by two processes */
	DIR *dp;
	off_t at;
	struct dirent *left; /* read, but did not fit */
};

int dir_open(int pathfd, struct dir **ret)
{
	autoclose int fd = openat(pathfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dir *d;

	if (fd < 0)
		return -errno;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->dp = fdopendir(fd);
	if (!d->dp) {
		free(d);
		return -errno;
	}
	take_fd(&fd);
	pthread_mutex_init(&d->lock, NULL);
	*ret = d;
	return 0;
}

void dir_close(struct dir *d)
{
	closedir(d->dp);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static int next_entry(struct dir *d)
{
	if (d->left)
		return 0;
	errno = 0;
	d->left = readdir(d->dp);
	return d->left ? 0 : -errno;
}

static ssize_t fill(struct dir *d, char *buf, size_t size, dir_put_t *put, void *arg)
{
	size_t used = 0;

	for (;;) {
		int r = next_entry(d);
		struct stat st = { 0 };
		size_t n;

		/* What has been put counts; the error comes again with the next call. */
		if (r < 0 && !used)
			return r;
		if (r < 0 || !d->left)
			return (ssize_t)used;
		st.st_ino = d->left->d_ino;
		st.st_mode = DTTOIF(d->left->d_type);
		n = put(arg, buf + used, size - used, d->left->d_name, &st, d->left->d_off);
		if (n > size - used)
			return (ssize_t)used;
		used += n;
		d->at = d->left->d_off;
		d->left = NULL;
	}
}

ssize_t dir_read(struct dir *d, off_t at, char *buf, size_t size, dir_put_t *put, void *arg)
{
	ssize_t n;

	pthread_mutex_lock(&d->lock);
	if (at != d->at) {
		seekdir(d->dp, at);
		d->left = NULL;
		d->at = at;
	}
	n = fill(d, buf, size, put, arg);
	pthread_mutex_unlock(&d->lock);
	return n;
}

int dir_sync(struct dir *d)
{
	return fsync(dirfd(d->dp)) < 0 ? -errno : 0;
}
