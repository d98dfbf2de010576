#include "launcher/layers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Each kind of field begins with its own word, so that none can stand for another. */

void layer_hash_begin(struct layer_hash *h, const char *layer, const char *parent)
{
	hash_init(&h->hash);
	h->last[0] = '\0';
	hash_text(&h->hash, "taz layer 1");
	hash_text(&h->hash, layer);
	hash_text(&h->hash, "parent");
	hash_text(&h->hash, parent);
}

void layer_hash_dockerfile(struct layer_hash *h, const void *text, size_t size)
{
	hash_text(&h->hash, "dockerfile");
	hash_field(&h->hash, text, size);
}

void layer_hash_arg(struct layer_hash *h, const char *name_and_value)
{
	hash_text(&h->hash, "arg");
	hash_text(&h->hash, name_and_value);
}

int layer_hash_file(struct layer_hash *h, const char *name, enum layer_file kind, const void *data,
		    size_t size)
{
	static const char *const kinds[] = {
		[LAYER_PLAIN] = "plain",
		[LAYER_EXECUTABLE] = "executable",
		[LAYER_LINK] = "link",
	};

	if (!*name || *name == '/' || strlen(name) >= sizeof(h->last) || strcmp(name, h->last) <= 0)
		return -EINVAL;
	strcpy(h->last, name);
	hash_text(&h->hash, kinds[kind]);
	hash_text(&h->hash, name);
	hash_field(&h->hash, data, size);
	return 0;
}

void layer_hash_tag(struct layer_hash *h, const char *layer, char tag[LAYER_TAG_MAX])
{
	char hex[HASH_HEX_MAX];

	hash_hex(&h->hash, 16, hex);
	snprintf(tag, LAYER_TAG_MAX, "taz/%.60s:%.32s", layer, hex);
}
