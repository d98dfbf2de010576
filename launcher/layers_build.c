/* Layers, from Debian up: which there are, and building those that are missing. */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/run.h"
#include "launcher/layers_chain.h"
#include "launcher/source.h"

#define DEBIAN "docker.io/library/debian:trixie-slim"

/* What Debian's own root is made by, when no registry's image is there. */
static const struct layer_part debian_parts[] = {
	{ "images/lib.sh", "lib.sh", NULL },
	{ NULL },
};

static const struct layer debian = { .name = "debian",
				     .dockerfile = "images/base/debian-rootfs",
				     .parts = debian_parts };

/* --- a folder for a while -------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	remove(path);
	return 0;
}

static void remove_tree(char (*path)[PATH_MAX])
{
	int saved = errno;

	if (**path)
		nftw(*path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	errno = saved;
}

#define autotree __attribute__((cleanup(remove_tree)))

/* On the disk of /var, not in a small or foreign /tmp. */
static int make_tree(char *buf, size_t size)
{
	const char *root = getenv("TMPDIR");

	snprintf(buf, size, "%s/tazlaunch-XXXXXX", root && *root == '/' ? root : "/var/tmp");
	if (mkdtemp(buf))
		return 0;
	*buf = '\0';
	return -errno;
}

/* --- Debian ---------------------------------------------------------------------------------- */

static int import_debian(const struct engine *engine, const char *tag)
{
	autotree char dir[PATH_MAX] = "";
	char script[PATH_MAX], tar[PATH_MAX + 16];
	char *argv[] = { script, tar, NULL };
	pid_t pid;
	int r = make_tree(dir, sizeof(dir));

	if (r < 0)
		return log_err(r, "make a folder for Debian's root");
	snprintf(script, sizeof(script), "%s/images/base/debian-rootfs", layers_source());
	snprintf(tar, sizeof(tar), "%s/root.tar", dir);
	log_info("making a small Debian from its packages (once, about a minute)");
	r = run_start(script, argv, environ, (struct run_fd[]){ { 2, 1 }, { 2, 2 } }, 2, &pid);
	if (r == 0)
		r = run_wait(pid);
	if (r < 0)
		return log_err(r, "run %s", script);
	if (r > 0) {
		log_error("%s has failed", script);
		return -EIO;
	}
	r = engine->import(engine->client, tar, tag);
	return r < 0 ? log_err(r, "import %s", tag) : 0;
}

/* Our own when it is there, then a registry's when the store has it, or else ours is to be made.
 * Returns 1 when it is there, 0, or -errno. */
int debian_find(const struct engine *engine, char tag[LAYER_TAG_MAX])
{
	char hashed[LAYER_TAG_MAX];
	int r = layers_tag(&debian, layers_source(), "", NULL, NULL, hashed);

	if (r < 0)
		return log_err(r, "read images/ below %s", layers_source());
	snprintf(tag, LAYER_TAG_MAX, "localhost/taz-debian:%s", strchr(hashed, ':') + 1);
	r = engine->has_image(engine->client, tag);
	if (r == 0 && engine->has_image(engine->client, DEBIAN) == 1) {
		strcpy(tag, DEBIAN);
		r = 1;
	}
	return r < 0 ? log_err(r, "look for %s", tag) : r;
}

/* --- a layer --------------------------------------------------------------------------------- */

/* 0: all are there; 1: some that can be left out could not be fetched, and are noted so. */
static int fetch(const struct layer *layer, const char *context)
{
	char script[PATH_MAX], dir[PATH_MAX], out[PATH_MAX + 16], missing[512];
	char *argv[] = { script, dir, out, (char *)layer->without, NULL };
	int r;

	snprintf(script, sizeof(script), "%s/images/fetch", layers_source());
	snprintf(dir, sizeof(dir), "%s/%s", layers_source(), layer->dir);
	snprintf(out, sizeof(out), "%s/programs", context);
	if (mkdir(out, 0755) < 0)
		return log_err(-errno, "make %s", out);
	for (const char *w = layer->without; *w;) {
		size_t n = strcspn(w, " ");

		log_info("left out of layer %s: %.*s", layer->name, (int)n, w);
		w += n + (w[n] == ' ');
	}
	r = run_output(script, argv, environ, missing, sizeof(missing));
	if (r == 0)
		return 0;
	if (r != 3 || !*missing)
		return r < 0 ? log_err(r, "run %s", script) : -EIO;
	return without_add(missing) < 0 ? -EIO : 1;
}

/* The topmost is labelled with its own tag: by that a pull knows it (its Dockerfile has more). */
static bool is_labelled(const struct layer *layer)
{
	return !strcmp(layer->name, LAYER_TOP);
}

/* 1: without some of its releases it is another one, and nothing was built. */
static int build(const struct engine *engine, const struct layer *layer, const char *parent,
		 char tag[LAYER_TAG_MAX])
{
	autotree char dir[PATH_MAX] = "";
	char dockerfile[PATH_MAX], base[LAYER_TAG_MAX + 8], own[LAYER_TAG_MAX + 8];
	const char *const args[] = { base, is_labelled(layer) ? own : NULL, NULL };
	autofree char *counts = NULL;
	FILE *manifest;
	size_t size;
	int r = make_tree(dir, sizeof(dir));

	if (r < 0)
		return log_err(r, "make a folder for the build");
	/* The tag of what was copied: a file may have changed since the first look. */
	manifest = open_memstream(&counts, &size);
	if (!manifest)
		return log_err(-ENOMEM, "build layer %s", layer->name);
	r = layers_tag(layer, layers_source(), parent, dir, manifest, tag);
	if (fclose(manifest) && r == 0)
		r = -ENOMEM;
	if (r < 0)
		return log_err(r, "copy the sources of layer %s", layer->name);
	r = layer->has_releases ? fetch(layer, dir) : 0;
	if (r)
		return r;
	snprintf(base, sizeof(base), "BASE=%s", parent);
	snprintf(own, sizeof(own), "TAG=%s", tag);
	snprintf(dockerfile, sizeof(dockerfile), "%s/%s", layers_source(), layer->dockerfile);
	log_info("building image %s", tag);
	r = engine->build(engine->client, tag, dockerfile, dir, args);
	if (r < 0)
		return log_err(r, "build layer %s", layer->name);
	explain_keep(layer->name, counts);
	return 0;
}

/* --- one on the other ------------------------------------------------------------------------ */

/* 1: something could not be fetched, so the tags are others now */
static int chain_build(struct chain *c, const struct engine *engine, int *debian_there)
{
	int at = chain_find(c, engine), r = 0;

	if (at < 0)
		return at;
	if (at == 0 && !*debian_there)
		r = import_debian(engine, c->tags[0]);
	*debian_there |= r == 0;
	for (; r == 0 && at < c->n; at++)
		r = build(engine, &c->layers[at], c->tags[at], c->tags[at + 1]);
	return r;
}

int layers_build(const struct engine *engine, const struct layers_choice *choice, char *ret_tag,
		 size_t size)
{
	struct chain c = { 0 };
	int r = chain_init(&c, choice->layer), there;

	if (r == 0 && choice->again)
		r = without_forget();
	there = r < 0 ? r : debian_find(engine, c.tags[0]);
	if (there < 0)
		return there;
	do {
		r = chain_tags(&c, choice, NULL);
		if (r == 0)
			r = chain_build(&c, engine, &there);
	} while (r == 1);
	if (r == 0)
		snprintf(ret_tag, size, "%s", c.tags[c.n]);
	return r;
}
