/*
 * link - the main thread: listens to the keeper, or with --source to signals, until the end
 */
#ifndef TAZ_TAZFS_LINK_H
#define TAZ_TAZFS_LINK_H

#include "tazfs/view.h"

/*
 * link_keeper - say VIEW_READY, then serve the keeper's channel
 * @ended: of fs_start()
 *
 * Does not return after VIEW_LOCK (the process ends, status 0 when all went well) or when the
 * keeper's end closes (the caches are wiped, status 1). Returns -ENOTCONN when the mount is gone,
 * or -EBADMSG when the keeper sent what proto.h does not know.
 */
int link_keeper(struct view *v, int ended);

/*
 * link_signals - wait for SIGTERM or SIGINT, then scrub
 * Both must be blocked in every thread. Returns the result of scrub(), or 0 when the mount is gone.
 */
int link_signals(struct view *v, int ended);

#endif
