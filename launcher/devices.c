#include "launcher/devices.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

enum source { MISC, BLOCK };

/* count > 1: path is a prefix, and minors count from 0. Loops above these are made by whoever
 * takes them (LOOP_CTL_GET_FREE may name any). */
static const struct node {
	const char *path;
	enum source source;
	const char *kernel_name;
	const char *module;
	mode_t mode;
	unsigned count;
} nodes[] = {
	{ "loop-control", MISC, "loop-control", "loop", S_IFCHR | 0600, 1 },
	{ "loop", BLOCK, "loop", "loop", S_IFBLK | 0600, 8 },
	{ "mapper/control", MISC, "device-mapper", "dm_mod", S_IFCHR | 0600, 1 },
	/* Anybody may open it: a mount still takes a capability, and the keeper makes ours. */
	{ "fuse", MISC, "fuse", "fuse", S_IFCHR | 0666, 1 },
};

#define NODES_END (nodes + sizeof(nodes) / sizeof(*nodes))

/* A line is "  NUMBER NAME"; the name is the whole rest of the line. */
static int number_of_line(const char *line, size_t len, const char *name)
{
	char *end;
	long n;

	while (len && *line == ' ') {
		line++;
		len--;
	}
	if (!len || !isdigit((unsigned char)*line))
		return -ENOENT;
	n = strtol(line, &end, 10);
	if (n < 0 || n > 0xfffff || *end != ' ' || end >= line + len)
		return -ENOENT;
	end++;
	if ((size_t)(line + len - end) != strlen(name) || strncmp(end, name, strlen(name)))
		return -ENOENT;
	return n;
}

static int number_in(const char *text, const char *name)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		int n = number_of_line(text, len, name);

		if (n >= 0)
			return n;
		text += len + (text[len] == '\n');
	}
	return -ENOENT;
}

int devices_misc_minor(const char *text, const char *name)
{
	return number_in(text, name);
}

int devices_block_major(const char *text, const char *name)
{
	const char *block = strstr(text, "Block devices:\n");

	return block ? number_in(block, name) : -ENOENT;
}

static bool is_right(const struct stat *st, mode_t mode, dev_t dev)
{
	return (st->st_mode & S_IFMT) == (mode & S_IFMT) && st->st_rdev == dev;
}

int devices_make_node(int dirfd, const char *path, mode_t mode, dev_t dev)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!is_right(&st, mode, dev) && unlinkat(dirfd, path, 0) < 0)
			return -errno;
	} else if (errno != ENOENT) {
		return -errno;
	}
	if (mknodat(dirfd, path, mode, dev) < 0 && errno != EEXIST)
		return -errno;
	/* Again: umask took part in mknod, and somebody else may have been first. */
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!is_right(&st, mode, dev))
		return -EEXIST;
	return fchmodat(dirfd, path, mode & 07777, 0) < 0 ? -errno : 0;
}

struct numbers {
	char misc[8192];
	char devices[8192];
};

static int read_numbers(struct numbers *n)
{
	ssize_t r = io_read_text(AT_FDCWD, "/proc/misc", n->misc, sizeof(n->misc));

	if (r >= 0)
		r = io_read_text(AT_FDCWD, "/proc/devices", n->devices, sizeof(n->devices));
	return r < 0 ? r : 0;
}

static int find_dev(const char *misc, const char *devices, const struct node *n, dev_t *ret)
{
	int v = n->source == MISC ? devices_misc_minor(misc, n->kernel_name)
				  : devices_block_major(devices, n->kernel_name);

	if (v < 0)
		return v;
	/* misc's own major is part of the ABI: Documentation/admin-guide/devices.txt, 10 char */
	*ret = n->source == MISC ? makedev(10, v) : makedev(v, 0);
	return 0;
}

static int make_nodes(int dirfd, const struct node *n, dev_t dev)
{
	char path[64];
	int r = 0;

	if (n->count == 1)
		return devices_make_node(dirfd, n->path, n->mode, dev);
	for (unsigned i = 0; r == 0 && i < n->count; i++) {
		snprintf(path, sizeof(path), "%s%u", n->path, i);
		r = devices_make_node(dirfd, path, n->mode, makedev(major(dev), i));
	}
	return r;
}

static int tell_missing(const struct node *n, char *missing, size_t size)
{
	snprintf(missing, size, "the kernel has no %s; load it on the host: modprobe %s",
		 n->kernel_name, n->module);
	return -ENODEV;
}

int devices_make_all(const char *dev_path, char *missing, size_t size)
{
	autoclose int dirfd = open(dev_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct numbers num;
	int r;

	if (dirfd < 0)
		return -errno;
	r = read_numbers(&num);
	if (r < 0)
		return r;
	if (mkdirat(dirfd, "mapper", 0755) < 0 && errno != EEXIST)
		return -errno;
	for (const struct node *n = nodes; n < NODES_END; n++) {
		dev_t dev;

		if (find_dev(num.misc, num.devices, n, &dev) < 0)
			return tell_missing(n, missing, size);
		r = make_nodes(dirfd, n, dev);
		if (r < 0)
			return r;
	}
	return 0;
}

int devices_kernel_has(char *missing, size_t size)
{
	struct numbers num;
	int r = read_numbers(&num);

	if (r < 0)
		return r;
	for (const struct node *n = nodes; n < NODES_END; n++) {
		dev_t dev;

		if (find_dev(num.misc, num.devices, n, &dev) < 0) {
			tell_missing(n, missing, size);
			return 0;
		}
	}
	return 1;
}

#define RULE "--device-cgroup-rule="

int devices_add_rules_of(struct argv *a, const char *misc, const char *devices)
{
	int mappings = devices_block_major(devices, "device-mapper");

	for (const struct node *n = nodes; n < NODES_END; n++) {
		dev_t dev;

		if (find_dev(misc, devices, n, &dev) < 0)
			return -ENODEV;
		if (n->source == MISC)
			argv_add(a, RULE "c %u:%u rwm", major(dev), minor(dev));
		else
			argv_add(a, RULE "b %u:* rwm", major(dev));
	}
	if (mappings < 0)
		return -ENODEV;
	/* What the mapper makes: it has no node before. */
	argv_add(a, RULE "b %d:* rwm", mappings);
	return 0;
}

int devices_add_rules(struct argv *a)
{
	struct numbers num;
	int r = read_numbers(&num);

	return r < 0 ? r : devices_add_rules_of(a, num.misc, num.devices);
}
