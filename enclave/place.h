/*
 * place - files of the vault by their path in it, reached without following anything
 *
 * Every step goes from a descriptor of ~/secrets with openat2(2): no symbolic link, no "..", no way
 * out, no other mount. And only while the view is there: a plain directory at ~/secrets, as in an
 * image that was never unlocked, is refused, because what is written there would be plaintext.
 *
 * Source: openat2(2) RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV.
 */
#ifndef TAZ_ENCLAVE_PLACE_H
#define TAZ_ENCLAVE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PLACE_DIR "secrets" /* below the home directory */
#define PLACE_OWN ".taz"    /* our own directory in the vault: no entry may name it */

/*
 * place_open - the vault's root directory
 * @home: of its owner, absolute
 *
 * Returns a descriptor, owned by the caller, or
 *   -EACCES   it is locked, or this process is in no session
 *   -ENOTCONN there is a directory, but it is not the vault's view
 *   -errno    from open(2)
 */
int place_open(const char *home);

/* place_why - what to do about an error of place_open(), one sentence; NULL when errno says it */
const char *place_why(int err);

/*
 * place_dir - a directory below @root
 * @path: relative, "" for @root itself
 * @make: make what is missing, mode 0700
 *
 * Returns a descriptor (O_RDONLY), owned by the caller, or -errno: -ENOENT, -ENOTDIR,
 * -ELOOP for a symbolic link, -EXDEV for a way out.
 */
int place_dir(int root, const char *path, bool make);

/* place_parent - the directory that holds @path, as place_dir(); @ret_name: its last part, borrowed
 * from @path */
int place_parent(int root, const char *path, bool make, const char **ret_name);

/* place_file - open a regular file for reading. A descriptor, or -errno; -EISDIR, -ELOOP, ... */
int place_file(int root, const char *path);

#endif
