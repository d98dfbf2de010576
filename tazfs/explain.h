/* explain - in words: what a process may do, by which rule, and what is known of it */
#ifndef TAZ_TAZFS_EXPLAIN_H
#define TAZ_TAZFS_EXPLAIN_H

#include "tazfs/judge.h"

/*
 * explain - whole lines into @buf; what does not fit is cut off
 * @pid: of any process; everything is read anew
 * @may: enum may; 0: only to look
 * @path: below the root
 * Returns the length.
 */
size_t explain(struct judge *j, const struct givens *givens, pid_t pid, unsigned may,
	       const char *path, char *buf, size_t size);

#endif
