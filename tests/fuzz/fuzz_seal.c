/* The sealed file is whatever lies on the disk. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "enclave/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The last bytes of a file of four blocks are the fuzzer's: the footer. */
	static uint8_t file[16384];
	static int fd = -1, image = -1;
	struct seal_footer footer;
	size_t n = size < SEAL_FOOTER_BYTES ? size : SEAL_FOOTER_BYTES;

	if (fd < 0) {
		fd = memfd_create("file", 0);
		image = memfd_create("image", 0);
	}
	for (size_t i = 0; i < n; i++)
		file[sizeof(file) - SEAL_FOOTER_BYTES + i] = data[i];
	if (pwrite(fd, file, sizeof(file), 0) != sizeof(file))
		abort();
	if (seal_read_footer(fd, &footer) == 0) {
		uint8_t key[SEAL_KEY_BYTES] = { 0 };

		if (footer.image_bytes != sizeof(file) - SEAL_FOOTER_BYTES ||
		    ftruncate(image, footer.image_bytes) < 0)
			abort();
		seal_load(fd, &footer, image);
		if (seal_verify(image, &footer, key) == 0)
			abort(); /* nobody forges a keyed hash */
	}
	return 0;
}
