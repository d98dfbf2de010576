/*
 * docker_cli - run the docker client: an absolute path, an argument list, never a shell
 */
#ifndef TAZ_LAUNCHER_DOCKER_CLI_H
#define TAZ_LAUNCHER_DOCKER_CLI_H

#include <stddef.h>

/* docker_path - the client, found in a fixed list of folders; NULL when there is none */
const char *docker_path(void);

/*
 * docker_call - run "docker ARG..." to its end
 * @args: ended by NULL
 * @out, @size: gets standard output without its last newline; NULL: not wanted
 * @err, @err_size: the same for standard error
 *
 * Returns its exit status, -ENOENT without a client, or -errno.
 */
int docker_call(const char *const args[], char *out, size_t size, char *err, size_t err_size);

/*
 * docker_show - the same for a long one: progress goes to our standard error when that is a
 * terminal; otherwise it is kept, and shown only when the command fails
 * @stdin_fd: borrowed; < 0 for none
 */
int docker_show(const char *const args[], int stdin_fd);

#endif
