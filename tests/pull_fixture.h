/* pull_fixture - a home, a vault and a workspace for the tests of pull and approval */
#ifndef TAZ_TESTS_PULL_FIXTURE_H
#define TAZ_TESTS_PULL_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/command.h"
#include "enclave/incoming.h"
#include "enclave/place.h"
#include "enclave/pull.h"

/* A home with a plain directory for the vault, and a workspace. place_open() alone asks for a view.
 */
static char dir[64], space[96], conf_path[128];
static int root, watch;
static struct pull_result res;

static inline void put(const char *at, const char *name, const char *text, mode_t mode)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", at, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static inline int setup(void **state)
{
	char vault[96];

	strcpy(dir, "/tmp/taz-pull-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(vault, sizeof(vault), "%s/secrets", dir);
	snprintf(space, sizeof(space), "%s/workspace", dir);
	snprintf(conf_path, sizeof(conf_path), "%s/secrets.conf", space);
	mkdir(vault, 0700);
	mkdir(space, 0755);
	root = open(vault, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(vault, "token", "old", 0600);
	return root < 0;
}

static inline int teardown(void **state)
{
	char cmd[100];

	close(root);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static inline int pull_with(struct pull *p, struct consent *consent)
{
	struct conf_file f = CONF_FILE_NONE;

	assert_int_equal(conf_file_load(conf_path, &f), 0);
	p->file = &f;
	p->root = root;
	p->consent = consent;
	consent->watch = watch;
	p->home = dir;
	p->user = "taz";
	if (!p->timeout_sec)
		p->timeout_sec = 30;
	pull_entry(p, &f.conf->entries[0], &res);
	conf_file_done(&f);
	return res.err;
}

/* The hash of the first entry's command, as --list would show it. */
static inline void find_hash(char hash[HASH_HEX_MAX])
{
	struct conf_file f = CONF_FILE_NONE;
	struct program prog = PROGRAM_NONE;
	struct approval a;

	assert_int_equal(conf_file_load(conf_path, &f), 0);
	assert_int_equal(program_find(f.dirfd, f.conf->entries[0].argv[0], &prog), 0);
	assert_int_equal(approval_init(&f.conf->entries[0], &prog, f.dir, &a), 0);
	strcpy(hash, a.hash);
	approval_done(&a);
	program_done(&prog);
	conf_file_done(&f);
}

/* Confirmed, and run. */
static inline int pull_confirmed(unsigned timeout_sec)
{
	char hash[HASH_HEX_MAX];
	struct consent consent = { .hashes = { hash }, .n = 1 };
	struct pull p = { .timeout_sec = timeout_sec };

	find_hash(hash);
	return pull_with(&p, &consent);
}

static inline int pull_unasked(void)
{
	struct consent consent = { 0 };
	struct pull p = { 0 };

	return pull_with(&p, &consent);
}

static inline void declare(const char *rest)
{
	char text[2000];

	snprintf(text, sizeof(text), "entry token {\n file = 'token'\n %s\n}\n", rest);
	put(space, "secrets.conf", text, 0644);
}

static inline void declare_script(const char *script)
{
	put(space, "get", script, 0755);
	declare("command = {'./get'}");
}

static inline const char *contents(const char *path)
{
	static char buf[4096];
	autoclose int fd = place_file(root, path);
	ssize_t n = fd < 0 ? -1 : io_read_full(fd, buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	return n < 0 ? "(none)" : buf;
}

static inline int incoming_left(void)
{
	autoclose int fd = place_dir(root, ".taz/incoming", false);
	struct dirent *d;
	int n = 0;
	DIR *dp;

	if (fd < 0)
		return 0;
	dp = fdopendir(take_fd(&fd));
	while ((d = readdir(dp)))
		n += d->d_name[0] != '.';
	closedir(dp);
	return n;
}

/* Whatever went wrong: the old file, and nothing half made. */
static inline void assert_untouched(void)
{
	assert_string_equal(contents("token"), "old");
	assert_int_equal(incoming_left(), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Signals stay as they are: a descriptor that never says anything. */
static inline int watch_nothing(void)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	watch = pair[0];
	return 0;
}

#endif
