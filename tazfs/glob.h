/*
 * glob - the paths that a rule means. Pure.
 *
 * A pattern is parts between slashes, matched against the parts of a path below the root of the
 * vault. In a part '*' is any characters, '?' one, [a-z] and [!a-z] one of a set, and a backslash
 * takes the next one as it is; none of them crosses a slash, and a leading dot is like any other
 * character. A part that is "**" is any number of parts, also none: the parts "ssh" and "**" fit
 * ssh and all that is below it. "." is the root alone. A character is one of UTF-8, or else a byte.
 *
 * The cost is bounded by the product of the lengths, whatever the pattern: no way of matching is
 * tried twice.
 */
#ifndef TAZ_TAZFS_GLOB_H
#define TAZ_TAZFS_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#define GLOB_BYTES_MAX 1024
#define GLOB_PARTS_MAX 63
#define GLOB_BUCKETS   256

enum glob_kind {
	GLOB_EXACT, /* @literal and nothing else */
	GLOB_TREE,  /* @literal and all that is below it */
	GLOB_LAST,  /* "**" and one part: only the last part of a path counts */
	GLOB_PARTS, /* anything else */
};

struct glob_part;

struct glob {
	enum glob_kind kind;
	bool deep;	     /* it ends in "**": what fits it, fits with all that is below */
	unsigned n_parts;    /* at most GLOB_PARTS_MAX */
	const char *literal; /* not ended by NUL */
	size_t literal_len;
	struct glob_part *parts; /* owned, with all texts */
};

struct glob_error {
	size_t at; /* in bytes from the pattern's begin */
	const char *why;
};

/*
 * glob_init - @text need not end in NUL; it is copied
 * Returns 0, -EINVAL with @ret_error filled, or -ENOMEM; on failure there is nothing to undo.
 */
int glob_init(struct glob *g, const char *text, size_t size, struct glob_error *ret_error);
void glob_done(struct glob *g);

/* Paths as in policy.h: no leading, trailing or double slash; "" is the root. */
bool glob_fits(const struct glob *g, const char *path, size_t len);

/* glob_below - could something below @path fit, if it were there? */
bool glob_below(const struct glob *g, const char *path, size_t len);

/* glob_covers - does @a fit all that @b fits? False also when that is not easily told. */
bool glob_covers(const struct glob *a, const struct glob *b);

/*
 * glob_bucket - a number below GLOB_BUCKETS of a path's first part
 * A pattern fits no path of another bucket than its own; -1: it may fit one of any.
 */
unsigned glob_path_bucket(const char *path, size_t len);
int glob_bucket(const struct glob *g);

#endif
