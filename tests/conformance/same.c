/*
 * same - two directories that are given the same orders must always look the same
 *
 *	same [--ops N] [--seed S] [--no-shared-maps] PLAIN OTHER
 *
 * Draws N operations (100,000) and makes each below PLAIN and then below OTHER, as root or as
 * another user: what it returns, its errno, and what it reads must agree, and from time to time all
 * that is in the two. Both must be empty and mounted nodev, OTHER must let other
 * users in, and the caller is root.
 * Prints the seed and how often each operation succeeded and failed. Exit status: 0 they are the
 * same, 1 a difference, which is printed, 2 usage.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/size.h"

#define FDS	  12
#define SIZE_MAX_ (256 * 1024)
#define IO_MAX	  20000
#define OUT_MAX	  (64 * 1024)
#define SOMEBODY  64001 /* no name needed */
#define LOOK_OVER 2000	/* operations between two looks at everything */
#define DEEP	  4096

/* One of the two. */
struct world {
	int root;
	int fd[FDS];
	char out[OUT_MAX]; /* what the operation read */
	size_t len;
};

/* What an operation is about: drawn once, used twice. */
struct order {
	char path[2048], other[2048];
	int slot, flags;
	mode_t mode;
	off_t at;
	size_t size;
	uint8_t fill;
	unsigned n;
	bool somebody;
};

static uint64_t state;
static bool shared_maps = true;

/* xorshift64*; the same numbers from the same seed, anywhere */
static unsigned draw(unsigned below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (unsigned)((state * UINT64_C(2685821657736338717)) >> 33) % below;
}

#define PICK(array) ((array)[draw(sizeof(array) / sizeof(*(array)))])

static void draw_name(char *to)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };

	if (draw(60)) {
		strcpy(to, PICK(names));
		return;
	}
	memset(to, 'n', NAME_MAX + 1);
	to[NAME_MAX + draw(2)] = '\0'; /* the longest name, and one that is too long */
}

/* Never leads out: ".." only follows a name. */
static void draw_path(char *to)
{
	unsigned depth = 1 + draw(3);

	*to = '\0';
	for (unsigned i = 0; i < depth; i++) {
		if (i)
			strcat(to, "/");
		if (i == 1 && !draw(20))
			strcat(to, "..");
		else
			draw_name(to + strlen(to));
	}
}

static struct order draw_order(void)
{
	static const int flags[] = { 0,
				     O_CREAT,
				     O_CREAT,
				     O_CREAT | O_EXCL,
				     O_CREAT | O_TRUNC,
				     O_TRUNC,
				     O_APPEND | O_CREAT,
				     O_DIRECTORY,
				     O_NOFOLLOW,
				     O_SYNC };
	static const mode_t modes[] = { 0644,  0600,  0666,  0755, 0777, 0777,
					01777, 02775, 04755, 0400, 0111, 0 };
	struct order o = {
		.slot = (int)draw(FDS),
		.flags = PICK(flags) | (int)draw(3),
		.mode = PICK(modes),
		.at = draw(SIZE_MAX_),
		.size = draw(8) ? draw(IO_MAX) : 0,
		.fill = (uint8_t)draw(256),
		.n = draw(1 << 30),
		.somebody = !draw(3),
	};

	draw_path(o.path);
	draw_path(o.other);
	return o;
}

static int result(long r)
{
	return r < 0 ? -errno : (int)r;
}

/* --- the operations: a result, or -errno; what was read in @w->out --- */

static int op_open(struct world *w, const struct order *o)
{
	int fd = openat(w->root, o->path, o->flags | O_NONBLOCK | O_CLOEXEC, o->mode);

	if (fd < 0)
		return -errno;
	fd_close(&w->fd[o->slot]);
	w->fd[o->slot] = fd;
	return 0;
}

static int op_close(struct world *w, const struct order *o)
{
	int r = result(close(w->fd[o->slot]));

	w->fd[o->slot] = -EBADF;
	return r;
}

static int op_read(struct world *w, const struct order *o)
{
	ssize_t n = o->n % 2 ? read(w->fd[o->slot], w->out, o->size)
			     : pread(w->fd[o->slot], w->out, o->size, o->at);

	w->len = n > 0 ? (size_t)n : 0;
	return result(n);
}

static int op_write(struct world *w, const struct order *o)
{
	char data[IO_MAX];

	memset(data, o->fill, o->size);
	return result(o->n % 2 ? write(w->fd[o->slot], data, o->size)
			       : pwrite(w->fd[o->slot], data, o->size, o->at));
}

static int op_seek(struct world *w, const struct order *o)
{
	static const int whence[] = { SEEK_SET, SEEK_CUR, SEEK_END };
	struct stat st;

	/* An offset in a directory is whatever its file system likes. */
	if (fstat(w->fd[o->slot], &st) < 0 || S_ISDIR(st.st_mode))
		return -ENXIO;
	return result(lseek(w->fd[o->slot], o->at - SIZE_MAX_ / 2, whence[o->n % 3]));
}

static int op_sync(struct world *w, const struct order *o)
{
	return result(o->n % 2 ? fsync(w->fd[o->slot]) : fdatasync(w->fd[o->slot]));
}

static int op_truncate(struct world *w, const struct order *o)
{
	autoclose int fd = -EBADF;

	if (o->n % 2)
		return result(ftruncate(w->fd[o->slot], o->at));
	fd = openat(w->root, o->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : result(ftruncate(fd, o->at));
}

static int op_fallocate(struct world *w, const struct order *o)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };

	return result(fallocate(w->fd[o->slot], modes[o->n % 5], o->at, (off_t)o->size));
}

/* Read, and where it may be written also write, one page through a map. */
static int op_map(struct world *w, const struct order *o)
{
	int fd = w->fd[o->slot], flags = o->n % 2 && shared_maps ? MAP_SHARED : MAP_PRIVATE;
	int prot = PROT_READ | (o->n % 4 < 2 ? PROT_WRITE : 0);
	off_t page = o->at & ~(off_t)4095;
	struct stat st;
	char *map;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= page)
		return -ENXIO; /* behind its end it would be a signal */
	map = mmap(NULL, 4096, prot, flags, fd, page);
	if (map == MAP_FAILED)
		return -errno;
	if (prot & PROT_WRITE)
		map[o->at & 4095] = (char)o->fill;
	memcpy(w->out, map, 4096);
	/* Behind the end is what a map wrote there, until the page is dropped. */
	w->len = st.st_size - page < 4096 ? (size_t)(st.st_size - page) : 4096;
	msync(map, 4096, MS_SYNC);
	munmap(map, 4096);
	return 0;
}

static int op_unlink(struct world *w, const struct order *o)
{
	return result(unlinkat(w->root, o->path, 0));
}

static int op_mkdir(struct world *w, const struct order *o)
{
	return result(mkdirat(w->root, o->path, o->mode));
}

static int op_rmdir(struct world *w, const struct order *o)
{
	return result(unlinkat(w->root, o->path, AT_REMOVEDIR));
}

static int op_mknod(struct world *w, const struct order *o)
{
	static const mode_t types[] = { S_IFIFO, S_IFSOCK, S_IFREG, S_IFCHR };

	return result(mknodat(w->root, o->path, types[o->n % 4] | o->mode, 0x0107));
}

static int op_link(struct world *w, const struct order *o)
{
	return result(
		linkat(w->root, o->path, w->root, o->other, o->n % 4 ? 0 : AT_SYMLINK_FOLLOW));
}

static int op_symlink(struct world *w, const struct order *o)
{
	const char *target = strstr(o->other, "..") ? "a" : o->other;

	return result(symlinkat(target, w->root, o->path));
}

static int op_readlink(struct world *w, const struct order *o)
{
	ssize_t n = readlinkat(w->root, o->path, w->out, OUT_MAX);

	w->len = n > 0 ? (size_t)n : 0;
	return result(n);
}

static int op_rename(struct world *w, const struct order *o)
{
	static const unsigned flags[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };

	return result(renameat2(w->root, o->path, w->root, o->other, flags[o->n % 5]));
}

static int op_chmod(struct world *w, const struct order *o)
{
	return result(fchmodat(w->root, o->path, o->mode, 0));
}

static int op_chown(struct world *w, const struct order *o)
{
	return result(fchownat(w->root, o->path, o->n % 2 ? SOMEBODY : 0,
			       o->n % 4 < 2 ? SOMEBODY : 0, AT_SYMLINK_NOFOLLOW));
}

static int op_times(struct world *w, const struct order *o)
{
	const struct timespec t[2] = { { .tv_sec = o->n, .tv_nsec = o->at },
				       { .tv_sec = o->n / 2, .tv_nsec = o->fill } };
	struct stat st;
	int r = result(utimensat(w->root, o->path, t, AT_SYMLINK_NOFOLLOW));

	if (r < 0 || fstatat(w->root, o->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return r;
	/* Not the other: a link is read on the way. */
	w->len = (size_t)sprintf(w->out, "%lld.%09ld", (long long)st.st_mtim.tv_sec,
				 st.st_mtim.tv_nsec);
	return 0;
}

static int op_access(struct world *w, const struct order *o)
{
	return result(faccessat(w->root, o->path, (int)(o->n % 8), AT_EACCESS));
}

/* Directories have sizes of their own. */
static size_t describe(const struct stat *st, char *to)
{
	return (size_t)sprintf(to, "mode %o, of %u:%u, %lu links, %lld bytes, device %lx",
			       st->st_mode, st->st_uid, st->st_gid, (unsigned long)st->st_nlink,
			       S_ISDIR(st->st_mode) ? 0LL : (long long)st->st_size,
			       (unsigned long)st->st_rdev);
}

static int op_stat(struct world *w, const struct order *o)
{
	struct stat st;
	int r = o->n % 2 ? fstatat(w->root, o->path, &st, o->n % 4 < 2 ? 0 : AT_SYMLINK_NOFOLLOW)
			 : fstat(w->fd[o->slot], &st);

	if (r == 0)
		w->len = describe(&st, w->out);
	return result(r);
}

static int op_xattr(struct world *w, const struct order *o)
{
	/* Not "trusted.": FUSE lists those names to everybody, and a vault has none. */
	static const char *const names[] = { "user.one", "user.two", "user.", "odd" };
	const char *name = names[o->n % 4];
	int fd = w->fd[o->slot];
	ssize_t n;

	switch (o->fill % 4) {
	case 0:
		return result(fsetxattr(fd, name, o->path, strlen(o->path), (int)(o->n / 8 % 3)));
	case 1:
		return result(fremovexattr(fd, name));
	case 2:
		n = fgetxattr(fd, name, w->out, o->n % 3 ? OUT_MAX : 3);
		break;
	default:
		n = flistxattr(fd, w->out, OUT_MAX);
	}
	w->len = n > 0 ? (size_t)n : 0;
	return result(n);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The sorted names below @path, each with its type. Frees what it has read. */
static int list(int root, const char *path, char *out, size_t *ret_len)
{
	struct dirent **names;
	int n = scandirat(root, path, &names, NULL, by_name);
	size_t len = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (len + 300 < OUT_MAX)
			len += (size_t)sprintf(out + len, "%d %s\n", names[i]->d_type,
					       names[i]->d_name);
		free(names[i]);
	}
	free(names);
	*ret_len = len;
	return n;
}

static int op_list(struct world *w, const struct order *o)
{
	return list(w->root, o->path, w->out, &w->len);
}

static const struct op {
	const char *name;
	int (*run)(struct world *w, const struct order *o);
	unsigned weight;
} ops[] = {
	{ "open", op_open, 12 },	{ "close", op_close, 2 },
	{ "read", op_read, 10 },	{ "write", op_write, 12 },
	{ "seek", op_seek, 3 },		{ "sync", op_sync, 1 },
	{ "truncate", op_truncate, 4 }, { "fallocate", op_fallocate, 4 },
	{ "map", op_map, 6 },		{ "unlink", op_unlink, 4 },
	{ "mkdir", op_mkdir, 5 },	{ "rmdir", op_rmdir, 2 },
	{ "mknod", op_mknod, 2 },	{ "link", op_link, 3 },
	{ "symlink", op_symlink, 2 },	{ "readlink", op_readlink, 2 },
	{ "rename", op_rename, 6 },	{ "chmod", op_chmod, 4 },
	{ "chown", op_chown, 3 },	{ "times", op_times, 2 },
	{ "access", op_access, 3 },	{ "stat", op_stat, 6 },
	{ "xattr", op_xattr, 4 },	{ "list", op_list, 3 },
};
#define N_OPS (sizeof(ops) / sizeof(*ops))

static unsigned long succeeded[N_OPS], failed[N_OPS];

static unsigned draw_op(void)
{
	unsigned all = 0, at;

	for (size_t i = 0; i < N_OPS; i++)
		all += ops[i].weight;
	at = draw(all);
	for (unsigned i = 0;; i++) {
		if (at < ops[i].weight)
			return i;
		at -= ops[i].weight;
	}
}

/* --- comparing --- */

static int run_as(const struct op *op, struct world *w, const struct order *o)
{
	int r;

	w->len = 0;
	if (o->somebody && (setegid(SOMEBODY) < 0 || seteuid(SOMEBODY) < 0))
		abort();
	r = op->run(w, o);
	if (o->somebody && (seteuid(0) < 0 || setegid(0) < 0))
		abort();
	return r;
}

static bool is_same(const struct world *a, const struct world *b)
{
	return a->len == b->len && !memcmp(a->out, b->out, a->len);
}

static void say_result(const char *who, int r, const struct world *w)
{
	printf("  %s: %d%s%s, %zu bytes: %.200s\n", who, r, r < 0 ? " " : "",
	       r < 0 ? strerror(-r) : "", w->len, w->out);
}

static bool differ(const char *what, const char *path)
{
	printf("different: %s of %s\n", what, path);
	return false;
}

static bool same_content(struct world w[2], const char *path)
{
	for (off_t at = 0;; at += OUT_MAX) {
		for (int i = 0; i < 2; i++) {
			autoclose int fd = openat(w[i].root, path, O_RDONLY | O_CLOEXEC);
			ssize_t n = io_pread_full(fd, w[i].out, OUT_MAX, at);

			w[i].len = n < 0 ? OUT_MAX + (size_t)-n : (size_t)n;
		}
		if (w[0].len != w[1].len || w[0].len > OUT_MAX || !is_same(&w[0], &w[1]))
			return differ("the content", path);
		if (w[0].len < OUT_MAX)
			return true;
	}
}

static bool same_node(struct world w[2], const char *path, struct stat *st)
{
	for (int i = 0; i < 2; i++) {
		if (fstatat(w[i].root, path, st, AT_SYMLINK_NOFOLLOW) < 0)
			return differ("the attributes", path);
		w[i].len = describe(st, w[i].out);
		if (S_ISLNK(st->st_mode))
			w[i].len += (size_t)readlinkat(w[i].root, path, w[i].out + w[i].len, 4096);
	}
	if (is_same(&w[0], &w[1]))
		return true;
	printf("  %.300s\n  %.300s\n", w[0].out, w[1].out);
	return differ("the attributes", path);
}

static bool same_tree(struct world w[2], const char *path)
{
	char below[DEEP], *names, *name, *rest;
	bool same;

	for (int i = 0; i < 2; i++)
		if (list(w[i].root, path, w[i].out, &w[i].len) < 0)
			w[i].len = 0;
	if (!w[0].len || !is_same(&w[0], &w[1]))
		return differ("the names", path);
	names = strndup(w[0].out, w[0].len);
	if (!names)
		abort();
	same = true;
	for (name = strtok_r(names, "\n", &rest); name && same;
	     name = strtok_r(NULL, "\n", &rest)) {
		struct stat st;

		name = strchr(name, ' ') + 1;
		if (!strcmp(name, ".") || !strcmp(name, "..") ||
		    strlen(path) + strlen(name) + 2 > sizeof(below))
			continue;
		sprintf(below, "%s/%s", path, name);
		same = same_node(w, below, &st);
		if (same && S_ISREG(st.st_mode))
			same = same_content(w, below);
		if (same && S_ISDIR(st.st_mode))
			same = same_tree(w, below);
	}
	free(names);
	return same;
}

static bool step(struct world w[2], long long number)
{
	unsigned i = draw_op();
	struct order o = draw_order();
	int r[2];

	for (int k = 0; k < 2; k++)
		r[k] = run_as(&ops[i], &w[k], &o);
	r[0] < 0 ? failed[i]++ : succeeded[i]++;
	if (r[0] == r[1] && is_same(&w[0], &w[1]))
		return number % LOOK_OVER || same_tree(w, ".");
	printf("different: operation %lld: %s %s(%.40s, %.40s), file %d, flags %#o, mode %o, at %lld, "
	       "%zu bytes, n %u\n",
	       number, ops[i].name, o.somebody ? "by somebody " : "", o.path, o.other, o.slot,
	       o.flags, o.mode, (long long)o.at, o.size, o.n);
	say_result("plain", r[0], &w[0]);
	say_result("other", r[1], &w[1]);
	return false;
}

static bool enter(struct world *w, const char *path)
{
	w->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < FDS; i++)
		w->fd[i] = -EBADF;
	if (w->root < 0 || fchmod(w->root, 01777) < 0) {
		fprintf(stderr, "same: %s: %s\n", path, strerror(errno));
		return false;
	}
	return true;
}

static int usage(void)
{
	fprintf(stderr, "usage: same [--ops N] [--seed S] [--no-shared-maps] PLAIN OTHER\n");
	return 2;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = { { "ops", required_argument, NULL, 'n' },
						 { "seed", required_argument, NULL, 's' },
						 { "no-shared-maps", no_argument, NULL, 'm' },
						 { NULL, 0, NULL, 0 } };
	static struct world w[2];
	long long n = 100000, seed = 1;
	bool same = true;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'm')
			shared_maps = false;
		else if (c == '?' || num_parse(optarg, 1, INT64_MAX, c == 'n' ? &n : &seed) < 0)
			return usage();
	}
	if (optind + 2 != argc)
		return usage();
	umask(022);
	signal(SIGPIPE, SIG_IGN); /* a pipe without a reader */
	if (setgroups(0, NULL) < 0 || !enter(&w[0], argv[optind]) ||
	    !enter(&w[1], argv[optind + 1]))
		return 2;
	state = (uint64_t)seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (long long i = 1; i <= n && same; i++)
		same = step(w, i);
	same = same && same_tree(w, ".");
	printf("seed %lld:", seed);
	for (size_t i = 0; i < N_OPS; i++)
		printf(" %s %lu+%lu", ops[i].name, succeeded[i], failed[i]);
	putchar('\n');
	return same ? 0 : 1;
}
