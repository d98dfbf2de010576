/* Small texts of the host: numbers that people type, /proc/misc, the record of a workshop. */
#include <stdlib.h>
#include <string.h>

#include "enclave/base/size.h"
#include "launcher/devices.h"
#include "launcher/workshop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct record record;
	uint64_t bytes = 0;
	unsigned sec = 0;
	long long number = 5;

	size_parse(text, &bytes);
	duration_parse(text, &sec);
	if (num_parse(text, 0, 9, &number) == 0 && (number < 0 || number > 9))
		abort();
	devices_misc_minor(text, "fuse");
	record_parse(text, &record);
	free(text);
	return 0;
}
