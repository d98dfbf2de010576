#include "tazfs/script.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/secret.h"
#include "tazfs/args.h"
#include "tazfs/policy_parse.h"

#define ARGS_BYTES 4096 /* the script is among the first arguments */
#define ENV_BYTES  (1024UL * 1024)

static const char deleted[] = " (deleted)";

/* The path of the executable as the kernel prints it, only good for its name. */
static int read_program(int procfd, char path[PATH_MAX])
{
	ssize_t n = readlinkat(procfd, "exe", path, PATH_MAX - 1);
	ssize_t tail = sizeof(deleted) - 1;

	if (n < 0)
		return -errno;
	path[n] = '\0';
	if (n > tail && !strcmp(path + n - tail, deleted))
		path[n - tail] = '\0';
	return 0;
}

bool script_is_possible(int procfd)
{
	char path[PATH_MAX];

	return read_program(procfd, path) < 0 || policy_interpreter(path);
}

static ssize_t read_file(int procfd, const char *name, void *buf, size_t size)
{
	autoclose int fd = openat(procfd, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : io_read_full(fd, buf, size);
}

uint64_t script_image(int procfd)
{
	uint8_t auxv[1024];
	ssize_t n = read_file(procfd, "auxv", auxv, sizeof(auxv));
	uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (ssize_t i = 0; i < n; i++)
		sum = (sum ^ auxv[i]) * UINT64_C(0x100000001b3);
	return n > 0 ? sum : 0;
}

bool script_env_is_clean(int procfd)
{
	autofree char *env = malloc(ENV_BYTES);
	ssize_t n = env ? read_file(procfd, "environ", env, ENV_BYTES) : -ENOMEM;
	bool clean = n >= 0 && (size_t)n < ENV_BYTES && args_env_is_clean(env, n);

	if (n > 0)
		secret_wipe(env, n); /* people keep tokens there */
	return clean;
}

/* --- where the path leads -------------------------------------------------------------------- */

static int open_below(int dirfd, const char *path, uint64_t resolve)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = resolve | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static struct file_id id_and_time_of(int fd, int64_t *ret_changed_ns)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return (struct file_id){ 0 };
	*ret_changed_ns = st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec;
	return (struct file_id){ st.st_dev, st.st_ino };
}

static struct file_id id_of(int fd)
{
	int64_t changed_ns;

	return id_and_time_of(fd, &changed_ns);
}

static bool is_only_root_s(int dirfd)
{
	struct stat st;

	return fstat(dirfd, &st) == 0 && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* "/bin/x" is "/usr/bin/x" where "/bin" is a link to there. */
static void skip_merged(int rootfd, const char **path, char buf[PATH_MAX])
{
	char link[16];
	const char *top = *path + 1;
	size_t len = strcspn(top, "/");
	char name[8];
	ssize_t n;

	if ((len != 3 || strncmp(top, "bin", 3)) && (len != 4 || strncmp(top, "sbin", 4)))
		return;
	snprintf(name, sizeof(name), "%.*s", (int)len, top);
	n = readlinkat(rootfd, name, link, sizeof(link) - 1);
	if (n < 0 || !is_only_root_s(rootfd))
		return;
	link[n] = '\0';
	if (strncmp(link, "usr/", 4) || strcmp(link + 4, name))
		return;
	snprintf(buf, PATH_MAX, "/usr%s", *path);
	*path = buf;
}

/* By a way that nobody but root can have turned since. */
static struct file_id find_certain(int rootfd, const char *path)
{
	autoclose int fd = -EBADF, dirfd = -EBADF;
	char buf[PATH_MAX], dir[PATH_MAX];
	const char *slash;

	skip_merged(rootfd, &path, buf);
	fd = open_below(rootfd, path, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	if (fd != -ELOOP)
		return id_of(fd);
	slash = strrchr(path, '/');
	snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);
	dirfd = open_below(rootfd, dir, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	if (dirfd < 0 || !is_only_root_s(dirfd))
		return (struct file_id){ 0 };
	fd = open_below(rootfd, path, RESOLVE_IN_ROOT);
	return id_of(fd);
}

static bool is_same(struct file_id a, struct file_id b)
{
	return a.ino == b.ino && a.dev == b.dev;
}

static void find(int procfd, const char *path, struct script *ret)
{
	autoclose int rootfd = openat(procfd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int cwdfd = -EBADF, fd = -EBADF;

	if (rootfd < 0)
		return;
	if (*path == '/') {
		fd = open_below(rootfd, path, RESOLVE_IN_ROOT);
		ret->id = id_and_time_of(fd, &ret->changed_ns);
		ret->doubt |= !ret->id.ino || !is_same(ret->id, find_certain(rootfd, path));
		return;
	}
	ret->doubt = true;
	cwdfd = openat(procfd, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (cwdfd >= 0)
		fd = open_below(cwdfd, path, 0);
	ret->id = id_and_time_of(fd, &ret->changed_ns);
}

void script_read(int procfd, struct script *ret)
{
	char program[PATH_MAX], args[ARGS_BYTES];
	enum args_script found;
	const char *path;
	ssize_t n;

	*ret = (struct script){ .doubt = true };
	if (read_program(procfd, program) < 0)
		return;
	n = read_file(procfd, "cmdline", args, sizeof(args));
	if (n < 0)
		return;
	found = args_script(program, args, n, (size_t)n < sizeof(args), &path);
	ret->doubt = found != ARGS_NONE && found != ARGS_FILE;
	if (found == ARGS_FILE || found == ARGS_LOOSE)
		find(procfd, path, ret);
}
