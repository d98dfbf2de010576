/* tool - the program "tazfs" as a member, or somebody else, calls it, for the tests of its commands
 */
#ifndef TAZ_TESTS_VIEW_TOOL_H
#define TAZ_TESTS_VIEW_TOOL_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "help.h"

static int tazfs; /* opened as root: the owner need not reach the folder */

/* Returns false, and says why, when there is none. */
static inline bool tool_open(void)
{
	const char *path = getenv("TAZFS");

	tazfs = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (tazfs < 0)
		fprintf(stderr, "TAZFS must name the program\n");
	return tazfs >= 0;
}

struct call {
	char *argv[10];
	int out; /* a memfd */
	char text[65536];
};

/* Returns its exit status as an error. */
static inline int run_tool(void *arg)
{
	struct call *c = arg;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(c->out, 1);
		dup2(c->out, 2);
		fexecve(tazfs, c->argv, (char *[]){ NULL });
		_exit(126);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? -WEXITSTATUS(status) : -1000;
}

/* tool_call - c->argv, by whom; fails the test when its exit status is not the expected one */
static inline void tool_call(struct call *c, enum role role, int expected)
{
	ssize_t n;

	c->out = memfd_create("out", MFD_CLOEXEC);
	assert_int_equal(as(role, run_tool, c), -expected);
	n = pread(c->out, c->text, sizeof(c->text) - 1, 0);
	assert_true(n >= 0);
	c->text[n] = '\0';
	close(c->out);
}

static inline void shows_text(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("not shown: %s in: %.4000s", what, text);
}

static inline void shows(const struct call *c, const char *what)
{
	shows_text(c->text, what);
}

#endif
