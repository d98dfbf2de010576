#include "enclave/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#define COPY_BYTES (1 << 20)
#define RANDOM_HEX 8

/* --- names ----------------------------------------------------------------------------------- */

/* A generation as we write it; what follows it goes to @ret_end. */
static bool parse_generation(const char *text, uint64_t *ret, const char **ret_end)
{
	char *end;

	if (*text < '1' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	*ret_end = end;
	return errno == 0 && *ret <= INT64_MAX;
}

static bool is_random(const char *text)
{
	return strspn(text, "0123456789abcdef") == RANDOM_HEX && !text[RANDOM_HEX];
}

static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) ? NULL : text + n;
}

static bool parse_suffix(const char *text, struct history_entry *ret)
{
	const char *rest, *end;

	if ((rest = after(text, "conflict-"))) {
		ret->kind = HISTORY_CONFLICT;
		return parse_generation(rest, &ret->generation, &end) && *end == '-' &&
		       is_random(end + 1);
	}
	if ((rest = after(text, "damaged-"))) {
		ret->kind = HISTORY_ASIDE;
		ret->generation = 0;
		return is_random(rest);
	}
	ret->kind = HISTORY_KEPT;
	return parse_generation(text, &ret->generation, &end) && !*end;
}

bool history_parse(const char *vault, const char *name, struct history_entry *ret)
{
	const char *rest = after(name, vault);

	*ret = (struct history_entry){ .kind = HISTORY_CURRENT };
	if (!rest || strlen(name) >= sizeof(ret->name))
		return false;
	strcpy(ret->name, name);
	return !*rest || (*rest == '.' && parse_suffix(rest + 1, ret));
}

static int fits(int n, size_t size)
{
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int history_kept_name(const char *vault, uint64_t generation, char *buf, size_t size)
{
	return fits(snprintf(buf, size, "%s.%" PRIu64, vault, generation), size);
}

int history_conflict_name(const char *vault, uint64_t generation, uint32_t random, char *buf,
			  size_t size)
{
	return fits(snprintf(buf, size, "%s.conflict-%" PRIu64 "-%08" PRIx32, vault, generation,
			     random),
		    size);
}

int history_find_name(const char *vault, const char *what, char *buf, size_t size)
{
	struct history_entry e;
	const char *rest = after(what, vault);

	if (rest && *rest == '.')
		what = rest + 1;
	if (fits(snprintf(buf, size, "%s.%s", vault, what), size) < 0 || strchr(what, '/') ||
	    !history_parse(vault, buf, &e))
		return -EINVAL;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct history_entry *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation > y->generation ? -1 : 1;
	return strcmp(x->name, y->name);
}

void history_sort(struct history_entry *e, size_t n)
{
	qsort(e, n, sizeof(*e), compare);
}

/* The current file under a second name: a save was cut off between the link and the rename. */
static bool is_current(const struct history_entry *e, size_t n, const struct history_entry *it)
{
	for (size_t i = 0; i < n; i++)
		if (e[i].kind == HISTORY_CURRENT && e[i].inode == it->inode)
			return true;
	return false;
}

static bool counts(const struct history_entry *e, size_t n, const struct history_entry *it)
{
	return it->kind == HISTORY_KEPT && it->whole && !is_current(e, n, it);
}

bool history_expired(const struct history_entry *e, size_t n, size_t at, unsigned keep)
{
	unsigned newer = 0;

	for (size_t i = 0; i < at; i++)
		newer += counts(e, n, &e[i]);
	return counts(e, n, &e[at]) && newer >= keep;
}

/* --- looking --------------------------------------------------------------------------------- */

/* A kept file whose footer says another generation than its name is not one that we named. */
static void read_entry(int file, const struct stat *st, struct history_entry *e)
{
	struct seal_footer footer;

	e->inode = st->st_ino;
	e->disk_bytes = (uint64_t)st->st_blocks * 512;
	e->saved_at = st->st_mtime;
	if (seal_read_footer(file, &footer) < 0)
		return;
	e->whole = e->kind != HISTORY_KEPT || footer.generation == e->generation;
	if (e->whole)
		e->generation = footer.generation;
	if (e->whole && footer.saved_at)
		e->saved_at = footer.saved_at;
}

static bool look(int dir, const char *vault, const char *name, struct history_entry *ret)
{
	autoclose int file = -EBADF;
	struct stat st;

	if (!history_parse(vault, name, ret))
		return false;
	/* Not blocking: a FIFO of that name is foreign. */
	file = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0 || fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	read_entry(file, &st, ret);
	return true;
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

ssize_t history_list(int dir, const char *vault, struct history_entry *ret, size_t max)
{
	autoclose int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	__attribute__((cleanup(close_dir))) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	size_t n = 0;

	if (!d)
		return -errno;
	take_fd(&fd);
	while (n < max && (entry = readdir(d)))
		n += look(dir, vault, entry->d_name, &ret[n]);
	history_sort(ret, n);
	return n;
}

/* --- keeping --------------------------------------------------------------------------------- */

static int name_for(const char *vault, enum history_kind kind, uint64_t generation, char *buf)
{
	uint32_t random;

	secret_random(&random, sizeof(random));
	if (kind == HISTORY_KEPT)
		return history_kept_name(vault, generation, buf, HISTORY_NAME_MAX);
	if (kind == HISTORY_CONFLICT)
		return history_conflict_name(vault, generation, random, buf, HISTORY_NAME_MAX);
	return fits(snprintf(buf, HISTORY_NAME_MAX, "%s.damaged-%08" PRIx32, vault, random),
		    HISTORY_NAME_MAX);
}

/* Blocks of zeros stay holes: the copy is as sparse as the vault. */
static int copy_bytes(int from, int to)
{
	autofree char *buf = malloc(COPY_BYTES);
	struct stat st;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
		return -errno;
	for (off_t at = 0; (n = io_pread_full(from, buf, COPY_BYTES, at)) > 0; at += n) {
		int r = 0;

		if (buf[0] || memcmp(buf, buf + 1, n - 1))
			r = io_pwrite_full(to, buf, n, at);
		if (r < 0)
			return r;
	}
	return n < 0 ? (int)n : fsync(to) < 0 ? -errno : 0;
}

/* Where there are no hard links: whole under a name of its own, then under the right one. */
static int copy(int dir, const char *vault, int file, const char *name)
{
	char temp[HISTORY_NAME_MAX + 8];
	autoclose int to = -EBADF;
	int r;

	snprintf(temp, sizeof(temp), ".%s.keep", vault);
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if (unlinkat(dir, temp, 0) < 0 && errno != ENOENT)
		return -errno;
	to = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copy_bytes(file, to);
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, temp, 0);
	return r;
}

static int link_or_copy(int dir, const char *vault, int file, const char *name)
{
	char path[40];

	/* By the descriptor: it is this file, whatever happens to its name meanwhile. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK || errno == ENOSYS)
		return copy(dir, vault, file, name);
	return -errno;
}

/* Is what has that name the same state already? */
static bool same_state(int dir, const char *name, int file)
{
	autoclose int there = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct seal_footer a, b;
	struct stat x, y;

	if (there < 0 || fstat(there, &x) < 0 || fstat(file, &y) < 0)
		return false;
	if (x.st_ino == y.st_ino && x.st_dev == y.st_dev)
		return true;
	return seal_read_footer(there, &a) == 0 && seal_read_footer(file, &b) == 0 &&
	       a.generation == b.generation && !memcmp(a.mac, b.mac, sizeof(a.mac));
}

int history_keep(int dir, const char *vault, int file, enum history_kind kind, uint64_t generation,
		 char *ret_name)
{
	char name[HISTORY_NAME_MAX];
	int r = name_for(vault, kind, generation, name);

	if (r == 0)
		r = link_or_copy(dir, vault, file, name);
	if (r == -EEXIST && same_state(dir, name, file))
		r = 0;
	if (r == -EEXIST && kind == HISTORY_KEPT)
		return history_keep(dir, vault, file, HISTORY_CONFLICT, generation, ret_name);
	if (r < 0)
		return r;
	if (ret_name)
		strcpy(ret_name, name);
	return fsync(dir) < 0 ? -errno : 0;
}

int history_prune(int dir, const char *vault, unsigned keep)
{
	autofree struct history_entry *e = calloc(HISTORY_MAX, sizeof(*e));
	ssize_t n;
	int gone = 0;

	if (!e)
		return -ENOMEM;
	n = history_list(dir, vault, e, HISTORY_MAX);
	for (ssize_t i = 0; i < n; i++) {
		if (!history_expired(e, n, i, keep))
			continue;
		if (unlinkat(dir, e[i].name, 0) < 0)
			return -errno;
		gone++;
	}
	return n < 0 ? (int)n : gone;
}
