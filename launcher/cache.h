/*
 * cache - where the launcher keeps what it can make or fetch again
 */
#ifndef TAZ_LAUNCHER_CACHE_H
#define TAZ_LAUNCHER_CACHE_H

/* cache_dir - $TAZ_CACHE, or /var/cache/taz. Borrowed, never NULL; it need not be there. */
const char *cache_dir(void);

#endif
