/*
 * vt52 - what a terminal of that kind shows: enough of it to see what a full-screen program drew
 *
 * Ours for TERM=vt52 because it is the smallest that can move its cursor: no attribute, nothing
 * that scrolls a part. Source: terminfo(5), infocmp vt52.
 */
#ifndef TAZ_TESTS_VIEW_VT52_H
#define TAZ_TESTS_VIEW_VT52_H

#include <stdbool.h>
#include <stddef.h>

#define VT52_ROWS 60
#define VT52_COLS 90 /* the cursor's address is a byte that can be printed */

struct vt52 {
	int rows, cols, row, col;
	int state;    /* of an escape: 0, ESC, ESC Y, ESC Y row */
	bool strange; /* there was an escape that is none of it */
	char text[VT52_ROWS][VT52_COLS + 1];
};

void vt52_init(struct vt52 *v, int rows, int cols);
void vt52_feed(struct vt52 *v, const char *data, size_t size);

/* vt52_row - the first row with that text in it, or NULL */
const char *vt52_row(const struct vt52 *v, const char *text);

#endif
