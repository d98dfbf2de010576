/*
 * slow - readings that somebody else can delay: one at a time
 *
 * What lies in the memory of a process (arguments, environment) is read under its memory's lock,
 * and what belongs to one that is just executing another program under the lock of that; both can
 * be held while the kernel waits for an answer of this very view. Paths can lead to file systems
 * that do not answer. So at most one of the view's workers is ever inside such a reading: the
 * others go on serving, which lets it go on, too.
 */
#ifndef TAZ_TAZFS_SLOW_H
#define TAZ_TAZFS_SLOW_H

#include <stdbool.h>

#define SLOW_PATIENCE_MS 200

/* slow_enter - false: somebody else has been inside for that long. Then what was to be read is
 * unknown for now, and is not remembered. */
bool slow_enter(void);
void slow_leave(void);

#endif
