/* A workshop whose agent answers is reached without the engine: no client of docker gets through
 * here. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/run.h"
#include "launcher/attach.h"
#include "launcher/engine.h"
#include "tests/agent_fixture.h"

static char dir[64], run_dir[80], sock_path[128];
static struct workshop shop = { .name = "one", .state_dir = dir };
static pid_t agent;

static int setup(void **state)
{
	strcpy(dir, "/tmp/taz-docker-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	snprintf(sock_path, sizeof(sock_path), "%s/agent.sock", run_dir);
	if (mkdir(run_dir, 0700) < 0)
		return -1;
	agent = agent_start(sock_path);
	return agent < 0 ? -1 : 0;
}

static void end_agent(void)
{
	if (agent <= 0)
		return;
	kill(agent, SIGKILL);
	run_wait(agent);
	agent = 0;
}

static int teardown(void **state)
{
	char cmd[128];

	end_agent();
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}

static void test_it_runs_and_takes_a_command_while_its_agent_answers(void **state)
{
	static const char *const argv[] = { "/bin/echo", "locked", NULL };
	char text[64];
	int fd;

	assert_int_equal(engine_docker.running(engine_docker.client, &shop), 1);
	fd = engine_docker.dial(engine_docker.client, &shop);
	assert_true(fd >= 0);
	assert_int_equal(attach_capture(fd, argv, -1, text, sizeof(text)), 0);
	assert_string_equal(text, "locked\n");
}

static void test_when_its_agent_is_dead_only_the_engine_can_tell(void **state)
{
	end_agent();
	assert_int_equal(engine_docker.dial(engine_docker.client, &shop), -ENOTCONN);
	assert_true(engine_docker.running(engine_docker.client, &shop) < 0);
	assert_int_equal(unlink(sock_path), 0);
	assert_int_equal(engine_docker.dial(engine_docker.client, &shop), -ENOTCONN);
	assert_true(engine_docker.running(engine_docker.client, &shop) < 0);
}

static void test_a_link_to_another_agent_is_not_followed(void **state)
{
	char other[128];

	snprintf(other, sizeof(other), "%s/other.sock", run_dir);
	assert_int_equal(rename(sock_path, other), 0);
	assert_int_equal(symlink(other, sock_path), 0);
	assert_int_equal(engine_docker.dial(engine_docker.client, &shop), -ENOTCONN);
	assert_true(engine_docker.running(engine_docker.client, &shop) < 0);
	/* Without the link it is the same agent. */
	assert_int_equal(rename(other, sock_path), 0);
	assert_int_equal(engine_docker.running(engine_docker.client, &shop), 1);
}

#define WITH_AGENT(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_AGENT(test_it_runs_and_takes_a_command_while_its_agent_answers),
		WITH_AGENT(test_when_its_agent_is_dead_only_the_engine_can_tell),
		WITH_AGENT(test_a_link_to_another_agent_is_not_followed),
	};

	alarm(120); /* a hang is a failure */
	if (geteuid() != 0)
		return 77; /* the agent serves root only */
	if (setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1) < 0)
		return 1;
	unsetenv("DOCKER_CONTEXT");
	return cmocka_run_group_tests_name("engine_docker", tests, NULL, NULL);
}
