/*
 * argv - a command line that is put together word by word
 *
 * Errors are kept in it, so that a caller asks once, at the end.
 */
#ifndef TAZ_LAUNCHER_ARGV_H
#define TAZ_LAUNCHER_ARGV_H

#include <stdbool.h>
#include <stddef.h>

#define ARGV_MAX 224

struct argv {
	char *v[ARGV_MAX + 1]; /* owned; ended by NULL */
	size_t n;
	bool failed; /* a word is missing: no memory, or too many */
};

/* autoargv - its words are freed at the end of the scope; it begins as { 0 } */
#define autoargv __attribute__((cleanup(argv_done)))
void argv_done(struct argv *a);

/* argv_add - one more word; printf(3) format */
void argv_add(struct argv *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* argv_add_words - more than one, as they are; ended by NULL */
void argv_add_words(struct argv *a, ...) __attribute__((sentinel));

/*
 * argv_add_program - a program of a tree of its own, with the loader and the libraries of the tree
 * @program: below its /usr
 */
void argv_add_program(struct argv *a, const char *tree, const char *program);

#endif
