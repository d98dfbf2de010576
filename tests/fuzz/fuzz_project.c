/* taz.conf: root of the host reads what is in somebody's workspace. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/project.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct opts defaults, o;
	char why[240] = "";
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	opts_init(&defaults);
	opts_init(&o);
	if (project_parse(&o, PROJECT_FILE, text, size, OPT_UP, &defaults, why, sizeof(why)) < 0) {
		for (const char *p = why; *p; p++)
			if (*p < 0x20 || *p > 0x7e)
				abort();
	}
	/* Whatever it says: no other workshop, and no less protection. */
	if (strcmp(o.name, defaults.name) || o.engine || o.idle_sec > defaults.idle_sec ||
	    !o.idle_sec || o.keep < defaults.keep || (o.network && strcmp(o.network, "none")) ||
	    o.create || o.passphrase_fd >= 0)
		abort();
	free(text);
	return 0;
}
