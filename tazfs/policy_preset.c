#include "tazfs/policy_preset.h"

#include <stddef.h>
#include <string.h>

/* meson.build makes a string of each line of a file. */
static const char session[] =
#include "session.inc"
	;
static const char tools[] =
#include "tools.inc"
	;
static const char agent[] =
#include "agent.inc"
	;
static const char ask[] =
#include "ask.inc"
	;

static const struct policy_preset presets[] = {
	{ "session", "the members of a session may do everything (the default)", session },
	{ "tools", "each tool reads its own files, a person is asked about the rest", tools },
	{ "agent", "an AI agent and all that it starts see nothing", agent },
	{ "ask", "a person says yes to whatever is opened", ask },
	{ NULL },
};

const struct policy_preset *policy_presets(void)
{
	return presets;
}

const struct policy_preset *policy_preset(const char *name)
{
	for (const struct policy_preset *p = presets; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}
