/* /proc/PID/stat holds a name that the process chose itself. */
#include <stdlib.h>
#include <string.h>

#include "enclave/base/proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_stat st = { .ppid = -77 };
	char *text = strndup((const char *)data, size);

	if (proc_stat_parse(text, &st) < 0 && st.ppid != -77)
		abort(); /* written on success only */
	free(text);
	return 0;
}
