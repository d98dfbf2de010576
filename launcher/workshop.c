#include "launcher/workshop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#define STATE_ROOT "/var/lib/taz"

bool workshop_name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n && !name[n] && n <= WORKSHOP_NAME_MAX && name[0] != '-';
}

int workshop_state_dir(const char *name, char *buf, size_t size)
{
	const char *root = getenv("TAZ_STATE");

	if (!root || !*root)
		root = STATE_ROOT;
	if (root[0] != '/')
		return -EINVAL;
	return snprintf(buf, size, "%s/%s", root, name) < (int)size ? 0 : -ENAMETOOLONG;
}

/* Ours alone: what lies in a folder that others may write cannot be trusted. */
static int make_dir(int dirfd, const char *path)
{
	struct stat st;

	if (mkdirat(dirfd, path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return -EACCES;
	return st.st_mode & 077 && fchmodat(dirfd, path, 0700, 0) < 0 ? -errno : 0;
}

static int through_root(char *buf, size_t size)
{
	const char *state = getenv("TAZ_STATE"), *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int n;

	if (state && *state)
		n = snprintf(buf, size, "%s", state);
	else if (geteuid() == 0)
		n = snprintf(buf, size, STATE_ROOT);
	else if (xdg && *xdg)
		n = snprintf(buf, size, "%s/taz", xdg);
	else if (home && *home)
		n = snprintf(buf, size, "%s/.local/state/taz", home);
	else
		return -ENOENT;
	if (n >= (int)size)
		return -ENAMETOOLONG;
	return *buf == '/' ? 0 : -EINVAL;
}

int workshop_through_dir(const char *name, char *buf, size_t size)
{
	char root[PATH_MAX];
	int r = through_root(root, sizeof(root));

	if (r < 0)
		return r;
	return snprintf(buf, size, "%s/.through/%s", root, name) < (int)size ? 0 : -ENAMETOOLONG;
}

/* The folders above are whoever's: only what is ours alone is written in. */
int workshop_make_through_dir(const char *dir)
{
	autofree char *path = strdup(dir);
	char *name;
	int r;

	if (!path)
		return -ENOMEM;
	for (char *p = path + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	name = strrchr(path, '/');
	*name = '\0';
	r = make_dir(AT_FDCWD, path);
	*name = '/';
	return r < 0 ? r : make_dir(AT_FDCWD, path);
}

int workshop_make_dirs(const char *state_dir)
{
	static const char *const below[] = { "vault", "run", "work" };
	autofree char *root = strdup(state_dir);
	autoclose int fd = -EBADF;
	int r;

	if (!root)
		return -ENOMEM;
	*strrchr(root, '/') = '\0';
	if (*root && mkdir(root, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = make_dir(AT_FDCWD, state_dir);
	if (r < 0)
		return r;
	fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < sizeof(below) / sizeof(*below); i++)
		r = make_dir(fd, below[i]);
	/* The empty workspace is shown to the user inside. */
	if (r == 0 && fchmodat(fd, "work", 0755, 0) < 0)
		r = -errno;
	return r;
}

/* What we have locked is still the file of that name. */
static bool is_lock(int fd, const char *path)
{
	struct stat ours, now;

	return fstat(fd, &ours) == 0 && lstat(path, &now) == 0 && ours.st_dev == now.st_dev &&
	       ours.st_ino == now.st_ino;
}

int workshop_lock(const char *state_dir)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/lock", state_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (;;) {
		autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return -errno;
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return -errno;
		/* Else it was removed while we waited. */
		if (is_lock(fd, path))
			return take_fd(&fd);
	}
}

static int removed_err;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (remove(path) < 0 && errno != ENOENT && !removed_err)
		removed_err = -errno;
	return 0;
}

static int remove_tree(const char *path)
{
	/* Neither through links nor into what is mounted there. */
	removed_err = 0;
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0)
		return -errno;
	return removed_err;
}

/* No workshop's name has a dot. */
static int aside_of(const char *state_dir, char *buf, size_t size)
{
	return snprintf(buf, size, "%s.removed", state_dir) < (int)size ? 0 : -ENAMETOOLONG;
}

bool workshop_exists(const char *state_dir)
{
	char aside[PATH_MAX];
	struct stat st;

	return (lstat(state_dir, &st) == 0 && S_ISDIR(st.st_mode)) ||
	       (aside_of(state_dir, aside, sizeof(aside)) == 0 && lstat(aside, &st) == 0);
}

int workshop_remove(const char *state_dir)
{
	char aside[PATH_MAX];
	int r = aside_of(state_dir, aside, sizeof(aside)), left;

	if (r < 0)
		return r;
	left = remove_tree(aside);
	if (left < 0 && left != -ENOENT)
		return left;
	/* At once: what somebody starts under this name meanwhile is another one. */
	if (rename(state_dir, aside) < 0)
		return errno == ENOENT ? left : -errno;
	return remove_tree(aside);
}

/* --- the record ------------------------------------------------------------------------------ */

static const struct key {
	const char *name;
	size_t offset, size;
	bool optional;
} keys[] = {
	{ "engine", offsetof(struct record, engine), sizeof(((struct record *)0)->engine) },
	{ "image", offsetof(struct record, image), sizeof(((struct record *)0)->image) },
	{ "instance", offsetof(struct record, instance), sizeof(((struct record *)0)->instance) },
	{ "workspace", offsetof(struct record, workspace),
	  sizeof(((struct record *)0)->workspace) },
	{ "mounts", offsetof(struct record, mounts), sizeof(((struct record *)0)->mounts), true },
	{ "rights", offsetof(struct record, rights), sizeof(((struct record *)0)->rights), true },
};

#define N_KEYS (sizeof(keys) / sizeof(*keys))

static int parse_line(const char *line, size_t len, struct record *rec)
{
	const char *eq = memchr(line, '=', len);

	if (!eq)
		return -EBADMSG;
	for (const struct key *k = keys; k < keys + N_KEYS; k++) {
		size_t n = line + len - (eq + 1);
		char *to = (char *)rec + k->offset;

		if (strlen(k->name) != (size_t)(eq - line) || strncmp(line, k->name, eq - line))
			continue;
		if (n >= k->size || *to)
			return -EBADMSG; /* too long, or given twice */
		memcpy(to, eq + 1, n);
		to[n] = '\0';
		return 0;
	}
	return -EBADMSG;
}

int record_parse(const char *text, struct record *ret)
{
	struct record rec = { 0 };

	while (*text) {
		size_t len = strcspn(text, "\n");
		int r = parse_line(text, len, &rec);

		if (r < 0)
			return r;
		text += len + (text[len] == '\n');
	}
	for (const struct key *k = keys; k < keys + N_KEYS; k++)
		if (!k->optional && !((char *)&rec)[k->offset])
			return -EBADMSG;
	*ret = rec;
	return 0;
}

int record_load(const char *state_dir, struct record *ret)
{
	autoclose int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[sizeof(struct record) + 128];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = io_read_text(fd, "workshop", text, sizeof(text));
	return n < 0 ? (int)n : record_parse(text, ret);
}

int record_save(const char *state_dir, const struct record *rec)
{
	autoclose int dirfd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = -EBADF;
	char text[sizeof(struct record) + 128];
	int r, n = 0;

	if (dirfd < 0)
		return -errno;
	for (const struct key *k = keys; k < keys + N_KEYS; k++) {
		const char *value = (const char *)rec + k->offset;

		if (strchr(value, '\n'))
			return -EINVAL;
		if (*value || !k->optional)
			n += snprintf(text + n, sizeof(text) - n, "%s=%s\n", k->name, value);
	}
	fd = openat(dirfd, "workshop.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = io_write_full(fd, text, n);
	if (r < 0)
		return r;
	if (fsync(fd) < 0 || renameat(dirfd, "workshop.new", dirfd, "workshop") < 0 ||
	    fsync(dirfd) < 0)
		return -errno;
	return 0;
}

/* Is it the directory, or somewhere in it? Both without links and a slash at the end. */
static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (path[n] == '/' || !path[n]);
}

const char *workspace_refused(const char *cwd, const char *const own[])
{
	char path[PATH_MAX];

	if (!strcmp(cwd, "/"))
		return "the whole of / is not given away";
	for (; *own; own++)
		if (realpath(*own, path) && (is_below(path, cwd) || is_below(cwd, path)))
			return "taz itself is in this directory, and root runs it, so it is not "
			       "given away";
	return NULL;
}

static bool is_within(const char *path, const char *dir)
{
	return is_below(path, dir) && strcmp(path, dir) != 0;
}

/* Could who is inside that workshop put something else in the place of @path? */
static bool lets_change(const struct record *rec, const char *path)
{
	struct binds b;
	bool is = is_within(path, rec->workspace);

	if (binds_parse(rec->mounts, &b) < 0)
		return true;
	for (int i = 0; i < b.n; i++)
		is |= is_within(path, b.v[i].source);
	return is;
}

static int is_around(const char *root, const char *name, const char *cwd, workshop_is_up_t *is_up)
{
	char dir[PATH_MAX];
	struct record rec;
	int r;

	if (snprintf(dir, sizeof(dir), "%s/%s", root, name) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	r = record_load(dir, &rec);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return lets_change(&rec, cwd) ? is_up(name, dir, &rec) : 0;
}

int workshop_around(const char *state_dir, const char *cwd, workshop_is_up_t *is_up,
		    char ret_name[WORKSHOP_NAME_MAX + 1])
{
	const char *own = strrchr(state_dir, '/') + 1;
	autofree char *root = strndup(state_dir, own - 1 - state_dir);
	DIR *d = root ? opendir(root) : NULL;
	int r = 0;

	if (!d)
		return root ? -errno : -ENOMEM;
	while (r == 0) {
		const struct dirent *e;

		errno = 0;
		e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		if (!workshop_name_ok(e->d_name) || !strcmp(e->d_name, own))
			continue;
		strcpy(ret_name, e->d_name); /* a workshop's name is short */
		r = is_around(root, e->d_name, cwd, is_up);
	}
	closedir(d);
	return r;
}

int workspace_inside(const char *workspace, const char *cwd, char *buf, size_t size)
{
	if (is_below(cwd, workspace) &&
	    snprintf(buf, size, "/workspace%s", cwd + strlen(workspace)) < (int)size)
		return 0;
	snprintf(buf, size, "/workspace");
	return -ENOENT;
}
