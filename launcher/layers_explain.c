/* What a layer was built of the last time is kept in the cache; what differs now is why it is
 * built. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "launcher/cache.h"
#include "launcher/layers_chain.h"
#include "launcher/source.h"

#define MANIFEST_MAX (1 << 20)
#define SHOWN	     5

static int kept_path(const char *layer, const char *end, char *buf, size_t size)
{
	return snprintf(buf, size, "%s/layers/%s%s", cache_dir(), layer, end) < (int)size
		       ? 0
		       : -ENAMETOOLONG;
}

void explain_keep(const char *layer, const char *manifest)
{
	char path[PATH_MAX], part[PATH_MAX];
	autoclose int fd = -EBADF;
	int r = kept_path("", "", path, sizeof(path));

	if (r == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0)
		r = kept_path(layer, "", path, sizeof(path));
	if (r == 0)
		r = kept_path(layer, ".new", part, sizeof(part));
	if (r == 0) {
		fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		r = fd < 0 ? -errno : io_write_full(fd, manifest, strlen(manifest));
	}
	if (r == 0 && rename(part, path) < 0)
		r = -errno;
	if (r < 0)
		log_err(r, "write down what layer %s was built of (only --explain needs it)",
			layer);
}

/* --- what differs ---------------------------------------------------------------------------- */

/* Lines end by NUL, their list by NULL. */
struct lines {
	char *text;
	char **list;
};

static void lines_done(struct lines *l)
{
	free(l->text);
	free(l->list);
}

#define autolines __attribute__((cleanup(lines_done)))

static int lines_split(struct lines *l)
{
	char *save = NULL;
	size_t room = 1, n = 0;

	if (!l->text)
		return -ENOMEM;
	for (const char *p = l->text; *p; p++)
		room += *p == '\n';
	l->list = calloc(room, sizeof(*l->list));
	if (!l->list)
		return -ENOMEM;
	for (char *line = strtok_r(l->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		l->list[n++] = line;
	return 0;
}

static const char *name_of(const char *line)
{
	const char *tab = strchr(line, '\t');

	return tab ? tab + 1 : line;
}

static const char *find(const struct lines *l, const char *name)
{
	for (char **line = l->list; *line; line++)
		if (!strcmp(name_of(*line), name))
			return *line;
	return NULL;
}

struct why {
	char text[512];
	size_t used;
	unsigned n;
};

static void add(struct why *w, const char *name, const char *what)
{
	if (w->n++ >= SHOWN || w->used + strlen(name) + strlen(what) + 4 > sizeof(w->text))
		return;
	w->used += (size_t)sprintf(w->text + w->used, "%s%s %s", w->used ? ", " : "", name, what);
}

static void compare(const struct lines *was, const struct lines *is, struct why *w)
{
	for (char **line = is->list; *line; line++) {
		const char *name = name_of(*line), *old = find(was, name);

		if (!old || strcmp(old, *line))
			add(w, name, old ? "has changed" : "is new");
	}
	for (char **line = was->list; *line; line++)
		if (!find(is, name_of(*line)))
			add(w, name_of(*line), "is gone");
}

static int read_now(const struct layer *layer, const char *parent, struct lines *ret)
{
	char tag[LAYER_TAG_MAX];
	size_t size;
	FILE *f = open_memstream(&ret->text, &size);
	int r;

	if (!f)
		return -ENOMEM;
	r = layers_tag(layer, layers_source(), parent, NULL, f, tag);
	if (fclose(f) && r == 0)
		r = -ENOMEM;
	return r < 0 ? r : lines_split(ret);
}

static int read_kept(const char *layer, struct lines *ret)
{
	char path[PATH_MAX];
	ssize_t n = kept_path(layer, "", path, sizeof(path));

	ret->text = malloc(MANIFEST_MAX);
	if (!ret->text)
		return -ENOMEM;
	if (n == 0)
		n = io_read_text(AT_FDCWD, path, ret->text, MANIFEST_MAX);
	return n < 0 ? (int)n : lines_split(ret);
}

static int why_built(const struct layer *layer, const char *parent, struct why *w)
{
	autolines struct lines was = { 0 }, is = { 0 };
	int r = read_kept(layer->name, &was);

	if (r == -ENOENT) {
		strcpy(w->text, "it was never built here");
		return 0;
	}
	if (r == 0)
		r = read_now(layer, parent, &is);
	if (r < 0 || !was.list || !is.list)
		return log_err(r, "find out why layer %s is to be built", layer->name);
	compare(&was, &is, w);
	if (w->n > SHOWN)
		snprintf(w->text + w->used, sizeof(w->text) - w->used, ", and %u more",
			 w->n - SHOWN);
	if (!w->n)
		strcpy(w->text, "nothing has changed, but the engine does not have it");
	return 0;
}

/* --- saying it ------------------------------------------------------------------------------- */

static int explain(const struct engine *engine, const struct chain *c, int i,
		   struct json_object *all)
{
	const char *name = c->layers[i].name, *tag = c->tags[i + 1];
	int there = engine->has_image(engine->client, tag), r;
	struct why w = { 0 };
	struct json_object *o;

	if (there < 0)
		return log_err(there, "look for %s", tag);
	r = there ? 0 : why_built(&c->layers[i], c->tags[i], &w);
	if (r < 0)
		return r;
	if (!all) {
		printf("%-10s %s: %s%s\n", name, tag, there ? "is there" : "to be built: ", w.text);
		return 0;
	}
	o = json_object_new_object();
	json_object_object_add(o, "layer", json_object_new_string(name));
	json_object_object_add(o, "tag", json_object_new_string(tag));
	json_object_object_add(o, "present", json_object_new_boolean(there));
	json_object_object_add(o, "why", there ? NULL : json_object_new_string(w.text));
	return json_object_array_add(all, o) < 0 ? -ENOMEM : 0;
}

int layers_explain(const struct engine *engine, const struct layers_choice *choice,
		   struct json_object *json)
{
	struct chain c = { 0 };
	int r = chain_init(&c, choice->layer);

	if (r == 0)
		r = debian_find(engine, c.tags[0]);
	if (r >= 0)
		r = chain_tags(&c, choice, NULL);
	for (int i = 0; r == 0 && i < c.n; i++)
		r = explain(engine, &c, i, json);
	return r;
}
