/*
 * scrub - lock the view: after it nothing of the store is served, and none of it is left in the
 * kernel's page cache above us
 *
 * The order matters; scrub.c says why.
 */
#ifndef TAZ_TAZFS_SCRUB_H
#define TAZ_TAZFS_SCRUB_H

#include <stdbool.h>

#include "tazfs/view.h"

/* Whatever anybody does to us, the process ends after this. */
#define SCRUB_LIMIT_MS 5000U

/*
 * scrub - close, bring home, wipe, sync
 * @bring_home: write back what is dirty above us, waiting for at most a second
 *
 * Must not be called by a worker. Returns 0, or the first error (-errno) of wiping or of the last
 * sync; the view is closed in any case.
 */
int scrub(struct view *v, bool bring_home);

#endif
