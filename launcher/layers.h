/*
 * layers - which images there are, what each is made of, and when one must be built
 *
 * Content decides: the tag of a layer is the hash of its Dockerfile, its context (names, executable
 * bits, contents, targets of links), its arguments and its parent's tag. Times, owners and other
 * bits of the mode do not count.
 */
#ifndef TAZ_LAUNCHER_LAYERS_H
#define TAZ_LAUNCHER_LAYERS_H

#include <stdbool.h>
#include <stdio.h>

#include "enclave/base/hash.h"
#include "launcher/engine.h"

#define LAYER_TAG_MAX 128

/* --- pure: the hash -------------------------------------------------------------------------- */

struct layer_hash {
	struct hash hash;
	char last[256]; /* name of the last file: they come sorted */
};

/* layer_hash_begin - @parent: the parent's tag */
void layer_hash_begin(struct layer_hash *h, const char *layer, const char *parent);
void layer_hash_dockerfile(struct layer_hash *h, const void *text, size_t size);
void layer_hash_arg(struct layer_hash *h, const char *name_and_value);

enum layer_file { LAYER_PLAIN, LAYER_EXECUTABLE, LAYER_LINK };

/*
 * layer_hash_file - one file of the context; for a link its target is the content
 * @name: relative to the context; strictly after the last one in strcmp(3)'s order
 * Returns 0, -EINVAL for a name out of order, empty, absolute or too long.
 */
int layer_hash_file(struct layer_hash *h, const char *name, enum layer_file kind, const void *data,
		    size_t size);

/* layer_hash_tag - "taz/LAYER:HASH" */
void layer_hash_tag(struct layer_hash *h, const char *layer, char tag[LAYER_TAG_MAX]);

/* --- with the disk --------------------------------------------------------------------------- */

#define LAYER_NAME_MAX 33
#define LAYER_CHAIN    8 /* Debian's child, its child, ... and the dotfiles */

struct layer {
	char name[LAYER_NAME_MAX];
	char parent[LAYER_NAME_MAX]; /* "": Debian itself */
	char dir[48];		     /* images/NAME, relative to the source */
	char dockerfile[88];	     /* relative to the source */
	char without[256]; /* of its releases, those that are left out; names with blanks */
	bool has_releases;
	/* What the context holds: from the source, to the context, which names; ended by NULL. */
	const struct layer_part {
		const char *from, *to;	     /* @to "": the context itself */
		const char *const *patterns; /* fnmatch(3) on the last part of a name; NULL: all */
	} * parts;
	struct layer_part own[3];
};

/*
 * layer_read - a layer is a folder: images/NAME/Dockerfile.NAME, with a line "# parent: OTHER"
 * @ret: points into itself: not to be copied
 * Returns 0, -EINVAL when that is no layer's name, -ENOENT when there is no such folder, or -errno.
 */
int layer_read(const char *source, const char *name, struct layer *ret);

/*
 * layer_leave_out - note which of its releases are left out
 * @names: with commas or blanks between, "all", or ""
 * Returns 0 or -errno.
 */
int layer_leave_out(struct layer *layer, const char *source, const char *names);

/*
 * layers_names - the names of all layers that can be chosen: "base gemini k8s"
 * Returns 0, or -E2BIG: those that fit.
 */
int layers_names(const char *source, char *buf, size_t size);

/*
 * layers_tag - the tag that the sources have now
 * @source: root of the checkout
 * @stage_dir: NULL, or an empty folder that gets the context
 * @manifest: NULL, or gets one line for all that counts: a hash or the like, a tab, a name
 *
 * Folders called "vendor" hold what has its hash elsewhere: they don't count.
 * Returns 0, -EFBIG for a file over 64 MiB, -ELOOP for folders too deep, or -errno.
 */
int layers_tag(const struct layer *layer, const char *source, const char *parent_tag,
	       const char *stage_dir, FILE *manifest, char tag[LAYER_TAG_MAX]);

/*
 * layers_check - is there such a layer, down to Debian?
 * Returns 0, or after saying why -EINVAL: the name is wrong, or what its Dockerfile says; -ENOENT:
 * there are no layers at all; or -errno.
 */
int layers_check(const char *name);

/* --- with an engine -------------------------------------------------------------------------- */

struct layers_choice {
	const char *layer;   /* the topmost, below the dotfiles */
	const char *without; /* releases that are left out; "" for none */
	bool again;	     /* try what could not be fetched the last time */
};

/*
 * layers_build - have a layer, everything below it and the dotfiles in the engine's store
 * @ret_tag, @size: its tag
 *
 * Says what is done when something is. Returns 0 or -errno after saying why.
 */
int layers_build(const struct engine *engine, const struct layers_choice *choice, char *ret_tag,
		 size_t size);

/*
 * layers_explain - would they be built, and what has changed since they were the last time?
 * @json: NULL: printed to stdout; otherwise an array of json-c that gets an object each
 * Returns 0 or -errno after saying why.
 */
struct json_object;
int layers_explain(const struct engine *engine, const struct layers_choice *choice,
		   struct json_object *json);

/*
 * layers_wanted - the tag of the topmost layer, the dotfiles, that a build would give now
 * Nothing is built. Returns 0 or -errno after saying why.
 */
int layers_wanted(const struct engine *engine, const struct layers_choice *choice,
		  char tag[LAYER_TAG_MAX]);

/*
 * layers_current - the tags that all layers have now, Debian's among them
 * @without: as in the choice
 * @ret, @max: room; some tags may come more than once
 * Returns how many, or -errno after saying why: -E2BIG they do not fit.
 */
int layers_current(const struct engine *engine, const char *without, char (*ret)[LAYER_TAG_MAX],
		   size_t max);

#endif
