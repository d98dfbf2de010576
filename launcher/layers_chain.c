/* Layers one on the other, and what each of them is called now. */
#include "launcher/layers_chain.h"
#include "launcher/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "launcher/source.h"

/* --- what could not be fetched --------------------------------------------------------------- */

/* Their names, one a line, in a file of the cache: else each start would try again. */
static void without_path(char *buf, size_t size)
{
	snprintf(buf, size, "%s/without", cache_dir());
}

static int without_read(char *buf, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;

	without_path(path, sizeof(path));
	n = io_read_text(AT_FDCWD, path, buf, size);
	if (n < 0 && n != -ENOENT)
		return log_err((int)n, "read %s", path);
	if (n < 0)
		*buf = '\0';
	for (char *p = buf; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return 0;
}

int without_add(const char *names)
{
	char path[PATH_MAX];
	autoclose int fd = -EBADF;
	int r;

	without_path(path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = fd < 0 ? -errno : io_write_full(fd, names, strlen(names));
	if (r < 0)
		return log_err(r, "write down in %s what could not be fetched", path);
	log_info("these are left out; 'tazlaunch build' tries again");
	return 0;
}

int without_forget(void)
{
	char path[PATH_MAX];

	without_path(path, sizeof(path));
	return unlink(path) < 0 && errno != ENOENT ? log_err(-errno, "remove %s", path) : 0;
}

/* --- one on the other ------------------------------------------------------------------------ */

static int unknown(const char *name)
{
	char names[512];

	layers_names(layers_source(), names, sizeof(names));
	if (!*names)
		return log_err(-ENOENT, "images below %s", layers_source());
	log_error("no layer '%s' (images/%s/Dockerfile.%s); there are: %s", name, name, name,
		  names);
	return -EINVAL;
}

/* How many stand below @name, itself counted; -errno after saying why. */
static int depth_of(const char *name)
{
	struct layer l;
	int n = 0, r;

	for (; *name; name = l.parent) {
		char now[LAYER_NAME_MAX];

		snprintf(now, sizeof(now), "%s", name);
		r = layer_read(layers_source(), now, &l);
		if (r == -ENOENT || r == -EINVAL)
			return unknown(now);
		if (r < 0)
			return log_err(r, "read images/%s below %s", now, layers_source());
		if (!*l.parent && strcmp(now, "base")) {
			log_error("images/%s/Dockerfile.%s has no line '# parent: LAYER'", now,
				  now);
			return -EINVAL;
		}
		if (++n == LAYER_CHAIN) {
			log_error("more than %d layers stand below each other, or they do so in a "
				  "ring: at '%s'",
				  LAYER_CHAIN - 2, now);
			return -ELOOP;
		}
	}
	return n;
}

int layers_check(const char *name)
{
	int r = depth_of(name);

	return r < 0 ? r : 0;
}

int chain_init(struct chain *c, const char *name)
{
	char next[LAYER_NAME_MAX];
	int r = depth_of(name);

	if (r < 0)
		return r;
	c->n = r + 1;
	snprintf(next, sizeof(next), "%s", name);
	for (int i = r - 1; i >= 0; i--) {
		r = layer_read(layers_source(), next, &c->layers[i]);
		if (r < 0)
			return log_err(r, "read images/%s", next);
		memcpy(next, c->layers[i].parent, sizeof(next));
	}
	r = layer_read(layers_source(), LAYER_TOP, &c->layers[c->n - 1]);
	return r < 0 ? log_err(r, "read images/dotfiles below %s", layers_source()) : 0;
}

/* How many layers, from Debian's child on, are the same: their tags are, too. */
static int count_shared(const struct chain *a, const struct chain *b)
{
	int n = 0;

	while (n < a->n && n < b->n && !strcmp(a->layers[n].name, b->layers[n].name))
		n++;
	return n;
}

int chain_tags(struct chain *c, const struct layers_choice *choice, const struct chain *known)
{
	char lost[512], names[1024];
	int r = without_read(lost, sizeof(lost)), shared = known ? count_shared(c, known) : 0;

	for (int i = 0; i < shared; i++)
		strcpy(c->tags[i + 1], known->tags[i + 1]);
	for (int i = shared; r == 0 && i < c->n; i++) {
		struct layer *l = &c->layers[i];

		if (snprintf(names, sizeof(names), "%s,%s", choice->without, lost) >=
		    (int)sizeof(names))
			return log_err(-E2BIG, "read the names that are left out");
		r = layer_leave_out(l, layers_source(), names);
		if (r == 0)
			r = layers_tag(l, layers_source(), c->tags[i], NULL, NULL, c->tags[i + 1]);
		if (r < 0)
			return log_err(r, "read the sources of layer %s below %s", l->name,
				       layers_source());
	}
	return r;
}

int layers_wanted(const struct engine *engine, const struct layers_choice *choice,
		  char tag[LAYER_TAG_MAX])
{
	struct chain c = { 0 };
	int r = chain_init(&c, choice->layer);

	if (r == 0)
		r = debian_find(engine, c.tags[0]);
	if (r >= 0)
		r = chain_tags(&c, choice, NULL);
	if (r == 0)
		strcpy(tag, c.tags[c.n]);
	return r;
}

int chain_find(const struct chain *c, const struct engine *engine)
{
	for (int i = c->n; i > 0; i--) {
		int r = engine->has_image(engine->client, c->tags[i]);

		if (r)
			return r < 0 ? log_err(r, "look for %s", c->tags[i]) : i;
	}
	return 0;
}

static int take_tags(const struct chain *c, char (*ret)[LAYER_TAG_MAX], size_t n, size_t max)
{
	for (int i = 0; i <= c->n; i++) {
		if (n == max)
			return log_err(-E2BIG, "list the layers: there are too many");
		strcpy(ret[n++], c->tags[i]);
	}
	return (int)n;
}

int layers_current(const struct engine *engine, const char *without, char (*ret)[LAYER_TAG_MAX],
		   size_t max)
{
	struct layers_choice choice = { .without = without };
	char names[512], *save = NULL;
	/* Each layer is hashed once: a chain shares most with the one before. */
	struct chain chains[2] = { 0 }, *c = &chains[0], *known = NULL;
	int n = 0, r = debian_find(engine, c->tags[0]);

	if (r < 0)
		return r;
	if (layers_names(layers_source(), names, sizeof(names)) < 0)
		return log_err(-E2BIG, "list the layers below %s/images", layers_source());
	for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		r = chain_init(c, name);
		if (r == 0)
			r = chain_tags(c, &choice, known);
		if (r == 0)
			r = n = take_tags(c, ret, (size_t)n, max);
		if (r < 0)
			return r;
		known = c;
		c = &chains[c == &chains[0]];
		strcpy(c->tags[0], known->tags[0]);
	}
	return n;
}
