/* What a layer is made of: a folder below images/, or base, which is made of our sources, too. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "launcher/layers.h"
#include "launcher/workshop.h"

#define TEXT_MAX 65536
#define SETUP	 "images/base/setup"

/* What meson needs of a folder of ours; a changed page or test rebuilds no image. */
static const char *const sources[] = {
	"*.c", "*.h", "*.scd", "meson.build", "*.policy", "*.sed", "meson_options.txt", NULL
};

static const struct layer_part base_parts[] = {
	{ "images/base/build.packages", "build.packages", NULL },
	{ "images/base/releases", "releases", NULL },
	{ "images/base/run.packages", "run.packages", NULL },
	{ SETUP, "setup", NULL },
	{ "meson.build", "src/meson.build", NULL },
	{ "meson_options.txt", "src/meson_options.txt", NULL },
	{ "enclave", "src/enclave", sources },
	{ "tazfs", "src/tazfs", sources },
	{ "launcher", "src/launcher", sources },
	{ "tests/meson.build", "src/tests/meson.build", NULL },
	{ NULL },
};

/* A file of at most TEXT_MAX bytes below the source. */
static int read_text(const char *source, const char *path, char **ret)
{
	autoclose int dir = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofree char *text = malloc(TEXT_MAX);
	ssize_t n;

	if (dir < 0)
		return -errno;
	if (!text)
		return -ENOMEM;
	n = io_read_text(dir, path, text, TEXT_MAX);
	if (n < 0)
		return (int)n;
	*ret = take_ptr(&text);
	return 0;
}

/* The line "# parent: NAME" of a Dockerfile, or "". */
static int find_parent(const char *text, char ret[LAYER_NAME_MAX])
{
	static const char mark[] = "# parent: ";
	const char *at =
		strncmp(text, mark, strlen(mark)) ? strstr(text, "\n# parent: ") : text - 1;
	size_t n;

	*ret = '\0';
	if (!at)
		return 0;
	at += 1 + strlen(mark);
	n = strcspn(at, "\n");
	if (n >= LAYER_NAME_MAX)
		return -EINVAL;
	memcpy(ret, at, n);
	ret[n] = '\0';
	return workshop_name_ok(ret) ? 0 : -EINVAL;
}

static void set_parts(struct layer *l)
{
	if (!strcmp(l->name, "base")) {
		l->parts = base_parts;
		return;
	}
	l->own[0] = (struct layer_part){ l->dir, "", NULL };
	l->own[1] = (struct layer_part){ SETUP, "setup", NULL };
	l->own[2] = (struct layer_part){ NULL };
	l->parts = l->own;
}

int layer_read(const char *source, const char *name, struct layer *ret)
{
	autofree char *text = NULL;
	char releases[PATH_MAX];
	int r;

	if (!workshop_name_ok(name))
		return -EINVAL;
	*ret = (struct layer){ 0 };
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->dir, sizeof(ret->dir), "images/%s", name);
	snprintf(ret->dockerfile, sizeof(ret->dockerfile), "%s/Dockerfile.%s", ret->dir, name);
	r = read_text(source, ret->dockerfile, &text);
	if (!text)
		return r;
	r = find_parent(text, ret->parent);
	if (r < 0)
		return r;
	if (snprintf(releases, sizeof(releases), "%s/%s/releases", source, ret->dir) >= PATH_MAX)
		return -ENAMETOOLONG;
	ret->has_releases = access(releases, R_OK) == 0;
	set_parts(ret);
	return 0;
}

/* --- releases -------------------------------------------------------------------------------- */

/* Is @name, of @len bytes, a word of a list with commas or blanks? */
static bool is_listed(const char *list, const char *name, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, ", ");

		if ((n == len && !strncmp(list, name, len)) || (n == 3 && !strncmp(list, "all", 3)))
			return true;
		list += n + (list[n] != '\0');
	}
	return false;
}

int layer_leave_out(struct layer *layer, const char *source, const char *names)
{
	autofree char *text = NULL;
	char path[64];
	size_t used = 0;
	int r;

	layer->without[0] = '\0';
	if (!layer->has_releases || !*names)
		return 0;
	snprintf(path, sizeof(path), "%s/releases", layer->dir);
	r = read_text(source, path, &text);
	if (!text)
		return r;
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, " ?#\n"), rest = strcspn(line, "\n");

		if (n && is_listed(names, line, n)) {
			if (used + n + 2 > sizeof(layer->without))
				return -E2BIG;
			used += (size_t)sprintf(layer->without + used, "%s%.*s", used ? " " : "",
						(int)n, line);
		}
		line += rest + (line[rest] == '\n');
	}
	return 0;
}

/* --- which there are ------------------------------------------------------------------------- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int layers_names(const char *source, char *buf, size_t size)
{
	char path[PATH_MAX];
	struct dirent **found = NULL;
	size_t used = 0;
	int n, r = 0;

	*buf = '\0';
	snprintf(path, sizeof(path), "%s/images", source);
	n = scandir(path, &found, NULL, by_name);
	for (int i = 0; i < n; i++) {
		const char *name = found[i]->d_name;
		struct layer l;

		/* What has no parent is put on top of each. */
		if (layer_read(source, name, &l) == 0 && (*l.parent || !strcmp(name, "base"))) {
			if (used + strlen(name) + 2 < size)
				used += (size_t)sprintf(buf + used, "%s%s", used ? " " : "", name);
			else
				r = -E2BIG;
		}
		free(found[i]);
	}
	free(found);
	return r;
}
