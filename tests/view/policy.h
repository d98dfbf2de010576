/*
 * policy - members of a view, and one operation of theirs each, for the tests of its policy
 */
#ifndef TAZ_TESTS_VIEW_POLICY_H
#define TAZ_TESTS_VIEW_POLICY_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "help.h"

static struct view_fixture f;

static inline int make_files(void *arg)
{
	int r = 0;

	if (mkdir(path_in(&f, "ssh"), 0755) < 0 || mkdir(path_in(&f, "kube"), 0755) < 0 ||
	    mkdir(path_in(&f, "tmp"), 0755) < 0)
		return -errno;
	r |= write_file(path_in(&f, "ssh/id"), "private");
	r |= write_file(path_in(&f, "kube/config"), "token");
	r |= write_file(path_in(&f, "note"), "note");
	return r;
}

static inline int setup(void **state)
{
	f.policy = NULL;
	f.no_audit = false;
	fixture_start(&f, CACHED);
	return as(MEMBER, make_files, NULL);
}

static inline int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

static inline void in_force(const char *policy)
{
	assert_int_equal(fixture_policy(&f, policy), 0);
}

/* --- one operation each: 0 or -errno --- */

static inline int read_it(void *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	return fd < 0 || read(fd, &c, 1) != 1 ? -errno : 0;
}

static inline int write_it(void *path)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "x", 1) != 1 ? -errno : 0;
}

static inline int create_it(void *path)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

static inline int delete_it(void *path)
{
	return unlink(path) < 0 ? -errno : 0;
}

static inline int stat_it(void *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -errno : 0;
}

static inline int chmod_it(void *path)
{
	return chmod(path, 0600) < 0 ? -errno : 0;
}

static inline int list_it(void *path)
{
	DIR *d = opendir(path);
	int r = 0;

	if (!d)
		return -errno;
	errno = 0;
	if (!readdir(d))
		r = -errno;
	closedir(d);
	return r;
}

static inline int member(int (*fn)(void *), const char *name)
{
	return as(MEMBER, fn, (void *)path_in(&f, name));
}

/* Is the name in the listing of its directory? 1, 0 or -errno. */
static inline int is_listed(void *arg)
{
	char dir[256], *name;
	struct dirent *e;
	int found = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s", (char *)arg);
	name = strrchr(dir, '/');
	*name++ = '\0';
	d = opendir(dir);
	if (!d)
		return -errno;
	for (errno = 0; (e = readdir(d)); errno = 0)
		found |= !strcmp(e->d_name, name);
	if (errno)
		found = -errno;
	closedir(d);
	return found;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
