#include "enclave/kdf.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

/* Where a version of cgroups keeps what. */
static const struct version {
	const char *line; /* how its line in /proc/self/cgroup begins, after the number */
	const char *mount;
	const char *limits[2];
	const char *used;
	const char *reclaimable[2]; /* keys of memory.stat: clean or soon clean page cache */
} versions[] = {
	{ "::",
	  "sys/fs/cgroup",
	  { "memory.max", "memory.high" },
	  "memory.current",
	  { "inactive_file ", "active_file " } },
	{ ":memory:",
	  "sys/fs/cgroup/memory",
	  { "memory.limit_in_bytes", NULL },
	  "memory.usage_in_bytes",
	  { "total_inactive_file ", "total_active_file " } },
};

/* The number after @key, which begins a line of @text ("" is its first one); "max" is none. */
static uint64_t number_after(const char *text, const char *key, uint64_t fallback)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		char *end;
		uint64_t v;

		line += *line == '\n';
		if (strncmp(line, key, strlen(key)))
			continue;
		v = strtoull(line + strlen(key), &end, 10);
		return end == line + strlen(key) ? fallback : v;
	}
	return fallback;
}

static uint64_t number_in(int dir, const char *file, const char *key, uint64_t fallback)
{
	char text[8192];

	if (io_read_text(dir, file, text, sizeof(text)) < 0)
		return fallback;
	return number_after(text, key, fallback);
}

/* What one cgroup has left, in bytes. */
static uint64_t left_in(int dir, const struct version *v)
{
	uint64_t limit = UINT64_MAX, used, cache = 0;

	for (int i = 0; i < 2 && v->limits[i]; i++) {
		uint64_t one = number_in(dir, v->limits[i], "", UINT64_MAX);

		limit = one < limit ? one : limit;
	}
	if (limit == UINT64_MAX)
		return limit;
	used = number_in(dir, v->used, "", 0);
	for (int i = 0; i < 2; i++)
		cache += number_in(dir, "memory.stat", v->reclaimable[i], 0);
	used = used > cache ? used - cache : 0;
	return limit > used ? limit - used : 0;
}

/* From our own cgroup up to the mount's root. What a namespace hides is not there to be read. */
static uint64_t left_above(int root, const struct version *v, char *path)
{
	uint64_t least = UINT64_MAX;

	for (;;) {
		char name[PATH_MAX];
		autoclose int dir = -EBADF;
		char *slash = strrchr(path, '/');

		snprintf(name, sizeof(name), "%s%s", v->mount, path);
		dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0) {
			uint64_t left = left_in(dir, v);

			least = left < least ? left : least;
		}
		if (!slash)
			return least;
		*slash = '\0';
	}
}

static uint64_t left_in_cgroups(int root)
{
	char text[4096], path[2048];
	uint64_t least = UINT64_MAX;

	if (io_read_text(root, "proc/self/cgroup", text, sizeof(text)) < 0)
		return least;
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		const char *at = strstr(text, versions[i].line);
		uint64_t left;

		if (!at || sscanf(at + strlen(versions[i].line), "%2047[^\n]", path) != 1)
			continue;
		if (!strcmp(path, "/"))
			*path = '\0';
		left = left_above(root, &versions[i], path);
		least = left < least ? left : least;
	}
	return least;
}

uint64_t kdf_free_kib(int root)
{
	uint64_t kib = number_in(root, "proc/meminfo", "MemAvailable:", UINT64_MAX);
	uint64_t cgroups = left_in_cgroups(root);

	return cgroups / 1024 < kib ? cgroups / 1024 : kib;
}

uint64_t kdf_free_here_kib(void)
{
	autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? UINT64_MAX : kdf_free_kib(root);
}
