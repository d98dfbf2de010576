/*
 * layers_chain - layers one on the other, from Debian's child up to the dotfiles, and their tags
 *
 * Private to layers_*.c.
 */
#ifndef TAZ_LAUNCHER_LAYERS_CHAIN_H
#define TAZ_LAUNCHER_LAYERS_CHAIN_H

#include "launcher/layers.h"

#define LAYER_TOP "dotfiles"

/* tags[0] is Debian's, tags[i + 1] that of layers[i]. */
struct chain {
	struct layer layers[LAYER_CHAIN];
	char tags[LAYER_CHAIN + 1][LAYER_TAG_MAX];
	int n;
};

/*
 * chain_init - the layers from Debian's child up to @name, and the dotfiles on top
 * Returns 0, or -errno after saying why: -ENOENT no such layer, -ELOOP too many, or a ring.
 */
int chain_init(struct chain *c, const char *name);

/*
 * chain_tags - @c->tags[0] is given; the others are found
 * @known: NULL, or a chain on the same Debian, of the same choice, that has its tags: what both
 *	   begin with is not hashed again
 * Returns 0, or -errno after saying why.
 */
int chain_tags(struct chain *c, const struct layers_choice *choice, const struct chain *known);

/*
 * debian_find - which image of Debian the layers stand on
 * Returns 1 when it is there, 0 when it is to be made, or -errno after saying why.
 */
int debian_find(const struct engine *engine, char tag[LAYER_TAG_MAX]);

/* explain_keep - what a layer was built of, for layers_explain(); nothing is lost when it fails */
void explain_keep(const char *layer, const char *manifest);

/* chain_find - the highest i with tags[i] in the store; 0: none of ours. Or -errno, said. */
int chain_find(const struct chain *c, const struct engine *engine);

/*
 * What could not be fetched, one name a line, in a file of the cache: else each start would try
 * again. Both return 0, or -errno after saying why.
 */
int without_add(const char *names);
int without_forget(void);

#endif
