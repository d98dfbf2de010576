/* watch - "tazfs watch" on its terminal: one loop over keys, signals, and what children tell */
#ifndef TAZ_TAZFS_WATCH_H
#define TAZ_TAZFS_WATCH_H

#include "tazfs/audit_print.h"

/*
 * watch - take the terminal that is standard input and output, until somebody quits
 * @log: where the log is (HOME is taken away, so with its @dir), and from when on; @filter.denied
 *       is only how it begins
 *
 * Says what went wrong. Returns an exit code; a signal that ends it ends the process, with the
 * terminal as it was.
 */
int watch(const struct audit_print *log);

#endif
