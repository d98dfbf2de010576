/*
 * shortlife - let a library that copies what it is given see a secret, and leave nothing behind
 *
 * The function runs in a forked child that cannot be dumped, traced or swapped (where the limits
 * let it lock its memory), and whose last act, before it ends, is to overwrite every byte it could
 * write: heap, stack and the libraries' own data. What remains is what it has written to a
 * descriptor, and what a SIGKILL in the middle leaves in freed pages.
 */
#ifndef TAZ_BASE_SHORTLIFE_H
#define TAZ_BASE_SHORTLIFE_H

/*
 * shortlife_run - run @fn in such a child and wait for it
 * @fn: returns 0 to 100; it must flush what it prints with stdio
 * For a program of one thread. Returns what @fn did, 128 + N when signal N ended it, or -errno.
 */
int shortlife_run(int (*fn)(void *arg), void *arg);

#endif
