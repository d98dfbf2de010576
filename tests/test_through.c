/* A workshop elsewhere: real commands stand between, and none of them is left behind. This program
 * is also the process between, and the one inside: it is what /proc/self/exe runs. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "enclave/base/run.h"
#include "launcher/attach.h"
#include "launcher/engine.h"
#include "launcher/through.h"
#include "tests/agent_fixture.h"
#include "tests/through_fixture.h"

static pid_t agent;
static struct workshop shop = { .name = "one", .through = through_script };

static int setup(void **state)
{
	if (through_begin() < 0)
		return -1;
	agent = agent_start(through_sock);
	return agent < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	kill(agent, SIGKILL);
	run_wait(agent);
	return through_end();
}

static int capture(const char *sh, char *buf, size_t size)
{
	const char *argv[] = { "/bin/sh", "-c", sh, NULL };
	int fd = engine_through.dial(engine_through.client, &shop);

	return fd < 0 ? fd : attach_capture(fd, argv, -EBADF, buf, size);
}

static void test_a_command_leads_to_the_agent_and_ends_with_the_stream(void **state)
{
	char text[64];

	command_is("agent");
	assert_int_equal(capture("echo there; exit 7", text, sizeof(text)), 7);
	assert_string_equal(text, "there\n");
	assert_nobody_left(1000);
}

static void test_a_look_whether_it_runs_and_the_request_are_one_command(void **state)
{
	char text[128];
	int n = 0;
	FILE *f;

	command_is("echo x >>${0%/*}/calls; agent");
	assert_int_equal(engine_through.running(engine_through.client, &shop), 1);
	assert_int_equal(engine_through.running(engine_through.client, &shop), 1);
	assert_int_equal(capture("echo there", text, sizeof(text)), 0);
	snprintf(text, sizeof(text), "%s/calls", through_dir);
	f = fopen(text, "r");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f))
		n++;
	fclose(f);
	assert_int_equal(n, 1);
	assert_nobody_left(1000);
}

static void test_two_at_once_and_much_are_carried_unchanged(void **state)
{
	static char text[300000];
	int first, second;
	const char *argv[] = { "/bin/sh", "-c", "seq 40000", NULL };

	command_is("agent");
	first = engine_through.dial(engine_through.client, &shop);
	second = engine_through.dial(engine_through.client, &shop);
	assert_true(first >= 0 && second >= 0);
	assert_int_equal(attach_capture(second, argv, -EBADF, text, sizeof(text)), 0);
	assert_int_equal(strlen(text), 228894);
	assert_int_equal(attach_capture(first, argv, -EBADF, text, sizeof(text)), 0);
	assert_int_equal(strlen(text), 228894);
	assert_string_equal(text + 228894 - 12, "39999\n40000\n");
	assert_nobody_left(1000);
}

static void fails(int want, const char *word)
{
	const char *text;
	int r;

	listen_to_stderr();
	r = engine_through.dial(engine_through.client, &shop);
	msleep(100);
	text = heard();
	if (r != want || !strstr(text, word))
		fail_msg("%d, and: %s", r, text);
	assert_nobody_left(2000);
}

static void test_a_command_that_ends_tells_its_status_and_last_words(void **state)
{
	command_is("printf 'no \\033[2Jpod\\n' >&2; exit 5");
	fails(-ECONNRESET, "has ended with status 5");
	listen_to_stderr();
	assert_true(engine_through.dial(engine_through.client, &shop) < 0);
	assert_non_null(strstr(heard(), "no ?[2Jpod\n"));
	command_is("kill -9 $$");
	fails(-ECONNRESET, "has ended with status 137");
}

/* Often it is quicker than our end of the stream: that is no news. */
static void test_a_command_that_ends_well_after_an_answer_says_nothing(void **state)
{
	for (int status = 0; status < 2; status++) {
		const char *text;
		int fd;

		command_is(status ? GREETING "exit 1" : GREETING "exit 0");
		listen_to_stderr();
		fd = engine_through.dial(engine_through.client, &shop);
		msleep(500);
		close(fd);
		text = heard();
		assert_true(fd >= 0);
		if (status)
			assert_non_null(strstr(text, "has ended with status 1"));
		else
			assert_string_equal(text, "");
		assert_nobody_left(1000);
	}
}

static void test_what_is_no_command_is_named(void **state)
{
	struct workshop w = { .name = "one", .through = "/no/such/thing -i" };

	listen_to_stderr();
	assert_int_equal(engine_through.dial(engine_through.client, &w), -ECONNRESET);
	assert_non_null(strstr(heard(), "'/no/such/thing' cannot be run: No such file"));
	w.through = through_dir;
	listen_to_stderr();
	assert_int_equal(engine_through.dial(engine_through.client, &w), -ECONNRESET);
	assert_non_null(strstr(heard(), "cannot be run: Permission denied"));
}

static void test_garbage_is_refused_however_much_it_is(void **state)
{
	command_is("yes");
	fails(-EBADMSG, "is not a workshop's greeting");
	command_is("exec 1>&-; sleep 60");
	fails(-ECONNRESET, "has closed its output");
}

static void test_silence_is_waited_for_in_bounds_and_ended(void **state)
{
	const time_t before = time(NULL);
	int r;

	command_is("exec sleep 60");
	listen_to_stderr();
	r = through_connect(through_script, 300);
	assert_non_null(strstr(heard(), "nothing came through"));
	assert_int_equal(r, -ETIMEDOUT);
	assert_nobody_left(2500);
	/* Half a greeting is none. */
	command_is("printf '\\001\\000\\000'; exec sleep 60");
	listen_to_stderr();
	r = through_connect(through_script, 300);
	heard();
	assert_int_equal(r, -ETIMEDOUT);
	assert_nobody_left(2500);
	assert_true(time(NULL) - before < 15); /* of 0.6 s, and 1.2 s each to end COMMAND */
}

static void test_a_closed_stream_ends_a_command_that_hears_nothing(void **state)
{
	int fd;
	char block[4096] = "";

	/* It greets as an agent does, and then neither reads nor heeds a signal. What it starts is
	 * known by its name, too. */
	command_is("ln -s /bin/sleep ${0%/*}/sleep; trap '' TERM HUP\n" GREETING
		   "${0%/*}/sleep 60 & ${0%/*}/sleep 60; ${0%/*}/sleep 60");
	fd = engine_through.dial(engine_through.client, &shop);
	assert_true(fd >= 0);
	/* The pipe to it is full, and there is more: nobody but the hang-up itself tells. */
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (write(fd, block, sizeof(block)) > 0)
		msleep(1);
	close(fd);
	assert_nobody_left(2500);
}

static void test_a_killed_command_ends_what_runs_behind_it(void **state)
{
	char text[64], tick[160];
	struct stat a, b;
	pid_t pid;

	command_is("agent");
	snprintf(tick, sizeof(tick), "while :; do echo >>%s/tick; sleep 0.1; done", through_dir);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		_exit(capture(tick, text, sizeof(text)) < 0);
	}
	msleep(700);
	kill(command_pid(), SIGKILL);
	assert_int_equal(run_wait(pid), 1);
	msleep(1500);
	snprintf(tick, sizeof(tick), "%s/tick", through_dir);
	assert_int_equal(stat(tick, &a), 0);
	msleep(400);
	assert_int_equal(stat(tick, &b), 0);
	assert_int_equal(a.st_size, b.st_size);
	assert_nobody_left(500);
}

static void test_a_killed_tazlaunch_leaves_nothing(void **state)
{
	char text[64], tick[160];
	pid_t pid;

	command_is("agent");
	snprintf(tick, sizeof(tick), "echo >%s/tick; sleep 60", through_dir);
	pid = fork();
	if (!pid)
		_exit(capture(tick, text, sizeof(text)) < 0);
	command_pid();
	msleep(700);
	assert_true(others() > 0);
	kill(pid, SIGKILL);
	run_wait(pid);
	assert_nobody_left(2000);
}

static void test_the_words_are_divided_at_blanks_and_nothing_is_evaluated(void **state)
{
	char copy[THROUGH_BYTES_MAX], *w[THROUGH_WORDS_MAX + 1], many[2 * THROUGH_WORDS_MAX + 4];

	assert_int_equal(through_split(" a  $b\t`c;d|*\\ ", copy, w), 3);
	assert_string_equal(w[1], "$b");
	assert_string_equal(w[2], "`c;d|*\\");
	assert_null(w[3]);
	assert_int_equal(through_split("sh -c 'a b'", copy, w), -EINVAL);
	assert_int_equal(through_split("a \"b", copy, w), -EINVAL);
	assert_int_equal(through_split(" \t ", copy, w), -EINVAL);
	assert_int_equal(through_split("", copy, w), -EINVAL);
	memset(many, ' ', sizeof(many));
	for (int i = 0; i < THROUGH_WORDS_MAX; i++)
		many[2 * i] = 'x';
	many[2 * THROUGH_WORDS_MAX + 1] = '\0';
	assert_int_equal(through_split(many, copy, w), THROUGH_WORDS_MAX);
	many[2 * THROUGH_WORDS_MAX] = 'x';
	assert_int_equal(through_split(many, copy, w), -EINVAL);
}

#define WITH_AGENT(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		WITH_AGENT(test_a_command_leads_to_the_agent_and_ends_with_the_stream),
		WITH_AGENT(test_a_look_whether_it_runs_and_the_request_are_one_command),
		WITH_AGENT(test_two_at_once_and_much_are_carried_unchanged),
		WITH_AGENT(test_a_command_that_ends_tells_its_status_and_last_words),
		WITH_AGENT(test_a_command_that_ends_well_after_an_answer_says_nothing),
		WITH_AGENT(test_what_is_no_command_is_named),
		WITH_AGENT(test_garbage_is_refused_however_much_it_is),
		WITH_AGENT(test_silence_is_waited_for_in_bounds_and_ended),
		WITH_AGENT(test_a_closed_stream_ends_a_command_that_hears_nothing),
		WITH_AGENT(test_a_killed_command_ends_what_runs_behind_it),
		WITH_AGENT(test_a_killed_tazlaunch_leaves_nothing),
		cmocka_unit_test(test_the_words_are_divided_at_blanks_and_nothing_is_evaluated),
	};
	through_role(argc, argv);
	alarm(120); /* a hang is a failure */
	if (geteuid() != 0)
		return 77; /* the agent serves root only */
	return cmocka_run_group_tests_name("through", tests, NULL, NULL);
}
