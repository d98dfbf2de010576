/*
 * table - prints the lock's table for the model; it is linked with the real enclave/lockstate.c
 *
 *	table names	states, events and actions as macros, for vault.pml
 *	table cells	the table and the names, as C for the checker that spin makes of it
 *	table mutants	one a line: "STATE EVENT KNOWN NEXT ACTIONS" for the checker's TAZ_MUTANT,
 *			a colon, and what that is in words
 *
 * A mutant differs from the table in one cell: it is refused, or lacks one action, or goes to
 * LOCKED at once.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "enclave/lockstate.h"

/* clang-format off */
#define ACTION(name) { ACT_##name, #name }
static const struct {
	unsigned bit;
	const char *name;
} actions[] = {
	ACTION(START_WORKER), ACTION(KILL_WORKER), ACTION(START_VIEW), ACTION(ADMIT),
	ACTION(SHUT_DOOR), ACTION(ASK_VIEW), ACTION(KILL_VIEW), ACTION(CHECK), ACTION(SAVE),
	ACTION(FORGET), ACTION(KEEP), ACTION(REFUSE), ACTION(REPORT), ACTION(COMPLAIN), ACTION(CUT),
};
/* clang-format on */
#define N_ACTIONS (sizeof(actions) / sizeof(*actions))

/* "not-saved" is NOT_SAVED in the header */
static const char *macro(const char *name)
{
	static char buf[64];
	size_t i = 0;

	for (; name[i] && i < sizeof(buf) - 1; i++)
		buf[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
	buf[i] = '\0';
	return buf;
}

static int print_names(void)
{
	for (int s = 0; s < LS_STATES; s++)
		printf("#define LS_%s %d\n", macro(lockstate_name(s)), s);
	for (int e = 0; e < LE_EVENTS; e++)
		printf("#define LE_%s %d\n", macro(lockstate_event_name(e)), e);
	for (size_t a = 0; a < N_ACTIONS; a++)
		printf("#define ACT_%s %u\n", actions[a].name, actions[a].bit);
	printf("#define NO_EVENT %d\n", LE_EVENTS);
	return 0;
}

static int print_cells(void)
{
	printf("static struct { unsigned known, next, actions; } taz_table[%d][%d] = {\n",
	       LS_STATES, LE_EVENTS);
	for (int s = 0; s < LS_STATES; s++) {
		printf("\t{");
		for (int e = 0; e < LE_EVENTS; e++) {
			struct lock_step step = lockstate_step(s, e);

			printf(" { %d, %d, %u },", !step.refused, step.next, step.actions);
		}
		printf(" },\n");
	}
	printf("};\nstatic const char *const taz_states[] = {");
	for (int s = 0; s < LS_STATES; s++)
		printf(" \"%s\",", lockstate_name(s));
	printf(" };\nstatic const char *const taz_events[] = {");
	for (int e = 0; e < LE_EVENTS; e++)
		printf(" \"%s\",", lockstate_event_name(e));
	printf(" };\nstatic const struct { unsigned bit; const char *name; } taz_actions[] = {");
	for (size_t a = 0; a < N_ACTIONS; a++)
		printf(" { %u, \"%s\" },", actions[a].bit, actions[a].name);
	printf(" { 0 } };\n");
	return 0;
}

static void mutant(int s, int e, bool known, int next, unsigned acts)
{
	printf("%d %d %d %d %u:%s --%s--> ", s, e, known, next, acts, lockstate_name(s),
	       lockstate_event_name(e));
}

static void mutants_of_cell(int s, int e, const struct lock_step *step)
{
	mutant(s, e, false, s, 0);
	printf("refused\n");
	for (size_t a = 0; a < N_ACTIONS; a++)
		if (step->actions & actions[a].bit) {
			mutant(s, e, true, step->next, step->actions & ~actions[a].bit);
			printf("%s without %s\n", lockstate_name(step->next), actions[a].name);
		}
	if (step->next != LS_LOCKED && s != LS_LOCKED) {
		mutant(s, e, true, LS_LOCKED, step->actions);
		printf("locked at once\n");
	}
}

static int print_mutants(void)
{
	for (int s = 0; s < LS_STATES; s++)
		for (int e = 0; e < LE_EVENTS; e++) {
			struct lock_step step = lockstate_step(s, e);

			if (!step.refused)
				mutants_of_cell(s, e, &step);
		}
	return 0;
}

/* An action without a name here would be missing in the model. */
static int unknown_actions(void)
{
	unsigned known = 0;

	for (size_t a = 0; a < N_ACTIONS; a++)
		known |= actions[a].bit;
	for (int s = 0; s < LS_STATES; s++)
		for (int e = 0; e < LE_EVENTS; e++)
			if (lockstate_step(s, e).actions & ~known) {
				fprintf(stderr,
					"table: %s --%s--> has an action that is not in %s\n",
					lockstate_name(s), lockstate_event_name(e), __FILE__);
				return 1;
			}
	return 0;
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		int (*print)(void);
	} kinds[] = { { "names", print_names },
		      { "cells", print_cells },
		      { "mutants", print_mutants } };

	if (unknown_actions())
		return 1;
	for (size_t i = 0; argc == 2 && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(argv[1], kinds[i].name))
			return kinds[i].print();
	fprintf(stderr, "usage: table names|cells|mutants\n");
	return 2;
}
