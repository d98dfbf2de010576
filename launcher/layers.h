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

/* --- with the disk and an engine ------------------------------------------------------------- */

struct layer {
	const char *name;
	const char *parent;	/* NULL: Debian itself */
	const char *dockerfile; /* relative to the source */
	/* What the context holds: from the source, to the context, which names; ended by NULL. */
	const struct layer_part {
		const char *from, *to;
		const char *const *patterns; /* fnmatch(3) on the last part of a name; NULL: all */
	} * parts;
};

/* layers_find - Returns NULL for an unknown name. */
const struct layer *layers_find(const char *name);

/*
 * layers_tag - the tag that the sources have now
 * @source: root of the checkout
 * @stage_dir: NULL, or an empty folder that gets the context
 *
 * Returns 0, -EFBIG for a file over 64 MiB, -ELOOP for folders too deep, or -errno.
 */
int layers_tag(const struct layer *layer, const char *source, const char *parent_tag,
	       const char *stage_dir, char tag[LAYER_TAG_MAX]);

/*
 * layers_build - have a layer and everything below it in the engine's store
 * @ret_tag, @size: its tag
 *
 * Says what is done when something is. Returns 0 or -errno after saying why.
 */
int layers_build(const struct engine *engine, const char *name, char *ret_tag, size_t size);

/* layers_source - $TAZ_SOURCE, or where this program was compiled */
const char *layers_source(void);

#endif
