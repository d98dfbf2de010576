/*
 * run - start another program: absolute path, argv, chosen descriptors, never a shell
 *
 * Source: posix_spawn(3), close_range(2).
 */
#ifndef TAZ_BASE_RUN_H
#define TAZ_BASE_RUN_H

#include <stddef.h>
#include <sys/types.h>

struct run_fd {
	int from; /* ours, borrowed */
	int to;	  /* its number in the child */
};

/*
 * run_start - start a program
 * @path: absolute; @argv, @envp: as execve(2); @envp NULL for an empty environment
 * @fds, @n_fds: what the child inherits; standard streams that are not named are /dev/null,
 *               everything else is closed. At most 8.
 * @ret_pid: the child; the caller reaps it
 *
 * The child starts with default signals and an empty signal mask.
 * Returns 0, -EINVAL for a relative path or too many descriptors, or -errno of posix_spawn(3).
 */
int run_start(const char *path, char *const argv[], char *const envp[], const struct run_fd *fds,
	      size_t n_fds, pid_t *ret_pid);

/* run_start_in - the same with @dir as its current directory; NULL: ours, which may be a stranger's
 * workspace */
int run_start_in(const char *dir, const char *path, char *const argv[], char *const envp[],
		 const struct run_fd *fds, size_t n_fds, pid_t *ret_pid);

/*
 * run_wait - reap it
 * Returns its exit status 0 to 255, 128 + N when signal N ended it, or -errno of waitpid(2).
 */
int run_wait(pid_t pid);

/* run_status - the same for a status that waitpid(2) has already filled in */
int run_status(int wait_status);

/*
 * run_output - run to the end and keep what it prints on standard output
 * @buf, @size: gets at most @size - 1 bytes and a final NUL; more is read and dropped
 * Standard error is ours. Returns as run_wait(), or -errno.
 */
int run_output(const char *path, char *const argv[], char *const envp[], char *buf, size_t size);

#endif
