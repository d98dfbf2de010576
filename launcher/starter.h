/*
 * starter - the files with which a workspace begins: taz.conf, secrets.conf, lines of .gitignore
 *
 * Every line of taz.conf and secrets.conf is a comment: nothing is decided for anybody, and a file
 * that was cut short by a full disk or a kill means the same. Nothing that is there is replaced.
 *
 * The directory may be somebody else's, and we may be root: no link is followed, and a file that
 * has a second name is not written into.
 */
#ifndef TAZ_LAUNCHER_STARTER_H
#define TAZ_LAUNCHER_STARTER_H

#include <stdbool.h>
#include <stddef.h>

struct starter_file {
	const char *name;
	const char *text;
	bool merged; /* its lines are added to a file that is there already */
};

extern const struct starter_file starter_files[];
extern const size_t starter_n_files;

#define STARTER_MERGE_MAX 65536 /* bytes of a file to which lines are added */

/*
 * starter_write - make the file in @dir, or add the lines that it lacks
 * A new file belongs to the directory's owner when we are root, and has mode 0644 but for the
 * umask.
 *
 * Returns how many lines were written; 0: it is there already, whatever it is, and is as it was; or
 *   -ELOOP   a merged one is a link
 *   -EMLINK  a merged one has a second name
 *   -EINVAL  a merged one is no regular file, or holds a zero byte
 *   -E2BIG   a merged one is longer than STARTER_MERGE_MAX
 *   -EAGAIN  somebody else is just adding lines
 *   -errno   from openat(2), fchown(2), write(2); a file that we made is gone again,
 *            and one that was there is as it was
 */
int starter_write(int dir, const struct starter_file *file);

#endif
