#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/syscall.h>

#include "tazfs/caller.h"
#include "tazfs/sandbox.h"

/* In a child: enter, try, and say with the exit status what errno it gave. */
static int inside(int (*attempt)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (sandbox_enter() < 0)
			_exit(255);
		errno = 0;
		_exit(attempt() < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int try_exec(void)
{
	return execl("/bin/true", "true", NULL);
}

static int try_fork(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static int try_socket(void)
{
	return (int)syscall(SYS_socket, 1, 1, 0);
}

static int try_ptrace(void)
{
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int try_peek(void)
{
	return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static int try_executable_memory(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	return (int)syscall(SYS_mprotect, page, 4096, 7);
}

static int try_new_namespace(void)
{
	return (int)syscall(SYS_unshare, CLONE_NEWUSER);
}

static int try_own_table(void)
{
	return (int)syscall(SYS_unshare, CLONE_FILES);
}

static int try_open(void)
{
	return open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
}

static pid_t parent; /* getppid(2) is not among what is left */

/* Everything that can be asked about our parent: a program with a hash and an environment. */
static int try_facts(void)
{
	struct sessions *sessions;
	struct callers *callers;
	struct caller_text text;
	struct facts f;
	int r = sessions_new(&sessions);

	if (r == 0)
		r = callers_new(sessions, &callers);
	if (r == 0)
		r = callers_facts(callers, parent, ~0u, &f);
	if (r == 0)
		r = caller_text(&f.chain[0], &text);
	if (r == 0 && (!f.chain[0].known || !f.chain[0].hashed || f.traced || !text.args_size ||
		       f.uid == (uid_t)-1))
		r = -EBADMSG;
	errno = -r;
	return r < 0 ? -1 : 0;
}

static void test_what_a_view_never_needs_is_refused(void **state)
{
	assert_int_equal(inside(try_exec), EPERM);
	assert_int_equal(inside(try_fork), EPERM);
	assert_int_equal(inside(try_socket), EPERM);
	assert_int_equal(inside(try_ptrace), EPERM);
	assert_int_equal(inside(try_new_namespace), EPERM);
	assert_int_equal(inside(try_peek), EPERM);
	assert_int_equal(inside(try_executable_memory), EPERM);
}

static void test_what_it_needs_goes_on(void **state)
{
	assert_int_equal(inside(try_open), 0);
	parent = getpid();
	assert_int_equal(inside(try_facts), 0);
	assert_int_equal(inside(try_own_table), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_view_never_needs_is_refused),
		cmocka_unit_test(test_what_it_needs_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
