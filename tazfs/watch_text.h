/*
 * watch_text - the texts of "tazfs watch": columns, details, a rule for a row. Pure, but for the
 * locale (LC_CTYPE) that says which characters there are and how wide, and the time zone.
 *
 * Text that comes in has been made printable before (audit_put_name()). What comes out is cut
 * between characters, never within one or within its \xNN, so that what is seen of a name is in it.
 */
#ifndef TAZ_TAZFS_WATCH_TEXT_H
#define TAZ_TAZFS_WATCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tazfs/audit_text.h"
#include "tazfs/watch_model.h"

#define WATCH_LINE_MAX (8UL * 1024) /* bytes: room for a line of any terminal */

/*
 * watch_cut - how many bytes of @text fit into @cols columns
 * @ret_cols: so many they take; NULL: nobody wants to know
 * A character that has no width of its own, or none that is known, counts as watch_fit() shows it.
 */
size_t watch_cut(const char *text, size_t cols, size_t *ret_cols);

enum watch_keep {
	WATCH_BEGIN, /* what is too long ends in '>' */
	WATCH_END,   /* or begins with '<' */
};

/* watch_fit - exactly @cols columns of @text, filled with blanks */
void watch_fit(struct audit_out *o, const char *text, size_t cols, enum watch_keep keep);

/*
 * watch_head, watch_line - the columns' names; a row in them: @cols columns
 * @now_ns: since 1970; what was on another day is shown with its day
 * A row begins with what became of it, with a mark that is not its colour: "!deny", "?ask".
 */
void watch_head(struct audit_out *o, size_t cols);
void watch_line(struct audit_out *o, const struct watch_row *row, size_t cols, uint64_t now_ns);

#define WATCH_VERDICT_AT   9 /* columns; what a colour is for */
#define WATCH_VERDICT_COLS 6

/* watch_details - all that is known of a row, as tazfs audit shows it; no line's end in it */
void watch_details(struct audit_out *o, const struct watch_row *row);

struct watch_status {
	int32_t err;   /* of client_status(): then nothing else is known */
	uint32_t lock; /* enum proto_lock */
	uint32_t sessions;
	uint32_t idle_limit_sec, idle_left_sec;
};

/* watch_title - @cols columns: the vault, sessions, time to lock; @st NULL: not known yet */
void watch_title(struct audit_out *o, const struct watch_status *st, size_t cols);

/*
 * watch_rule - a rule that refuses what a row shows, to its program (and script)
 * Returns NULL, or in a sentence why there is none; then what @o got is of no use.
 */
const char *watch_rule(struct audit_out *o, const struct audit_record *r);

#endif
