#include "enclave/outside_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enclave/base/fd.h"

/* Ours, because Debian 12's header knows neither "scoped" nor what later kernels have. The numbers
 * are the same on every architecture. */
#define NR_CREATE_RULESET 444
#define NR_ADD_RULE	  445
#define NR_RESTRICT_SELF  446

#define CREATE_VERSION	1U /* LANDLOCK_CREATE_RULESET_VERSION */
#define RULE_PATH	1  /* LANDLOCK_RULE_PATH_BENEATH */
#define WRITE_FILE	(1ULL << 1)
#define READ_FILE	(1ULL << 2)
#define REFER		(1ULL << 13)
#define SCOPE_ABSTRACT	(1ULL << 0)
#define SCOPE_SIGNAL	(1ULL << 1)
#define ABI_WITH_SCOPES 6
#define ABI_WITH_REFER	2
#define OPENING		(READ_FILE | WRITE_FILE)
#define IN_DIRS		(OPENING | REFER)

#define CONSOLE_MAJOR 4 /* tty1, ttyS0: Documentation/admin-guide/devices.txt */
#define PTS_MAJOR     136
#define PTS_MAJOR_MAX 143

struct ruleset {
	uint64_t fs, net, scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

static int make_ruleset(void)
{
	struct ruleset set = { .fs = IN_DIRS };
	long abi = syscall(NR_CREATE_RULESET, NULL, 0, CREATE_VERSION);
	size_t size = sizeof(set.fs);
	long fd;

	if (abi < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? -EOPNOTSUPP : -errno;
	if (abi < ABI_WITH_REFER)
		return -EOPNOTSUPP; /* no file could be renamed into another directory */
	if (abi >= ABI_WITH_SCOPES) {
		set.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
		size = sizeof(set);
	}
	fd = syscall(NR_CREATE_RULESET, &set, size, 0U);
	return fd < 0 ? -errno : (int)fd;
}

static bool is_terminal(const struct stat *st)
{
	unsigned n = major(st->st_rdev);

	return S_ISCHR(st->st_mode) &&
	       (n == CONSOLE_MAJOR || (n >= PTS_MAJOR && n <= PTS_MAJOR_MAX));
}

static int add_rule(int ruleset, int fd, uint64_t allowed)
{
	struct path_rule rule = { .allowed = allowed, .fd = fd };

	return syscall(NR_ADD_RULE, ruleset, RULE_PATH, &rule, 0U) < 0 ? -errno : 0;
}

/* A link allows nothing: what it leads to is an entry, or below one, of its own. That of
 * /dev/stdout may lead to a pipe, for which there can be no rule, and need be none. */
static int allow(int ruleset, int dirfd, const char *name)
{
	autoclose int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	/* What is gone, or where we may not go: nor may what we start. */
	if (fd < 0)
		return errno == ENOENT || errno == EACCES ? 0 : -errno;
	if (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode) || is_terminal(&st))
		return 0;
	return add_rule(ruleset, fd, S_ISDIR(st.st_mode) ? IN_DIRS : OPENING);
}

static int allow_own(int ruleset, const char *tty)
{
	autoclose int fd = open(tty, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : add_rule(ruleset, fd, OPENING);
}

static int allow_all_but(int ruleset, const char *dir, const char *without)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	while (r == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, without))
			r = allow(ruleset, dirfd(d), e->d_name);
	closedir(d);
	return r;
}

int outside_files(const char *own_tty)
{
	autoclose int ruleset = make_ruleset();
	int r;

	if (ruleset < 0)
		return ruleset;
	r = allow_all_but(ruleset, "/", "dev");
	if (r == 0)
		r = allow_all_but(ruleset, "/dev", "pts");
	if (r == 0 && own_tty)
		r = allow_own(ruleset, own_tty);
	if (r == 0 && syscall(NR_RESTRICT_SELF, ruleset, 0U) < 0)
		r = -errno;
	return r;
}
