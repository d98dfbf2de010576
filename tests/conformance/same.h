/*
 * same - what the operations of the two directories share
 */
#ifndef TAZ_TESTS_CONFORMANCE_SAME_H
#define TAZ_TESTS_CONFORMANCE_SAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define FDS	   12
#define FILE_BYTES (256 * 1024)
#define IO_MAX	   20000
#define OUT_MAX	   (64 * 1024)
#define SOMEBODY   64001 /* no name needed */

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
	bool shared_maps;
};

struct op {
	const char *name;
	/* A result, or -errno; what was read in @w->out. */
	int (*run)(struct world *w, const struct order *o);
	unsigned weight;
};

enum { N_OPS = 24 };
extern const struct op ops[N_OPS];

/* describe - what must agree of a file, as text; returns its length. Directories have sizes of
 * their own. */
size_t describe(const struct stat *st, char *to);

/* list - the sorted names below @path, each with its type. Returns how many, or -errno. */
int list(int root, const char *path, char *out, size_t *ret_len);

#endif
