/* The agent's stream: whoever reaches its socket may send anything. */
#include <stdlib.h>

#include "launcher/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;
	size_t at = 0;

	for (ssize_t n = 1; n > 0; at += n) {
		n = frame_decode(data + at, size - at,
				 data[0] & 1 ? FRAME_FROM_AGENT : FRAME_FROM_HOST, &f);
		if (n <= 0)
			break;
		if ((size_t)n > size - at || f.data < data + at || f.data + f.len > data + at + n)
			abort();
	}
	return 0;
}
