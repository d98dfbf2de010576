/*
 * screen - which of its two screens a terminal shows, by what a program has written to it. Pure.
 *
 * From the main screen a question goes to the alternate one, and what was there is there again
 * afterwards. A program that has taken the alternate screen itself must be made to draw again. A
 * wrong guess spoils the picture, no more.
 */
#ifndef TAZ_LAUNCHER_SCREEN_H
#define TAZ_LAUNCHER_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct screen {
	bool alternate;
	uint8_t state; /* of the parser */
	bool private;  /* "?" came */
	bool found;    /* one of the numbers is that of the alternate screen */
	unsigned number;
};

/* screen_feed - bytes on their way to the terminal. @s begins as zeros. */
void screen_feed(struct screen *s, const uint8_t *buf, size_t n);

/* What is written before a question is drawn, and after it. Constant strings. */
const char *screen_enter(const struct screen *s);
const char *screen_leave(const struct screen *s);

#endif
