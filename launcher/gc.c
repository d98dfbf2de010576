#include "launcher/gc.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/log.h"
#include "launcher/workshop.h"

static bool is_kept(const struct gc *gc, const char *tag)
{
	for (size_t i = 0; i < gc->n; i++)
		if (!strcmp(gc->kept[i], tag))
			return true;
	return false;
}

/* As layer_hash_tag() and debian_find() name them: somebody's own images may be called taz/...,
 * too. */
static bool is_ours(const char *tag)
{
	const char *hash = strrchr(tag, ':');

	return hash && strspn(hash + 1, "0123456789abcdef") == 32 && !hash[1 + 32];
}

static int keep_workshop(struct gc *gc, const char *root, const char *name)
{
	char dir[PATH_MAX];
	struct record rec;
	int r = snprintf(dir, sizeof(dir), "%s/%s", root, name) < (int)sizeof(dir) ? 0
										   : -ENAMETOOLONG;

	if (r == 0)
		r = record_load(dir, &rec);
	if (r < 0)
		return r == -ENOENT ? 0 : log_err(r, "read %s/workshop", dir);
	if (gc->n == GC_KEEP_MAX)
		return log_err(-E2BIG, "keep the image of %s", name);
	snprintf(gc->kept[gc->n++], LAYER_TAG_MAX, "%.127s", rec.image);
	return 0;
}

static int keep_workshops(struct gc *gc, const char *root)
{
	DIR *d = opendir(root);
	int r = 0, err;

	if (!d)
		return errno == ENOENT ? 0 : log_err(-errno, "read %s", root);
	for (;;) {
		const struct dirent *e;

		/* A list that ends before its end would cost a workshop its image. */
		errno = 0;
		e = readdir(d);
		err = errno;
		if (!e)
			break;
		if (workshop_name_ok(e->d_name))
			r = keep_workshop(gc, root, e->d_name);
		if (r < 0)
			break;
	}
	closedir(d);
	return r == 0 && err ? log_err(-err, "read %s", root) : r;
}

int gc_find(struct gc *gc, const struct engine *engine, const char *without, const char *state_root)
{
	int r = layers_current(engine, without, gc->kept, GC_KEEP_MAX);

	if (r < 0)
		return r;
	gc->n = (size_t)r;
	return keep_workshops(gc, state_root);
}

int gc_remove(const struct gc *gc, const struct engine *engine, char *images, bool dry,
	      void (*gone)(const char *tag, void *arg), void *arg)
{
	char *save = NULL;
	int first = 0;

	for (char *tag = strtok_r(images, "\n", &save); tag; tag = strtok_r(NULL, "\n", &save)) {
		int r;

		if (is_kept(gc, tag) || !is_ours(tag))
			continue;
		r = dry ? 0 : engine->remove_image(engine->client, tag);
		if (r == 0) {
			gone(tag, arg);
			continue;
		}
		log_err(r, "remove %s", tag);
		first = first ? first : r;
	}
	return first;
}
