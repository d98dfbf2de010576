/* What is taken from a command that is run outside: by Landlock, its box, and by its filter. Each
 * in a child, as neither ever comes off. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/privs.h"
#include "enclave/outside.h"
#include "enclave/outside_files.h"
#include "enclave/outside_peers.h"

#define NO_LANDLOCK 77

struct terminals {
	int master, own; /* of the one in its box */
	int far, other;	 /* of another session */
	char own_name[64], other_name[64];
};

/* The status of @body in a child that is in its box. */
static int in_box(const struct terminals *t, int (*body)(const struct terminals *))
{
	int status, r, pipes[2];
	pid_t pid = fork();

	if (pid == 0) {
		/* Streams that are pipes, as in a pipeline. */
		if (pipe(pipes) < 0 || dup2(pipes[0], 0) < 0 || dup2(pipes[1], 1) < 0)
			_exit(79);
		r = privs_no_new() < 0 ? -EPERM : outside_files(t->own_name);
		if (r < 0)
			_exit(r == -EOPNOTSUPP ? NO_LANDLOCK : 78);
		_exit(body(t));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_LANDLOCK)
		skip();
	return WEXITSTATUS(status);
}

static int setup(void **state)
{
	struct terminals *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	assert_int_equal(openpty(&t->master, &t->own, t->own_name, NULL, NULL), 0);
	assert_int_equal(openpty(&t->far, &t->other, t->other_name, NULL, NULL), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct terminals *t = *state;

	close(t->master);
	close(t->own);
	close(t->far);
	close(t->other);
	free(t);
	return 0;
}

static int open_error(const char *path, int flags)
{
	autoclose int fd = open(path, flags | O_NOCTTY | O_CLOEXEC, 0600);

	return fd < 0 ? errno : 0;
}

static int open_terminals(const struct terminals *t)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", t->other);
	if (open_error(t->other_name, O_RDONLY) != EACCES)
		return 1;
	if (open_error(t->other_name, O_WRONLY) != EACCES || open_error(link, O_RDWR) != EACCES)
		return 2;
	return open_error(t->own_name, O_RDWR) ? 3 : 0;
}

static void test_no_terminal_but_its_own_can_be_opened(void **state)
{
	assert_int_equal(open_error(((struct terminals *)*state)->other_name, O_RDWR), 0);
	assert_int_equal(in_box(*state, open_terminals), 0);
}

static int use_files(const struct terminals *t)
{
	char from[] = "/tmp/outside.XXXXXX", to[64], file[64], moved[80];
	int r;

	(void)t;
	if (!mkdtemp(from))
		return 1;
	snprintf(to, sizeof(to), "%s/to", from);
	snprintf(file, sizeof(file), "%s/file", from);
	snprintf(moved, sizeof(moved), "%s/moved", to);
	r = mkdir(to, 0700) < 0 || open_error(file, O_WRONLY | O_CREAT) || rename(file, moved) < 0;
	unlink(moved);
	unlink(file);
	rmdir(to);
	rmdir(from);
	if (r || open_error("/dev/null", O_RDWR) || open_error("/dev/ptmx", O_RDWR))
		return 2;
	return open_error("/proc/self/status", O_RDONLY) || open_error("/etc/passwd", O_RDONLY);
}

static void test_all_other_files_are_as_they_were(void **state)
{
	assert_int_equal(in_box(*state, use_files), 0);
}

static int reach_parent(const struct terminals *t)
{
	char mem[64];

	(void)t;
	snprintf(mem, sizeof(mem), "/proc/%d/mem", getppid());
	if (ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) == 0)
		return 1;
	return open_error(mem, O_RDONLY) ? 0 : 2;
}

static void test_nobody_beyond_it_can_be_traced(void **state)
{
	assert_int_equal(in_box(*state, reach_parent), 0);
}

/* --- the filter ------------------------------------------------------------------------------- */

static int ask_for_peer(const struct terminals *t, int sock)
{
	int listener = -EBADF, peer;
	char name[64];

	if (privs_no_new() < 0 || outside_files(t->own_name) < 0)
		return NO_LANDLOCK;
	if (outside_filter(&listener) < 0 || write(sock, &listener, sizeof(listener)) < 0)
		return 1;
	peer = ioctl(t->far, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (peer < 0 || ttyname_r(peer, name, sizeof(name)) || strcmp(name, t->other_name))
		return 2;
	if (!(fcntl(peer, F_GETFD) & FD_CLOEXEC))
		return 3;
	/* No master: refused, and nothing waits. */
	return ioctl(0, TIOCGPTPEER, O_RDWR) < 0 && errno == ENOTTY ? 0 : 4;
}

/* As the relay does it, but that it takes the listener by itself: nobody sends it here. */
static void answer(pid_t pid, int sock, int times)
{
	autoclose int process = syscall(SYS_pidfd_open, pid, 0);
	autoclose int listener = -EBADF;
	int number;

	if (read(sock, &number, sizeof(number)) != sizeof(number))
		return;
	listener = syscall(SYS_pidfd_getfd, process, number, 0);
	assert_true(listener >= 0);
	while (times--)
		assert_int_equal(outside_peers_answer(listener), 0);
}

static void test_who_has_a_master_gets_its_other_end_and_nothing_else(void **state)
{
	autoclose int rd = -EBADF, wr = -EBADF;
	int pipes[2], status;
	pid_t pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	rd = pipes[0];
	wr = pipes[1];
	pid = fork();
	if (pid == 0)
		_exit(ask_for_peer(*state, wr));
	fd_close(&wr);
	answer(pid, rd, 2);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_LANDLOCK)
		skip();
	assert_int_equal(status, 0);
}

#ifdef __x86_64__
/* getpid(2) by its number for 32-bit programs. */
static void *call_32(void *arg)
{
	long r = 20;

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
	return r == getpid() ? arg : NULL;
}

static int status_of_call_32(int filtered)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t t;

		if (filtered && (privs_no_new() < 0 || outside_filter(NULL) < 0))
			_exit(1);
		if (pthread_create(&t, NULL, call_32, &status) != 0)
			_exit(2);
		pthread_join(t, NULL);
		_exit(0); /* another thread may have died */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_a_call_of_another_architecture_ends_the_whole_process(void **state)
{
	int status;

	(void)state;
	if (status_of_call_32(0) != 0)
		skip(); /* this kernel has none */
	status = status_of_call_32(1);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_terminal_but_its_own_can_be_opened, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_all_other_files_are_as_they_were, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_nobody_beyond_it_can_be_traced, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_who_has_a_master_gets_its_other_end_and_nothing_else, setup, teardown),
#ifdef __x86_64__
		cmocka_unit_test(test_a_call_of_another_architecture_ends_the_whole_process),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
