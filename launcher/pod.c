#include "launcher/pod.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/secret.h"
#include "launcher/workshop.h"

#define VAULT	  "/var/lib/taz"
#define WORKSPACE "/workspace"

int pod_instance(const char *name, char buf[POD_INSTANCE_MAX])
{
	uint64_t random;

	if (!workshop_name_ok(name))
		return -EINVAL;
	secret_random(&random, sizeof(random));
	snprintf(buf, POD_INSTANCE_MAX, "%s-%016" PRIx64, name, random);
	return 0;
}

static int open_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int pod_cover(const char *path, const char *mode)
{
	autoclose int fd = open_folder(path);
	char magic[32], options[32];

	if (fd < 0)
		return fd;
	/* Source: proc(5): such a link leads to the very folder, whatever its name is by now. */
	snprintf(magic, sizeof(magic), "/proc/self/fd/%d", fd);
	snprintf(options, sizeof(options), "mode=%s,uid=0,gid=0", mode);
	return mount(POD_SOURCE, magic, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0 ? -errno : 0;
}

/* Source: statx(2): STATX_ATTR_MOUNT_ROOT, since 5.8; a kernel that does not know it says so. */
static int is_mounted(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0)
		return -errno;
	if (!(st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return -EOPNOTSUPP;
	return st.stx_attributes & STATX_ATTR_MOUNT_ROOT ? 1 : 0;
}

int pod_take(const char *path)
{
	autoclose int fd = open_folder(path);
	int r = fd < 0 ? fd : is_mounted(fd);

	if (r <= 0)
		return r < 0 ? r : -ENODEV;
	return fchown(fd, 0, 0) < 0 || fchmod(fd, 0700) < 0 ? -errno : 0;
}

/* By name and by what it is: a link of that name, or somebody's folder, is content. */
static bool counts(int dir, const char *name)
{
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	return strcmp(name, "lost+found") != 0 ||
	       fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
	       st.st_uid != 0;
}

/* 1, 0 or -errno. The descriptor stays the caller's. */
static int is_empty(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 1;
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	const struct dirent *d;

	if (!dir) {
		r = -errno;
		fd_close(&own);
		return r;
	}
	errno = 0;
	while (r == 1 && (d = readdir(dir)))
		r = !counts(fd, d->d_name);
	if (r == 1 && errno)
		r = -errno;
	closedir(dir);
	return r;
}

int pod_give(const char *path, uid_t uid, gid_t gid)
{
	autoclose int fd = open_folder(path);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != 0)
		return 0;
	r = is_empty(fd);
	if (r <= 0)
		return r;
	return fchown(fd, uid, gid) < 0 || fchmod(fd, 0755) < 0 ? -errno : 1;
}

static int take_vault(void)
{
	int r = pod_take(VAULT);

	if (r == -ENODEV)
		log_error("no volume is mounted at " VAULT
			  ": the vault would end with the container; the manifest mounts a claim");
	else if (r < 0)
		log_err(r, "make " VAULT " root's alone");
	return r;
}

/* A volume that root may not give away (such as NFS with root_squash) holds up no vault. */
static void give_workspace(const struct passwd *user)
{
	int r = pod_give(WORKSPACE, user->pw_uid, user->pw_gid);

	if (r < 0)
		log_err(r, "give " WORKSPACE " to %s (it is used as it is)", user->pw_name);
}

int pod_prepare(const char *user)
{
	static const struct {
		const char *path, *mode;
	} in_memory[] = { { "/run", "755" }, { "/tmp", "1777" } };
	const struct passwd *pw = getpwnam(user);
	int r;

	if (!pw)
		return log_err(-ENOENT, "look up the user %s", user);
	for (size_t i = 0; i < sizeof(in_memory) / sizeof(*in_memory); i++) {
		r = pod_cover(in_memory[i].path, in_memory[i].mode);
		if (r < 0)
			return log_err(r, "mount memory over %s", in_memory[i].path);
	}
	if (mkdir("/run/taz-host", 0700) < 0)
		return log_err(-errno, "make /run/taz-host");
	r = take_vault();
	if (r == 0)
		give_workspace(pw);
	return r;
}
