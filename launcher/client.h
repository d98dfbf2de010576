/*
 * client - run the client of a container engine: an absolute path, an argument list, never a shell
 */
#ifndef TAZ_LAUNCHER_CLIENT_H
#define TAZ_LAUNCHER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

/* One engine that is used by its client, and where it differs from the others. */
struct client {
	const char *name;	  /* of the program and of the engine */
	const char *const *paths; /* where it may be, in this order; ended by NULL */
	const char *const *env;	  /* what it may see of our environment; ended by NULL */
	const char *network;	  /* the one that a container gets when nothing is said */
	const char *const *build; /* more options of "build", ended by NULL */
	const char *const *run;	  /* more options of "run", ended by NULL */
	/* "push" takes where to, and has --digestfile; both it and "pull" have --tls-verify */
	bool registry_options;
};

/* client_path - the client, found in its list of places; NULL when there is none */
const char *client_path(const struct client *c);

/*
 * client_call - run "CLIENT ARG..." to its end
 * @args: ended by NULL
 * @out, @size: gets standard output without its last newline; NULL: not wanted
 * @err, @err_size: the same for standard error
 *
 * Returns its exit status, -ENOENT without a client, -E2BIG when there are more words than a
 * struct argv has room for, or -errno.
 */
int client_call(const struct client *c, const char *const args[], char *out, size_t size, char *err,
		size_t err_size);

/*
 * client_read_back - what a program has written to a file in memory, without its last newline
 * @mem: borrowed
 * @buf, @size: gets its begin; NULL: not wanted
 */
void client_read_back(int mem, char *buf, size_t size);

/*
 * client_show - the same for a long one: progress goes to our standard error when that is a
 * terminal; otherwise it is kept, and shown only when the command fails
 * @stdin_fd: borrowed; < 0 for none
 */
int client_show(const struct client *c, const char *const args[], int stdin_fd);

#endif
