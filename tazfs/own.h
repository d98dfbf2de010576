/*
 * own - the view's own folder in the store: VIEW_OWN_DIR, which nobody sees in the view
 *
 * Whole blocks only, and O_DIRECT: nothing of it is ever in the store's page cache. So a text is
 * padded with line ends. Only the main thread calls these, inside the gate.
 */
#ifndef TAZ_TAZFS_OWN_H
#define TAZ_TAZFS_OWN_H

#include <stddef.h>
#include <sys/types.h>

/* own_folder - open it; it is made when there is none. Returns a descriptor or -errno. */
int own_folder(int rootfd);

/*
 * own_read - a text
 * @rootfd: of the store, borrowed
 * @name: of the file in our folder
 * Returns its length without the padding, -ENOENT when there is none, -EFBIG when it is longer than
 * @size, or -errno.
 */
ssize_t own_read(int rootfd, const char *name, char *buf, size_t size);

/*
 * own_write - put a text in the place of the old one, durably: after a crash it is one of the two
 * @size: at most STORE_IO_MAX - STORE_ALIGN
 * Returns 0 or -errno; the old one is untouched then.
 */
int own_write(int rootfd, const char *name, const char *text, size_t size);

#endif
