/*
 * same - two directories that are given the same orders must always look the same
 *
 *	same [--ops N] [--seed S] [--no-shared-maps] PLAIN OTHER
 *
 * Draws N operations (100,000) and makes each below PLAIN and then below OTHER, as root or as
 * another user: what it returns, its errno, and what it reads must agree, and from time to time all
 * that is in the two. Both must be empty and mounted nodev, OTHER must let other users in, and the
 * caller is root.
 *
 * Prints the seed and how often each operation succeeded and failed. Exit status: 0 they are the
 * same, 1 a difference, which is printed, 2 usage.
 */
#include "tests/conformance/same.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/size.h"

#define LOOK_OVER 2000 /* operations between two looks at everything */
#define DEEP	  4096

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
		.at = draw(FILE_BYTES),
		.size = draw(8) ? draw(IO_MAX) : 0,
		.fill = (uint8_t)draw(256),
		.n = draw(1 << 30),
		.somebody = !draw(3),
		.shared_maps = shared_maps,
	};

	draw_path(o.path);
	draw_path(o.other);
	return o;
}

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
