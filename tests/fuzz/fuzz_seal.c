/* The sealed file is whatever lies on the disk. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "enclave/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file of four blocks; the last one is the footer. */
static uint8_t file[16384];
#define IMAGE (sizeof(file) - SEAL_FOOTER_BYTES)

static void read_it(int fd, int image)
{
	uint8_t key[SEAL_KEY_BYTES] = { 0 };
	struct seal_footer footer;

	if (pwrite(fd, file, sizeof(file), 0) != sizeof(file))
		abort();
	if (seal_read_footer(fd, &footer) < 0)
		return;
	if (footer.image_bytes != IMAGE || ftruncate(image, footer.image_bytes) < 0)
		abort();
	if (seal_load(fd, &footer, image) == 0 && seal_verify(&footer, key) == 0)
		abort(); /* nobody forges a keyed hash */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1, image = -1;
	size_t n = size < SEAL_FOOTER_BYTES ? size : SEAL_FOOTER_BYTES;
	uint8_t other[SEAL_KEY_BYTES] = { 1 };
	struct seal_footer footer;

	if (fd < 0) {
		fd = memfd_create("file", 0);
		image = memfd_create("image", 0);
	}
	memcpy(file + IMAGE, data, n);
	read_it(fd, image);
	/* And as somebody who takes the trouble: every sum is right (the image is all zeros). */
	memcpy(&footer, file + IMAGE, sizeof(footer));
	seal_mac(&footer, other, 0, NULL, NULL);
	memcpy(file + IMAGE, &footer, sizeof(footer));
	read_it(fd, image);
	return 0;
}
