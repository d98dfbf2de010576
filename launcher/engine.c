#include "launcher/engine.h"

#include <stdio.h>
#include <string.h>

static const struct engine *const engines[] = {
	&engine_docker,
	&engine_podman,
	&engine_vm,
};

#define ENGINES_END (engines + sizeof(engines) / sizeof(*engines))

const struct engine *engine_find(const char *name)
{
	for (const struct engine *const *e = engines; e < ENGINES_END; e++)
		if (!strcmp((*e)->name, name))
			return *e;
	return NULL;
}

const struct engine *engine_choose(char *ret_why, size_t size)
{
	size_t at = 0;

	*ret_why = '\0';
	for (const struct engine *const *e = engines; e < ENGINES_END; e++) {
		char why[256] = "";

		if ((*e)->usable((*e)->client, why, sizeof(why)) == 0)
			return *e;
		if (at < size)
			at += snprintf(ret_why + at, size - at, "%sno %s here: %s", at ? "; " : "",
				       (*e)->name, why);
	}
	return NULL;
}
