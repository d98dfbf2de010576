#include "launcher/cache.h"

#include <stdlib.h>

#define CACHE_DIR "/var/cache/taz"

const char *cache_dir(void)
{
	const char *dir = getenv("TAZ_CACHE");

	return dir && *dir ? dir : CACHE_DIR;
}
