/*
 * question - what a person is asked over a program's terminal, and how the answer is typed. Pure.
 *
 * The host's tazlaunch asks: nothing in the workshop sees the question or can answer it. All that
 * comes from there is foreign: the names in a question, and what the program has written to the
 * terminal before it, which may be an order to type something back (a report of the cursor, of the
 * title). So the answer is a letter or a digit and Enter, counts only after the keyboard was silent
 * for QUESTION_QUIET_MS, and whatever looks like a terminal's report begins that silence anew.
 */
#ifndef TAZ_LAUNCHER_QUESTION_H
#define TAZ_LAUNCHER_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "enclave/base/question.h"

#define QUESTION_QUIET_MS 700
/*
 * question_draw - the bytes that show it on a terminal of that size, from its upper left corner on
 * @left_sec: how long there is to answer
 * @typed: of question_typed()
 *
 * Only printable ASCII of what is foreign is shown as it is, all other bytes, quotes and
 * backslashes as \xHH: no two names look the same. What is asked about is shown whole or not at
 * all; arguments and the chain end in "..." where the room does. Returns the number of bytes, or
 * -ENOSPC when the terminal or @size is too small: then the answer is no.
 */
ssize_t question_draw(const struct question *q, unsigned rows, unsigned cols, unsigned left_sec,
		      char typed, char *buf, size_t size);

/* --- the keys --------------------------------------------------------------------------------- */

struct question_keys {
	uint64_t quiet_ns; /* keys count from then on */
	char letter;	   /* 0: none */
	bool spoilt;	   /* there was more than a letter: Enter begins a new line */
	uint32_t offers;   /* of the question: other letters are none */
};

/* question_keys_begin - the question has just been drawn; @offers: its own */
void question_keys_begin(struct question_keys *k, uint32_t offers, uint64_t now_ns);

/*
 * question_keys_feed - what was read from the terminal in raw mode
 * @now_ns: when it was read
 * Ctrl+C and Ctrl+D are no, once keys count. Everything behind an answer is dropped.
 */
enum question_answer question_keys_feed(struct question_keys *k, const uint8_t *buf, size_t n,
					uint64_t now_ns);

/* question_typed - the letter that is waiting for Enter, '?' for a line that is none, or 0 */
char question_typed(const struct question_keys *k);

#endif
