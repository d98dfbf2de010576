#include "enclave/conf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/quote.h"

static const char *open_why(int err)
{
	switch (-err) {
	case ENOENT:
		return "there is none; enclave(1) and secrets.conf(5) show how to write one, and "
		       "--file names another place";
	case ELOOP:
		return "it is a symbolic link; name the file itself with --file";
	case EINVAL:
		return "it is not a regular file";
	case EFBIG:
		return "it is longer than 64 KiB: split it, and use --file";
	default:
		return strerror(-err);
	}
}

static int say(const char *path, int r)
{
	autofree char *shown = quote_show(path);

	log_error("%s: %s", shown ? shown : "secrets.conf", open_why(r));
	return r;
}

/* Reads what an O_PATH descriptor names: it cannot be exchanged any more. */
static ssize_t read_regular(int pathfd, char *buf, size_t size)
{
	char link[32];
	struct stat st;
	autoclose int fd = -EBADF;

	if (fstat(pathfd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", pathfd);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : io_read_full(fd, buf, size);
}

static int path_of(int fd, char **ret)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n < 0 || n == sizeof(path))
		return n < 0 ? -errno : -ENAMETOOLONG;
	*ret = strndup(path, n);
	return *ret ? 0 : -ENOMEM;
}

static int open_dir(const char *path, struct conf_file *f, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir = slash ? strndup(path, slash - path + 1) : strdup(".");

	if (!dir)
		return -ENOMEM;
	*ret_name = slash ? slash + 1 : path;
	f->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->dirfd < 0 ? -errno : path_of(f->dirfd, &f->dir);
}

static int parse(const char *path, const char *text, size_t size, struct conf_file *f)
{
	struct conf_error err = { 0 };
	autofree char *shown = quote_show(path);
	int r = conf_parse(text, size, &f->conf, &err);

	if (r == -EINVAL && err.line)
		log_error("%s line %u: %s", shown ? shown : "secrets.conf", err.line, err.text);
	else if (r == -EINVAL)
		log_error("%s: %s", shown ? shown : "secrets.conf", err.text);
	else if (r < 0)
		log_err(r, "parse %s", shown ? shown : "secrets.conf");
	return r;
}

int conf_file_load(const char *path, struct conf_file *ret)
{
	struct conf_file f = CONF_FILE_NONE;
	autofree char *text = malloc(CONF_BYTES_MAX + 1);
	autoclose int pathfd = -EBADF;
	const char *name = NULL;
	ssize_t n = -ENOMEM;
	int r;

	if (!path)
		path = CONF_FILE_DEFAULT;
	r = open_dir(path, &f, &name);
	if (r == 0)
		pathfd = openat(f.dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0 && pathfd < 0)
		r = -errno;
	if (r == 0 && text)
		n = read_regular(pathfd, text, CONF_BYTES_MAX + 1);
	if (r == 0 && n > CONF_BYTES_MAX)
		n = -EFBIG;
	if (r == 0 && n < 0)
		r = (int)n;
	r = r < 0 ? say(path, r) : parse(path, text, (size_t)n, &f);
	if (r < 0)
		conf_file_done(&f);
	else
		*ret = f;
	return r;
}

void conf_file_done(struct conf_file *f)
{
	fd_close(&f->dirfd);
	free(f->dir);
	f->dir = NULL;
	conf_free(f->conf);
	f->conf = NULL;
}

static bool is_named(const struct entry *e, char *const names[], int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(e->name, names[i]))
			return true;
	return false;
}

static int check_names(const struct conf_file *f, char *const names[], int n)
{
	for (int i = 0; i < n; i++) {
		if (!conf_find(f->conf, names[i])) {
			autofree char *shown = quote_show(names[i]);

			log_error("no entry is called %s; 'enclave pull --list' shows them",
				  shown ? shown : "so");
			return -ENOENT;
		}
	}
	return 0;
}

int conf_file_select(const struct conf_file *f, char *const names[], int n,
		     bool (*wanted)(const struct entry *), const struct entry ***ret)
{
	const struct entry **list;
	size_t used = 0;
	int r = check_names(f, names, n);

	if (r < 0)
		return r;
	list = calloc(f->conf->n + 1, sizeof(struct entry *));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < f->conf->n; i++) {
		const struct entry *e = &f->conf->entries[i];

		if (n ? is_named(e, names, n) : !wanted || wanted(e))
			list[used++] = e;
	}
	*ret = list;
	return 0;
}
