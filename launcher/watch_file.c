#include "launcher/watch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "launcher/workshop.h"

#define FILE_NAME ".watch-host" /* no workshop's name has a dot */

static const char *const words[] = {
	[WATCH_BEGINS] = "begins\n",
	[WATCH_LISTENS] = "listens\n",
	[WATCH_DEAF] = "deaf\n",
};

int watch_root(char *buf, size_t size)
{
	int r = workshop_state_dir("", buf, size);

	if (r == 0 && strlen(buf) > 1)
		buf[strlen(buf) - 1] = '\0';
	return r;
}

int watch_file_path(const char *root, char *buf, size_t size)
{
	return snprintf(buf, size, "%s/%s", root, FILE_NAME) < (int)size ? 0 : -ENAMETOOLONG;
}

bool watch_file_is(const char *root, int fd)
{
	char path[PATH_MAX];
	struct stat ours, now;

	return watch_file_path(root, path, sizeof(path)) == 0 && fstat(fd, &ours) == 0 &&
	       lstat(path, &now) == 0 && ours.st_dev == now.st_dev && ours.st_ino == now.st_ino;
}

static int open_ours(const char *root, int flags)
{
	char path[PATH_MAX];
	autoclose int fd = -EBADF;
	struct stat st;
	int r = watch_file_path(root, path, sizeof(path));

	if (r < 0)
		return r;
	/* A FIFO of that name is not waited for. */
	fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && st.st_uid == geteuid() ? take_fd(&fd) : -EACCES;
}

/* Not flock(2): asking for that one would have to take it, and others would find it taken.
 * Source: fcntl(2), "Open file description locks"; they end with the last descriptor. */
static int lock_op(int fd, int op)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, op, &l) < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return op == F_OFD_GETLK && l.l_type != F_UNLCK ? -EAGAIN : 0;
}

int watch_file_take(const char *root)
{
	for (;;) {
		autoclose int fd = open_ours(root, O_RDWR | O_CREAT);
		int r = fd < 0 ? fd : lock_op(fd, F_OFD_SETLK);

		if (r < 0 && r != -EAGAIN)
			return r;
		/* Else the one who had it has just left. */
		if (watch_file_is(root, fd))
			return r == 0 ? take_fd(&fd) : -EBUSY;
	}
}

void watch_file_leave(const char *root)
{
	char path[PATH_MAX];

	if (watch_file_path(root, path, sizeof(path)) == 0)
		unlink(path);
}

int watch_file_write(int fd, enum watch_state state)
{
	const char *word = words[state];
	int r = io_pwrite_full(fd, word, strlen(word), 0);

	if (r == 0 && ftruncate(fd, (off_t)strlen(word)) < 0)
		r = -errno;
	return r;
}

enum watch_state watch_file_look(const char *root)
{
	autoclose int fd = open_ours(root, O_RDONLY);
	char text[16] = "";

	if (fd < 0 || lock_op(fd, F_OFD_GETLK) != -EAGAIN ||
	    io_pread_full(fd, text, sizeof(text) - 1, 0) < 0)
		return WATCH_NONE;
	for (int i = WATCH_BEGINS; i <= WATCH_DEAF; i++)
		if (!strcmp(text, words[i]))
			return (enum watch_state)i;
	return WATCH_BEGINS;
}

void watch_file_poke(const char *root)
{
	autoclose int fd = open_ours(root, O_WRONLY);

	/* IN_ATTRIB of inotify(7) */
	if (fd >= 0)
		futimens(fd, NULL);
}
