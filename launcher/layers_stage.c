/* The context of a layer: found, sorted, hashed, and copied when it is to be built. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "launcher/layers.h"

#define DEPTH_MAX      16
#define FILE_MAX_BYTES (64 << 20)

/* One file of the context; sorted by name before it is hashed. */
struct item {
	char *name; /* in the context */
	char *from; /* on the disk */
};

struct list {
	struct item *items;
	size_t n, room;
};

static void list_done(struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->items[i].name);
		free(l->items[i].from);
	}
	free(l->items);
}

#define autolist __attribute__((cleanup(list_done)))

static int list_add(struct list *l, const char *from, const char *name)
{
	struct item it;

	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct item *more = reallocarray(l->items, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->items = more;
		l->room = room;
	}
	it.name = strdup(name);
	it.from = strdup(from);
	if (!it.name || !it.from) {
		free(it.name);
		free(it.from);
		return -ENOMEM;
	}
	l->items[l->n++] = it;
	return 0;
}

static bool wanted(const struct layer_part *part, const char *last)
{
	static const char *const junk[] = { "*.orig", "*.rej", "*~", ".*.sw?", ".git" };

	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++)
		if (!fnmatch(junk[i], last, 0))
			return false;
	for (const char *const *p = part->patterns; p && *p; p++)
		if (!fnmatch(*p, last, 0))
			return true;
	return !part->patterns;
}

static int walk(const struct layer_part *part, const char *from, const char *name, int depth,
		struct list *l);

static int walk_dir(const struct layer_part *part, const char *from, const char *name, int depth,
		    struct list *l)
{
	DIR *d = opendir(from);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (e = readdir(d))) {
		char sub_from[PATH_MAX], sub_name[PATH_MAX];

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(sub_from, sizeof(sub_from), "%s/%s", from, e->d_name) >= PATH_MAX ||
		    snprintf(sub_name, sizeof(sub_name), "%s%s%s", name, *name ? "/" : "",
			     e->d_name) >= PATH_MAX)
			r = -ENAMETOOLONG;
		else
			r = walk(part, sub_from, sub_name, depth + 1, l);
	}
	closedir(d);
	return r;
}

/* What git has is no source, and what lies in "vendor" has its hash in "releases". */
static bool is_passed_over(const char *dir)
{
	return !strcmp(dir, ".git") || !strcmp(dir, "vendor");
}

static int walk(const struct layer_part *part, const char *from, const char *name, int depth,
		struct list *l)
{
	const char *slash = strrchr(name, '/');
	struct stat st;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	if (lstat(from, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return is_passed_over(slash ? slash + 1 : name)
			       ? 0
			       : walk_dir(part, from, name, depth, l);
	if ((!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) ||
	    !wanted(part, slash ? slash + 1 : name))
		return 0;
	return list_add(l, from, name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static int gather(const struct layer *layer, const char *source, struct list *l)
{
	int r = 0;

	for (const struct layer_part *p = layer->parts; r == 0 && p->from; p++) {
		char from[PATH_MAX];

		if (snprintf(from, sizeof(from), "%s/%s", source, p->from) >= PATH_MAX)
			return -ENAMETOOLONG;
		r = walk(p, from, p->to, 0, l);
	}
	if (r == 0 && l->n)
		qsort(l->items, l->n, sizeof(*l->items), by_name);
	return r;
}

/* --- one file -------------------------------------------------------------------------------- */

struct content {
	enum layer_file kind;
	char *data;
	size_t size;
};

static int read_link(const char *path, struct content *c)
{
	char buf[PATH_MAX];
	ssize_t n = readlink(path, buf, sizeof(buf) - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	*c = (struct content){ LAYER_LINK, strdup(buf), n };
	return c->data ? 0 : -ENOMEM;
}

static int read_file(const char *path, struct content *c)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	autofree char *data = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno == ELOOP ? read_link(path, c) : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > FILE_MAX_BYTES)
		return -EFBIG;
	data = malloc(st.st_size + 1);
	if (!data)
		return -ENOMEM;
	n = io_read_full(fd, data, st.st_size);
	if (n < 0)
		return n;
	*c = (struct content){ st.st_mode & 0100 ? LAYER_EXECUTABLE : LAYER_PLAIN, NULL, n };
	c->data = take_ptr(&data);
	return 0;
}

static int make_parents(int dirfd, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s", name) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdirat(dirfd, path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

static int stage_file(int dirfd, const char *name, const struct content *c)
{
	autoclose int fd = -EBADF;
	int r = make_parents(dirfd, name);

	if (r < 0)
		return r;
	if (c->kind == LAYER_LINK)
		return symlinkat(c->data, dirfd, name) < 0 ? -errno : 0;
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Two modes only, whatever the umask: the same hash is the same image. */
	if (fchmod(fd, c->kind == LAYER_EXECUTABLE ? 0755 : 0644) < 0)
		return -errno;
	return io_write_full(fd, c->data, c->size);
}

/* One line of the manifest: what it is, and what counts of it. */
static void note(FILE *manifest, const char *name, const struct content *c)
{
	char hex[HASH_HEX_MAX];
	struct hash h;

	if (!manifest)
		return;
	hash_init(&h);
	hash_field(&h, &c->kind, sizeof(c->kind));
	hash_field(&h, c->data, c->size);
	hash_hex(&h, 16, hex);
	fprintf(manifest, "%.32s\t%s\n", hex, name);
}

static int take_item(struct layer_hash *h, const struct item *it, int stage, FILE *manifest)
{
	struct content c = { 0 };
	int r = read_file(it->from, &c);

	if (r == 0)
		r = layer_hash_file(h, it->name, c.kind, c.data, c.size);
	if (r == 0)
		note(manifest, it->name, &c);
	if (r == 0 && stage >= 0)
		r = stage_file(stage, it->name, &c);
	free(c.data);
	return r;
}

int layers_tag(const struct layer *layer, const char *source, const char *parent_tag,
	       const char *stage_dir, FILE *manifest, char tag[LAYER_TAG_MAX])
{
	autolist struct list l = { 0 };
	autoclose int stage = -EBADF;
	struct content docker = { 0 };
	struct layer_hash h;
	char path[PATH_MAX];
	int r;

	if (stage_dir) {
		stage = open(stage_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (stage < 0)
			return -errno;
	}
	if (snprintf(path, sizeof(path), "%s/%s", source, layer->dockerfile) >= PATH_MAX)
		return -ENAMETOOLONG;
	r = read_file(path, &docker);
	if (r < 0)
		return r;
	layer_hash_begin(&h, layer->name, parent_tag);
	layer_hash_dockerfile(&h, docker.data, docker.size);
	if (manifest)
		fprintf(manifest, "%s\tits parent\n%s\twhat is left out\n", parent_tag,
			*layer->without ? layer->without : "-");
	note(manifest, "the Dockerfile", &docker);
	free(docker.data);
	if (*layer->without) {
		char arg[sizeof(layer->without) + 16];

		snprintf(arg, sizeof(arg), "WITHOUT=%s", layer->without);
		layer_hash_arg(&h, arg);
	}
	r = gather(layer, source, &l);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = take_item(&h, &l.items[i], stage, manifest);
	if (r == 0)
		layer_hash_tag(&h, layer->name, tag);
	return r;
}
