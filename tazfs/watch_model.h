/*
 * watch_model - what "tazfs watch" shows: an audit's records, repeats folded, newest first. Pure.
 *
 * A repeat is the same process (number, program, script) that gets the same verdict for the same
 * operation on the same path; an event repeats one with the same words. The row then says how often
 * and when last, and has the rest (rule, chain) of the last one. Room is bounded: the row that was
 * quiet for longest goes first, and is counted.
 */
#ifndef TAZ_TAZFS_WATCH_MODEL_H
#define TAZ_TAZFS_WATCH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tazfs/audit_record.h"

#define WATCH_ROWS   2048U
#define WATCH_BYTES  (4UL * 1024 * 1024)
#define WATCH_FILTER 128 /* bytes, with its NUL */

struct watch_row {
	struct audit_record r; /* of the last one; its strings are the row's */
	uint64_t count;
	uint64_t first_ns, last_ns;
	/* The model's own. */
	uint64_t hash;
	size_t bytes;
	bool fits;
	char mem[];
};

struct watch_model {
	struct watch_row **rows;  /* WATCH_ROWS; oldest first */
	struct watch_row **shown; /* those that fit, newest first */
	size_t n, n_shown, bytes;
	uint64_t gone; /* decisions in rows for which there was no room any more */
	char filter[WATCH_FILTER];
	bool denied;			  /* only what was not allowed */
	const struct watch_row *selected; /* NULL: the newest, whichever that is */
	size_t at;			  /* where it is in @shown */
};

/* watch_model_init - Returns 0 or -ENOMEM. */
int watch_model_init(struct watch_model *m);
void watch_model_done(struct watch_model *m); /* wipes */

/* watch_model_clear - no row any more, and wiped; filters stay */
void watch_model_clear(struct watch_model *m);

/*
 * watch_model_add - the next record of the log; copied
 * That a file of the log begins is left out. Returns 0 or -ENOMEM.
 */
int watch_model_add(struct watch_model *m, const struct audit_record *r);

/*
 * watch_model_filter - show only rows that have this text in verdict, operation, path, program,
 * script, terminal or words; as they are shown, or as the bytes are. "": all
 * @text: cut to WATCH_FILTER
 */
void watch_model_filter(struct watch_model *m, const char *text);

/* watch_model_denied - show only what was not allowed, as audit_filter_fits() has it */
void watch_model_denied(struct watch_model *m, bool denied);

/*
 * watch_model_move - select the row that is so many further down; ends at the first and the last
 * The selection stays with its row when others come, except at the first, which stays the newest.
 */
void watch_model_move(struct watch_model *m, long by);

/* watch_model_selected - the row, valid until the next add, or NULL when none is shown */
const struct watch_row *watch_model_selected(const struct watch_model *m);

#endif
