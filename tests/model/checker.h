/* Linked into the checker that spin makes: the table as C, with at most one cell changed. */
#include <stdio.h>
#include <stdlib.h>

#include "names.pml"

struct taz_step {
	unsigned known, next, actions;
};

enum { RUN_SESSIONS, RUN_SAVING, RUN_ENDS };

static int taz_without, taz_run, taz_requests, taz_deaths; /* the last two: -1 is no bound */

static struct taz_step taz_step(int state, int event)
{
	return (struct taz_step){ taz_table[state][event].known, taz_table[state][event].next,
				  taz_table[state][event].actions };
}

/* The first of @actions in the order in which keeper.c carries them out, taken out of them. */
static unsigned taz_first(short *actions)
{
	static const unsigned order[] = {
#include "order.h"
	};

	for (unsigned i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (*actions & order[i]) {
			*actions &= ~order[i];
			return order[i];
		}
	return *actions = 0;
}

static int taz_number(const char *name, int unset)
{
	const char *value = getenv(name);

	return value ? atoi(value) : unset;
}

/* TAZ_RUN: SESSIONS, SAVING or ENDS; TAZ_WITHOUT: one of switches.h; TAZ_MUTANT: a line of "table
 * mutants". */
static void taz_begin(void)
{
	const char *mutant = getenv("TAZ_MUTANT");
	const char *run = getenv("TAZ_RUN");
	unsigned s, e, known, next, actions;

	if (run)
		taz_run = run[0] == 'E' ? RUN_ENDS : run[1] == 'A' ? RUN_SAVING : RUN_SESSIONS;
	taz_without = taz_number("TAZ_WITHOUT", 0);
	taz_requests = taz_number("TAZ_REQUESTS", -1);
	taz_deaths = taz_number("TAZ_DEATHS", -1);
	if (mutant && sscanf(mutant, "%u %u %u %u %u", &s, &e, &known, &next, &actions) == 5) {
		taz_table[s][e].known = known;
		taz_table[s][e].next = next;
		taz_table[s][e].actions = actions;
	}
}

static void taz_say(int state, int event, const struct taz_step *step)
{
	printf("| keeper: %s --%s--> ", taz_states[state], taz_events[event]);
	printf("%s%s:", step->known ? "" : "refused, ", taz_states[step->next]);
	for (int i = 0; taz_actions[i].bit; i++)
		if (step->actions & taz_actions[i].bit)
			printf(" %s", taz_actions[i].name);
	printf("\n");
}
