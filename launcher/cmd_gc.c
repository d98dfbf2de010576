#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/gc.h"
#include "launcher/launch.h"

#define IMAGES_MAX 65536

static void say(const char *tag, void *json)
{
	if (json)
		json_object_array_add(json, json_object_new_string(tag));
	else
		puts(tag);
}

static int remove_others(const struct launch *l, const struct gc *gc, char *images)
{
	struct json_object *gone = l->o.json ? json_object_new_array() : NULL;
	int r = gc_remove(gc, l->engine, images, l->o.dry_run, say, gone);

	json_print(gone);
	return r;
}

static int find_kept(struct gc *gc, struct launch *l)
{
	char root[PATH_MAX];

	snprintf(root, sizeof(root), "%s", l->state_dir);
	*strrchr(root, '/') = '\0';
	return gc_find(gc, l->engine, l->o.without, root);
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	static struct gc gc;
	static char images[IMAGES_MAX];
	int r = launch_begin(&l, &cmd_gc, OPT_ENGINE | OPT_WITHOUT | OPT_JSON | OPT_DRY_RUN, false,
			     argc, argv);

	if (r)
		return r;
	l.build_only = true;
	r = launch_engine(&l);
	if (r == 0)
		r = find_kept(&gc, &l);
	if (r == 0) {
		r = l.engine->list_images(l.engine->client, images, sizeof(images));
		if (r < 0)
			log_err(r, "list the images of engine %s", l.engine->name);
	}
	if (r == 0)
		r = remove_others(&l, &gc, images);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_gc = {
	.name = "gc",
	.args = "[OPTION...]",
	.help = "remove images that are neither a workshop's nor what a build would give now",
	.details =
		"  --dry-run            only print them\n"
		"  --json               one array on one line\n"
		"  --without NAME,...   what your builds leave out\n"
		"  --engine ENGINE      whose images: docker, podman or vm\n"
		"\n"
		"Prints the tags that are removed. Also a workshop that is down keeps its image.\n"
		"\n"
		"Example:  sudo tazlaunch gc --dry-run\n"
		"\n"
		"Exit codes: 0 done, also when there was nothing; 1 failed; 2 usage.\n",
	.run = run,
};
