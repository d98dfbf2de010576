/* dir - an open directory of the store */
#ifndef TAZ_TAZFS_DIR_H
#define TAZ_TAZFS_DIR_H

#include <sys/stat.h>
#include <sys/types.h>

struct dir;

/* dir_open - @pathfd: O_PATH, borrowed. Returns 0 or -errno of open(2), fdopendir(3). */
int dir_open(int pathfd, struct dir **ret);
void dir_close(struct dir *d);

/* dir_put_t - puts one entry at @at. Returns the bytes that it takes, more than @room: no room. */
typedef size_t dir_put_t(void *arg, char *at, size_t room, const char *name, const struct stat *st,
			 off_t next);

/*
 * dir_read - put as many entries into @buf as fit
 * @at: 0, or the "next" of the entry before
 * Returns the bytes filled, 0 at the end, or -errno of readdir(3).
 */
ssize_t dir_read(struct dir *d, off_t at, char *buf, size_t size, dir_put_t *put, void *arg);

/* dir_sync - fsync(2). Returns 0 or -errno. */
int dir_sync(struct dir *d);

#endif
