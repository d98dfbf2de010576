/*
 * conf_file - secrets.conf on the disk: a regular file of a bounded size, or nothing
 *
 * A workspace may hold a link, a FIFO or a device of that name. So the name is opened with O_PATH,
 * which starts nothing, and only a regular file is opened for reading.
 */
#ifndef TAZ_ENCLAVE_CONF_FILE_H
#define TAZ_ENCLAVE_CONF_FILE_H

#include "enclave/conf.h"

#define CONF_FILE_DEFAULT "/workspace/secrets.conf"

struct conf_file {
	struct conf *conf;
	int dirfd; /* the directory it is in: commands run there */
	char *dir; /* its path, without links */
};

#define CONF_FILE_NONE          \
	{                       \
		.dirfd = -EBADF \
	}

/*
 * conf_file_load - read and parse; says by itself what is wrong: file, line, what to do
 * @path: NULL for CONF_FILE_DEFAULT; its last part may not be a link
 * @ret: to be ended with conf_file_done()
 * Returns 0 or -errno.
 */
int conf_file_load(const char *path, struct conf_file *ret);
void conf_file_done(struct conf_file *f);

/*
 * conf_file_select - the entries that are meant
 * @names, @n: of the command line; none means all that pass @wanted (NULL: all)
 * @ret: an array of conf's entries, ended by NULL, to be freed; each once, in the file's order
 * Returns 0, or -ENOENT (said) when there is no entry of such a name, or -ENOMEM.
 */
int conf_file_select(const struct conf_file *f, char *const names[], int n,
		     bool (*wanted)(const struct entry *), const struct entry ***ret);

#endif
