/* Arguments and environment lie in memory that a process writes as it likes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tazfs/args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const programs[] = { "bash", "python3", "perl",
						"node", "busybox", "ld.so" };
	char *text = malloc(size ? size : 1);
	const char *script = NULL;
	enum args_script r;

	memcpy(text, data, size);
	r = args_script(programs[size % 6], text, size, size & 1, &script);
	/* What is found lies inside, and ends there. */
	if ((r == ARGS_FILE || r == ARGS_LOOSE) &&
	    (!script || script <= text || !memchr(script, '\0', text + size - script) ||
	     *script == '-' || !*script))
		abort();
	args_env_is_clean(text, size);
	free(text);
	return 0;
}
