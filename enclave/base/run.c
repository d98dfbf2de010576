#include "enclave/base/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#define RUN_FDS_MAX 8
/* Descriptors are first moved above this, so that no target overwrites a source. */
#define RUN_FD_HIGH 100

static int add_fds(posix_spawn_file_actions_t *fa, const struct run_fd *fds, size_t n_fds,
		   int *moved)
{
	int last = STDERR_FILENO;
	bool named[3] = { false };

	for (size_t i = 0; i < n_fds; i++) {
		moved[i] = fcntl(fds[i].from, F_DUPFD_CLOEXEC, RUN_FD_HIGH);
		if (moved[i] < 0)
			return -errno;
		if (fds[i].to < 3)
			named[fds[i].to] = true;
		if (fds[i].to > last)
			last = fds[i].to;
	}
	for (int fd = 0; fd < 3; fd++)
		if (!named[fd])
			posix_spawn_file_actions_addopen(fa, fd, "/dev/null",
							 fd ? O_WRONLY : O_RDONLY, 0);
	for (size_t i = 0; i < n_fds; i++)
		posix_spawn_file_actions_adddup2(fa, moved[i], fds[i].to);
	return -posix_spawn_file_actions_addclosefrom_np(fa, last + 1);
}

static int set_signals(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	return -posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

int run_start_in(const char *dir, const char *path, char *const argv[], char *const envp[],
		 const struct run_fd *fds, size_t n_fds, pid_t *ret_pid)
{
	static char *const no_env[] = { NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int moved[RUN_FDS_MAX];
	pid_t pid;
	int r;

	if (path[0] != '/' || n_fds > RUN_FDS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < RUN_FDS_MAX; i++)
		moved[i] = -EBADF;
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	r = add_fds(&fa, fds, n_fds, moved);
	if (r == 0 && dir)
		r = -posix_spawn_file_actions_addchdir_np(&fa, dir);
	if (r == 0)
		r = set_signals(&attr);
	if (r == 0)
		r = -posix_spawn(&pid, path, &fa, &attr, argv, envp ? envp : no_env);
	for (size_t i = 0; i < n_fds; i++)
		fd_close(&moved[i]);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	if (r < 0)
		return r;
	*ret_pid = pid;
	return 0;
}

int run_start(const char *path, char *const argv[], char *const envp[], const struct run_fd *fds,
	      size_t n_fds, pid_t *ret_pid)
{
	return run_start_in(NULL, path, argv, envp, fds, n_fds, ret_pid);
}

int run_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int run_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return run_status(status);
}

int run_output(const char *path, char *const argv[], char *const envp[], char *buf, size_t size)
{
	autoclose int rd = -EBADF, wr = -EBADF;
	int ends[2];
	ssize_t n;
	pid_t pid;
	char rest[512];
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	rd = ends[0];
	wr = ends[1];
	r = run_start(path, argv, envp,
		      (struct run_fd[]){ { wr, STDOUT_FILENO }, { STDERR_FILENO, STDERR_FILENO } },
		      2, &pid);
	if (r < 0)
		return r;
	fd_close(&wr);
	n = io_read_full(rd, buf, size - 1);
	buf[n < 0 ? 0 : n] = '\0';
	while (io_read_full(rd, rest, sizeof(rest)) > 0)
		;
	r = run_wait(pid);
	return n < 0 ? (int)n : r;
}
