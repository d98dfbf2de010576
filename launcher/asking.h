/*
 * asking - a question on the host's own terminal, over what a program shows there
 *
 * While it is there the terminal's keys are for it alone, and nothing of the program is shown.
 */
#ifndef TAZ_LAUNCHER_ASKING_H
#define TAZ_LAUNCHER_ASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/question.h"
#include "launcher/screen.h"

struct asking {
	bool on;
	int in, out; /* the terminal, borrowed */
	uint64_t until_ns;
	unsigned left_sec; /* as it is shown */
	struct screen screen;
	struct question_keys keys;
	struct question_put put;
};

/* asking_shown - the program has written that to the terminal */
void asking_shown(struct asking *a, const uint8_t *buf, size_t n);

/*
 * asking_begin - draw it; what was typed so far is thrown away
 * Returns QUESTION_OPEN, or QUESTION_NO when it cannot be shown: then it is not on.
 */
enum question_answer asking_begin(struct asking *a, const struct question_put *put);

/* asking_keys - what was typed. Returns QUESTION_OPEN, or the answer: then it is not on any more.
 */
enum question_answer asking_keys(struct asking *a, const uint8_t *buf, size_t n);

/* asking_draw - the terminal has another size. As asking_begin(). */
enum question_answer asking_draw(struct asking *a);

/* asking_tick - show how long there is left. As asking_keys(). */
enum question_answer asking_tick(struct asking *a);

/* asking_wait_ms - until asking_tick(); -1: not at all */
int asking_wait_ms(const struct asking *a);

/* asking_end - the terminal is the program's again. Nothing when it is not on. */
void asking_end(struct asking *a);

#endif
