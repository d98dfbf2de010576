/*
 * suggest_paths - from the paths that one program has asked for, the paths of its rules. Pure.
 *
 * What is proposed is what was asked for, and more in three cases only:
 * - more than SUGGEST_SIBLINGS names of one directory, for the same letters, become all that is
 *   below that directory; never below the root;
 * - who listed a directory sees the names in it: dir and dir/ with a star;
 * - a character that a policy cannot hold becomes '?'.
 */
#ifndef TAZ_TAZFS_SUGGEST_PATHS_H
#define TAZ_TAZFS_SUGGEST_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tazfs/audit_text.h"

#define SUGGEST_SIBLINGS 8

struct suggest_use {
	const char *path; /* below the root; "" is the root */
	unsigned may;	  /* enum may; 0: it was looked at. MAY_ALL: with all that is below it */
	uint64_t count, last_ns;
};

enum suggest_shape {
	SUGGEST_SELF,	/* the path */
	SUGGEST_LISTED, /* the path and the names in it */
	SUGGEST_TREE,	/* the path and all that is below it */
};

struct suggest_unit {
	unsigned may;	  /* never 0 */
	const char *path; /* not ended by NUL; of a use */
	size_t len;
	enum suggest_shape shape;
	bool folded;   /* it is a tree because so many names were in it */
	bool looked;   /* it was looked at only: "l" is the least letter that shows a name */
	unsigned uses; /* how many paths it stands for */
	uint64_t count, last_ns;
};

/* suggest_path_order - parts by parts: what is below a directory follows it. As strcmp(3). */
int suggest_path_order(const char *a, const char *b);

/* suggest_keep_t - must that directory not be folded? */
typedef bool suggest_keep_t(void *arg, const char *dir);

/*
 * suggest_units - @uses in suggest_path_order(), of one program
 * @ret: by letters, then in suggest_path_order(); to be freed; room for twice as many as @uses
 * Together they allow each use: a look also by what is allowed there or below. Returns 0, -ENOMEM.
 */
int suggest_units(const struct suggest_use *uses, size_t n, suggest_keep_t *keep, void *arg,
		  struct suggest_unit **ret, size_t *ret_n);

/*
 * suggest_put_word - one word of a policy, which is these bytes: in quotes when it must be
 * @before: "exe=" and the like, or ""
 * @more: behind it, as it is: "/\*" and the like, or ""
 */
void suggest_put_word(struct audit_out *o, const char *before, const char *path, size_t len,
		      const char *more);

/* suggest_put_unit - its paths, as a rule has them, with blanks between them. Returns how many. */
unsigned suggest_put_unit(struct audit_out *o, const struct suggest_unit *u);

#endif
