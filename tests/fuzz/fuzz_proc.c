/* /proc/PID/stat and status hold a name that the process chose itself. */
#include <stdlib.h>
#include <string.h>

#include "enclave/base/proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_stat st = { .ppid = -77 };
	struct proc_status status = { .tgid = -77 };
	char *text = strndup((const char *)data, size);

	/* Written on success only. */
	if (proc_stat_parse(text, &st) < 0 && st.ppid != -77)
		abort();
	if (proc_status_parse(text, &status) < 0 ? status.tgid != -77 : status.tgid <= 0)
		abort();
	free(text);
	return 0;
}
