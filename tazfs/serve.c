#include "tazfs/serve.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#ifdef __SANITIZE_ADDRESS__
#define STACK_BYTES (8UL << 20)
#else
#define STACK_BYTES (256UL * 1024)
#endif

int serve_memory(const char *text, bool *ret_strict)
{
	if (!strcmp(text, "cached"))
		*ret_strict = false;
	else if (!strcmp(text, "strict"))
		*ret_strict = true;
	else
		return -EINVAL;
	return 0;
}

void serve_prepare(void)
{
	pthread_attr_t attr;

	umask(0);
	/* All memory is locked: an arena and 8 MiB of stack for each thread would be, too. */
	mallopt(M_ARENA_MAX, 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}
