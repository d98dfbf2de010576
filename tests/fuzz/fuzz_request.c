/* What root's agent is asked to run: what is accepted must be encoded to the same bytes again. */
#include <stdlib.h>
#include <string.h>

#include "launcher/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1), *again = malloc(size + 4096);
	struct request req;

	memcpy(copy, data, size);
	if (request_decode(copy, size, &req) == 0) {
		ssize_t n = request_encode(&req, again, size + 4096);

		if (n < 0 || req.argc < 0 || req.argc > REQUEST_ARGS_MAX)
			abort();
	}
	free(copy);
	free(again);
	return 0;
}
