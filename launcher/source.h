/* source - where the images are built from */
#ifndef TAZ_LAUNCHER_SOURCE_H
#define TAZ_LAUNCHER_SOURCE_H

#include <stddef.h>

/*
 * layers_source - the folder that has images/ and our sources: $TAZ_SOURCE, or source_beside() of
 * this program; /usr/share/taz when there is neither, so that an error names where it belongs
 */
const char *layers_source(void);

/*
 * source_beside - the sources that belong to a program
 * @exe: its absolute path
 *
 * An installed program has them in ../share/taz; one in a build folder finds the checkout's path
 * beside it, in a file that meson has written and that is never installed. Either must belong to
 * root or to the owner of the program: a program may lie where others write, too.
 *
 * Returns 0, or
 *   -ENOENT        there are none, or none that may be believed
 *   -ENAMETOOLONG  the path does not fit
 *   -errno         from stat(2) of the program, or reading the file
 */
int source_beside(const char *exe, char *ret, size_t size);

#endif
