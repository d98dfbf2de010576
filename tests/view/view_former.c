/* A program that is replaced while it runs, seen through a real view. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/run.h"
#include "help.h"

static struct view_fixture f;
static char dir[] = "/tmp/taz-view-former.XXXXXX", agent[64], note[128];

/* What the agent does: its child reads before and after it has put another program in its place. */
static const char life[] = "cat \"$1\" >/dev/null 2>&1 && exit 1\n"
			   "cp /bin/cat \"$0.new\" && mv \"$0.new\" \"$0\" || exit 2\n"
			   "cat \"$1\" >/dev/null 2>&1 && exit 3\n"
			   "exit 0\n";

static int run_program(const char *const argv[])
{
	static char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	pid_t pid;
	int r = run_start(argv[0], (char *const *)argv, env, NULL, 0, &pid);

	return r < 0 ? r : run_wait(pid);
}

static int read_note(void)
{
	return run_program((const char *const[]){ "/bin/cat", note, NULL });
}

static int write_note(void *arg)
{
	return write_file(note, "text");
}

/*
 * A session of the owner's own: what root runs, as this test does, nobody may look at, so that
 * whoever is below it might be below an agent.
 */
static int live(void *go)
{
	char byte;
	int r;

	prctl(PR_SET_DUMPABLE, 1);
	if (read(*(int *)go, &byte, 1) != 1)
		return -EPIPE;
	r = read_note();
	if (r == 0)
		r = run_program((const char *const[]){ agent, "-c", life, agent, note, NULL });
	return r ? r : read_note();
}

static void test_an_agent_that_replaces_itself_stays_one_with_all_that_it_starts(void **state)
{
	char policy[256];
	int go[2], done;
	pid_t leader;

	snprintf(policy, sizeof(policy), "hide under=%s - **\nallow session - **\n", agent);
	assert_int_equal(fixture_policy(&f, policy), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	leader = child_start(MEMBER, live, &go[0], &done);
	fixture_add(&f, leader);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(child_result(done), 0);
	assert_int_equal(run_wait(leader), 0);
	close(go[0]);
	close(go[1]);
}

static int setup(void **state)
{
	const char *const copy[] = { "/bin/cp", "/bin/sh", agent, NULL };

	fixture_start(&f, CACHED);
	snprintf(note, sizeof(note), "%s", path_in(&f, "note"));
	if (!mkdtemp(dir))
		return -1;
	snprintf(agent, sizeof(agent), "%s/agent", dir);
	return run_program(copy) || chown(dir, OWNER, OWNER) || as(MEMBER, write_note, NULL);
}

static int teardown(void **state)
{
	unlink(agent);
	rmdir(dir);
	fixture_stop(&f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_an_agent_that_replaces_itself_stays_one_with_all_that_it_starts, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
