/* Layers, from Debian up: which there are, and building those that are missing. */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/run.h"
#include "launcher/layers.h"

#define DEBIAN "docker.io/library/debian:trixie-slim"

/* What meson needs of a folder of ours; a changed page or test rebuilds no image. */
static const char *const sources[] = {
	"*.c", "*.h", "*.scd", "meson.build", "*.policy", "*.sed", "meson_options.txt", NULL
};

static const struct layer_part base_parts[] = {
	{ "images/base/build.packages", "build.packages", NULL },
	{ "images/base/run.packages", "run.packages", NULL },
	{ "images/base/setup", "setup", NULL },
	{ "images/base/dotfiles", "dotfiles", NULL },
	{ "meson.build", "src/meson.build", NULL },
	{ "meson_options.txt", "src/meson_options.txt", NULL },
	{ "enclave", "src/enclave", sources },
	{ "tazfs", "src/tazfs", sources },
	{ "launcher", "src/launcher", sources },
	{ "tests/meson.build", "src/tests/meson.build", NULL },
	{ NULL },
};

/* A parent stands before its children. */
static const struct layer layers[] = {
	{ "base", NULL, "images/base/Dockerfile.base", base_parts },
};

/* What Debian's own root is made by, when no registry's image is there. */
static const struct layer_part debian_parts[] = {
	{ "images/lib.sh", "lib.sh", NULL },
	{ NULL },
};

static const struct layer debian = { "debian", NULL, "images/base/debian-rootfs", debian_parts };

const struct layer *layers_find(const char *name)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
		if (!strcmp(layers[i].name, name))
			return &layers[i];
	return NULL;
}

const char *layers_source(void)
{
	const char *env = getenv("TAZ_SOURCE");

	return env && *env ? env : TAZ_SOURCE_DIR;
}

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
	r = engine->import(tar, tag);
	return r < 0 ? log_err(r, "import %s", tag) : 0;
}

/* Our own when it is there, then a registry's when the store has it, or else ours is made. */
static int have_debian(const struct engine *engine, char tag[LAYER_TAG_MAX])
{
	char hashed[LAYER_TAG_MAX];
	int r = layers_tag(&debian, layers_source(), "", NULL, hashed);

	if (r < 0)
		return log_err(r, "read images/ below %s", layers_source());
	snprintf(tag, LAYER_TAG_MAX, "localhost/taz-debian:%s", strchr(hashed, ':') + 1);
	r = engine->has_image(tag);
	if (r == 0 && engine->has_image(DEBIAN) == 1) {
		strcpy(tag, DEBIAN);
		r = 1;
	}
	if (r < 0)
		return log_err(r, "look for %s", tag);
	return r ? 0 : import_debian(engine, tag);
}

/* --- a layer --------------------------------------------------------------------------------- */

static int build(const struct engine *engine, const struct layer *layer, const char *parent,
		 char tag[LAYER_TAG_MAX])
{
	autotree char dir[PATH_MAX] = "";
	char dockerfile[PATH_MAX], base[LAYER_TAG_MAX + 8];
	const char *const args[] = { base, NULL };
	int r = make_tree(dir, sizeof(dir));

	if (r < 0)
		return log_err(r, "make a folder for the build");
	/* The tag of what was copied: a file may have changed since the first look. */
	r = layers_tag(layer, layers_source(), parent, dir, tag);
	if (r < 0)
		return log_err(r, "copy the sources of layer %s", layer->name);
	snprintf(base, sizeof(base), "BASE=%s", parent);
	snprintf(dockerfile, sizeof(dockerfile), "%s/%s", layers_source(), layer->dockerfile);
	log_info("building image %s", tag);
	r = engine->build(tag, dockerfile, dir, args);
	return r < 0 ? log_err(r, "build layer %s", layer->name) : 0;
}

static int have_layer(const struct engine *engine, const struct layer *layer,
		      char tag[LAYER_TAG_MAX])
{
	char parent[LAYER_TAG_MAX];
	int r = layer->parent ? have_layer(engine, layers_find(layer->parent), parent)
			      : have_debian(engine, parent);

	if (r < 0)
		return r;
	r = layers_tag(layer, layers_source(), parent, NULL, tag);
	if (r < 0)
		return log_err(r, "read the sources of layer %s below %s", layer->name,
			       layers_source());
	r = engine->has_image(tag);
	if (r < 0)
		return log_err(r, "look for %s", tag);
	return r ? 0 : build(engine, layer, parent, tag);
}

int layers_build(const struct engine *engine, const char *name, char *ret_tag, size_t size)
{
	const struct layer *layer = layers_find(name);
	char tag[LAYER_TAG_MAX];
	int r;

	if (!layer) {
		log_error("no layer '%s'", name);
		return -ENOENT;
	}
	r = have_layer(engine, layer, tag);
	if (r == 0)
		snprintf(ret_tag, size, "%s", tag);
	return r;
}
