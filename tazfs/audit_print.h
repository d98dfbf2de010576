/* audit_print - a log on standard output: for "tazfs audit", and for who reads what that writes */
#ifndef TAZ_TAZFS_AUDIT_PRINT_H
#define TAZ_TAZFS_AUDIT_PRINT_H

#include <stdbool.h>

#include "tazfs/audit_show.h"

struct audit_print {
	struct audit_filter filter;
	bool follow;	  /* go on at the end; each line is written when it is there */
	bool json;	  /* the lines as they are in the log */
	const char *file; /* "-": standard input; NULL: the view at @dir */
	const char *dir;  /* NULL: as control_open() */
};

/* audit_print - Says what went wrong. Returns 0 at the end, or -errno. */
int audit_print(const struct audit_print *p);

/* audit_print_since - the value of --since: audit_since() from now. Says what is wrong. */
int audit_print_since(const char *text, uint64_t *ret_ns);

#endif
