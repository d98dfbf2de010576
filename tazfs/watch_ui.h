/*
 * watch_ui - "tazfs watch" without its terminal: what keys do, and what is where. Pure, but for the
 * locale and the time zone, as watch_text.
 */
#ifndef TAZ_TAZFS_WATCH_UI_H
#define TAZ_TAZFS_WATCH_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tazfs/watch_model.h"
#include "tazfs/watch_text.h"

/* More than that nobody reads; who can open a terminal can say that it is larger. */
#define WATCH_ROWS_MAX 500
#define WATCH_COLS_MAX 1000

/* A key is a character as in UTF-32, or one of those. */
enum watch_key {
	KEY_IS_UP = 0x110000,
	KEY_IS_DOWN,
	KEY_IS_PAGE_UP,
	KEY_IS_PAGE_DOWN,
	KEY_IS_HOME,
	KEY_IS_END,
	KEY_IS_ENTER,
	KEY_IS_ESCAPE,
	KEY_IS_BACKSPACE,
	KEY_IS_UNKNOWN,
};

enum watch_style { WATCH_PLAIN, WATCH_TITLE, WATCH_HEAD, WATCH_CHOSEN, WATCH_KEYS, WATCH_QUESTION };

/* Where it is drawn. */
struct watch_paper {
	size_t rows, cols;
	void *arg;
	/* @text: exactly @cols columns, all of it printable; rows begin at 0, each is drawn once */
	void (*line)(void *arg, size_t row, const char *text, enum watch_style style);
	/* after line(): @cols columns of it from @col on are a verdict (enum audit_verdict) */
	void (*verdict)(void *arg, size_t row, size_t col, size_t cols, uint32_t verdict);
};

enum watch_want {
	WANT_NOTHING,
	WANT_QUIT,
	WANT_LOCK,
	WANT_RETRY,
	WANT_REDRAW,
	WANT_ANSWERS, /* the list of a person's answers; before that, take back u->number */
};

enum watch_mode {
	MODE_LIST, /* the rows */
	MODE_PAGE, /* a text in their place */
	MODE_TYPE, /* the filter is being typed */
	MODE_LOCK, /* lock? */
	MODE_TAKE, /* the number of an answer is being typed */
};

struct watch_ui {
	struct watch_model m;
	struct watch_status st;
	bool has_status;
	char *off;	 /* why nothing is shown, printable; NULL: it is */
	char *said;	 /* a message for the last line until the next key, printable; or NULL */
	char *page;	 /* MODE_PAGE */
	bool answers;	 /* the page is the list of answers */
	uint32_t number; /* of the answer that is taken back; 0: none */
	size_t from;	 /* the first row that is shown, or the first line of the page */
	size_t seen;	 /* rows of the body, when it was last drawn */
	enum watch_mode mode;
	char before[WATCH_FILTER]; /* MODE_TYPE: what escape brings back */
};

int watch_ui_init(struct watch_ui *u); /* 0 or -ENOMEM */
void watch_ui_done(struct watch_ui *u);

/* watch_ui_line - a line of the log; what is no record is left out. @mem: as audit_parse() has it.
 * Returns 0 or -ENOMEM. */
int watch_ui_line(struct watch_ui *u, const char *line, size_t size, char *mem);

/* watch_ui_off - from now on nothing can be seen; all that was is forgotten. @why: any bytes */
void watch_ui_off(struct watch_ui *u, const char *why);
void watch_ui_on(struct watch_ui *u);

/* watch_ui_say - a message; any bytes, copied */
void watch_ui_say(struct watch_ui *u, const char *text);

/* watch_ui_answers - the list of them, as a page. @text: any bytes, lines */
void watch_ui_answers(struct watch_ui *u, const char *text);

enum watch_want watch_ui_key(struct watch_ui *u, uint32_t key);

/* watch_ui_draw - all of it. @now_ns: since 1970 */
void watch_ui_draw(struct watch_ui *u, const struct watch_paper *p, uint64_t now_ns);

#endif
