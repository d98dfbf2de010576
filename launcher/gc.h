/*
 * gc - which images nobody needs any more: neither a workshop, nor the next build
 */
#ifndef TAZ_LAUNCHER_GC_H
#define TAZ_LAUNCHER_GC_H

#include <stdbool.h>
#include <stddef.h>

#include "launcher/layers.h"

#define GC_KEEP_MAX 256

struct gc {
	char kept[GC_KEEP_MAX][LAYER_TAG_MAX];
	size_t n;
};

/*
 * gc_find - the tags that stay: those of all workshops, also of one that is down (its next start
 * may be without a network), and what builds would give now
 * @without: what those builds leave out, as in layers_choice
 * @state_root: the folder of the workshops' folders
 * Returns 0, or -errno after saying why: then nothing may be removed.
 */
int gc_find(struct gc *gc, const struct engine *engine, const char *without,
	    const char *state_root);

/*
 * gc_remove - remove the others; one that can't be removed keeps no other from it
 *
 * Only what has a tag of ours: a name and a hash. Somebody's own taz/NAME:1.0 is passed over.
 *
 * @images: tags, one a line; is cut up
 * @dry: only say which
 * @gone: called for each that is gone
 * Returns 0, or the first -errno after saying why.
 */
int gc_remove(const struct gc *gc, const struct engine *engine, char *images, bool dry,
	      void (*gone)(const char *tag, void *arg), void *arg);

#endif
