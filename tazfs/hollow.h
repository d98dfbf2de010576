/*
 * hollow - after the scrub: overwrite what the page cache of the store still holds of our files
 *
 * That cache belongs to a file system, so what is written to it reaches the disk. Therefore the
 * keeper first takes the key away: it replaces the store's device by one that reads as zeros and
 * takes writes nowhere (VIEW_HOLLOW). Only when a place that was not zero a moment ago reads as
 * zeros is anything overwritten: nothing that went wrong on the way can cost data.
 */
#ifndef TAZ_TAZFS_HOLLOW_H
#define TAZ_TAZFS_HOLLOW_H

#include "tazfs/view.h"

#define HOLLOW_MS 800 /* how long the keeper may take */

/*
 * hollow - the store must be synced, and nobody may be served any more
 * @ask: make the device hollow; 0 when it is, or -errno; not called when nothing has to be
 * overwritten
 *
 * Returns 0, the error of @ask, -EIO when the device is not hollow in spite of it (nothing was
 * overwritten), or the first -errno of overwriting.
 */
int hollow(struct view *v, int (*ask)(struct view *v));

#endif
