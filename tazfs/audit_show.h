/* audit_show - records for people: one line each, and which of them are asked for. Pure. */
#ifndef TAZ_TAZFS_AUDIT_SHOW_H
#define TAZ_TAZFS_AUDIT_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "tazfs/audit_record.h"

struct audit_filter {
	uint64_t since_ns; /* since 1970; 0: all */
	bool denied;	   /* only what was not allowed */
};

bool audit_filter_fits(const struct audit_filter *f, const struct audit_record *r);

/*
 * audit_since - "90", "10m", "2h" before now, or a time as in ISO 8601: "2026-01-31",
 * "2026-01-31T08:15", "2026-01-31 08:15:00"; with a final "Z" it is UTC, otherwise local
 * Returns 0 or -EINVAL.
 */
int audit_since(const char *text, uint64_t now_ns, uint64_t *ret_ns);

/*
 * audit_show - a line without its end
 * @color: with the terminal's colours
 * Whatever a file is called, nothing of it reaches the terminal but what can be printed.
 */
void audit_show(struct audit_out *o, const struct audit_record *r, bool color);

/* audit_show_words - what stands for a path where there is none: an event, or what was not kept one
 * by one. Returns false, and writes nothing, for a record with a path. */
bool audit_show_words(struct audit_out *o, const struct audit_record *r);

#endif
