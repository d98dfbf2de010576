/* Images that nobody needs any more: neither a workshop, nor the next build. */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"
#include "launcher/layers.h"

#define KEEP_MAX   256
#define IMAGES_MAX 65536

struct keep {
	char tags[KEEP_MAX][LAYER_TAG_MAX];
	size_t n;
};

static bool is_kept(const struct keep *k, const char *tag)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->tags[i], tag))
			return true;
	return false;
}

/* The image of a workshop, also of one that is down: its next start may be without a network. */
static int keep_workshop(struct keep *k, const char *name)
{
	char dir[PATH_MAX];
	struct record rec;
	int r = workshop_state_dir(name, dir, sizeof(dir));

	if (r == 0)
		r = record_load(dir, &rec);
	if (r < 0)
		return r == -ENOENT ? 0 : log_err(r, "read %s/workshop", dir);
	if (k->n == KEEP_MAX)
		return log_err(-E2BIG, "keep the image of %s", name);
	snprintf(k->tags[k->n++], LAYER_TAG_MAX, "%.127s", rec.image);
	return 0;
}

static int keep_workshops(struct keep *k, const struct launch *l)
{
	char root[PATH_MAX];
	struct dirent *e;
	int r = 0;
	DIR *d;

	snprintf(root, sizeof(root), "%s", l->state_dir);
	*strrchr(root, '/') = '\0';
	d = opendir(root);
	if (!d)
		return errno == ENOENT ? 0 : log_err(-errno, "read %s", root);
	while (r == 0 && (e = readdir(d)))
		if (workshop_name_ok(e->d_name))
			r = keep_workshop(k, e->d_name);
	closedir(d);
	return r;
}

static int find_kept(struct keep *k, struct launch *l)
{
	int r = layers_current(l->engine, l->o.without, k->tags, KEEP_MAX);

	if (r < 0)
		return r;
	k->n = (size_t)r;
	return keep_workshops(k, l);
}

static int remove_others(const struct launch *l, const struct keep *k, char *images, bool dry)
{
	struct json_object *gone = json_object_new_array();
	char *save = NULL;
	int r = 0;

	for (char *tag = strtok_r(images, "\n", &save); tag && r == 0;
	     tag = strtok_r(NULL, "\n", &save)) {
		if (is_kept(k, tag))
			continue;
		r = dry ? 0 : l->engine->remove_image(tag);
		if (r < 0)
			log_err(r, "remove %s", tag);
		else if (l->o.json)
			json_object_array_add(gone, json_object_new_string(tag));
		else
			puts(tag);
	}
	if (l->o.json)
		puts(json_object_to_json_string_ext(gone, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(gone);
	return r;
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	static struct keep keep;
	static char images[IMAGES_MAX];
	int r = launch_begin(&l, &cmd_gc, OPT_ENGINE | OPT_WITHOUT | OPT_JSON | OPT_DRY_RUN, false,
			     argc, argv);

	if (r)
		return r;
	l.build_only = true;
	r = launch_engine(&l);
	if (r == 0)
		r = find_kept(&keep, &l);
	if (r == 0) {
		r = l.engine->list_images(images, sizeof(images));
		if (r < 0)
			log_err(r, "list the images of engine %s", l.engine->name);
	}
	if (r == 0)
		r = remove_others(&l, &keep, images, l.o.dry_run);
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
		"  --engine docker|vm   whose images\n"
		"\n"
		"Prints the tags that are removed. Also a workshop that is down keeps its image.\n"
		"\n"
		"Example:  sudo tazlaunch gc --dry-run\n"
		"\n"
		"Exit codes: 0 done, also when there was nothing; 1 failed; 2 usage.\n",
	.run = run,
};
