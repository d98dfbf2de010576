#include "launcher/first.h"

#include <stdio.h>

void first_add_words(struct argv *a, const struct workshop *w)
{
	argv_add(a, "first-process");
	if (w->instance)
		argv_add_words(a, "--instance", w->instance, NULL);
	else
		argv_add_words(a, "--pod", w->name, NULL);
	argv_add_words(a, "--durability", w->durability, "--memory", w->view_memory, NULL);
	argv_add(a, "--vault-size"), argv_add(a, "%llu", (unsigned long long)w->vault_bytes);
	argv_add(a, "--keep"), argv_add(a, "%u", w->keep);
	argv_add(a, "--seen"), argv_add(a, "%llu%s%s", (unsigned long long)w->seen_generation,
					*w->seen_vault ? ":" : "", w->seen_vault);
	argv_add(a, "--idle"), argv_add(a, "%u", w->idle_sec);
	argv_add_words(a, "--agent", "unix:/run/taz-host/agent.sock", NULL);
}
