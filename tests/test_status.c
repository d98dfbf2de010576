/* 'tazlaunch status' against a double of the agent: what is said of names and by others. */
#include <json-c/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "launcher/cmd.h"
#include "launcher/stream.h"
#include "launcher/workshop.h"

#define WORKSPACE "/home/me/a\033]0;x\007b"

static char root[64], dir[128];
static pid_t agent;

/* One request a connection; who only looks whether somebody answers has gone by then. */
static void serve_one(int fd, const char *answer)
{
	struct stream *s = stream_new(fd, FRAME_FROM_HOST);
	struct frame f;

	if (s && stream_send(s, FRAME_HELLO, FRAME_HELLO_TEXT, 4) == 0 &&
	    stream_wait(s, &f, 5000) == 1) {
		stream_send(s, FRAME_STDOUT, answer, strlen(answer));
		stream_send_u32(s, FRAME_EXIT, 0);
		stream_drain(s, 5000);
		/* Who closes with something unread takes back what it has said. Source: unix(7). */
		while (stream_wait(s, &f, 5000) == 1)
			;
	}
	stream_free(s);
}

static void start_agent(const char *answer)
{
	char path[192];
	int sock;

	snprintf(path, sizeof(path), "%s/run/agent.sock", dir);
	sock = msg_listen(path, 0600, SOCK_STREAM);
	assert_true(sock >= 0);
	agent = fork();
	if (agent == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int fd; (fd = accept4(sock, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
			serve_one(fd, answer);
		_exit(1);
	}
	close(sock);
}

static int setup(void **state)
{
	struct record rec = { .engine = "docker",
			      .image = "taz/base:1",
			      .instance = "one-1",
			      .workspace = WORKSPACE };

	strcpy(root, "/tmp/taz-status-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(dir, sizeof(dir), "%s/one", root);
	setenv("TAZ_STATE", root, 1);
	setenv("TAZ_CONF", "/no/such/file", 1);
	return workshop_make_dirs(dir) < 0 ? -1 : record_save(dir, &rec);
}

static int teardown(void **state)
{
	char cmd[128];

	kill(agent, SIGKILL);
	run_wait(agent);
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	return system(cmd);
}

/* Returns its exit code; what it printed is in @out. */
static int status(const char *more, char *out, size_t size)
{
	char *argv[] = { "status", "--name", "one", (char *)more, NULL };
	int mem = memfd_create("out", MFD_CLOEXEC), r;
	pid_t pid = fork();
	ssize_t n;

	if (pid == 0) {
		dup2(mem, STDOUT_FILENO);
		r = cmd_status.run(more ? 4 : 3, argv);
		fflush(stdout);
		_exit(r);
	}
	r = run_wait(pid);
	n = io_pread_full(mem, out, size - 1, 0);
	out[n < 0 ? 0 : n] = '\0';
	close(mem);
	return r;
}

static void test_a_workspaces_name_cannot_steer_a_terminal(void **state)
{
	char out[1024];

	start_agent("{\"state\": \"locked\", \"sessions\": 0, \"generation\": 7}\n");
	assert_int_equal(status(NULL, out, sizeof(out)), 0);
	assert_string_equal(out, "one: locked, 0 sessions, engine docker\n"
				 "generation 7, workspace /home/me/a?]0;x?b, image taz/base:1\n");
}

static void test_json_has_the_workspaces_very_name(void **state)
{
	struct json_object *o, *v;
	char out[1024];

	start_agent("{\"state\": \"locked\", \"sessions\": 0, \"generation\": 7}\n");
	assert_int_equal(status("--json", out, sizeof(out)), 0);
	assert_null(strchr(out, '\033'));
	o = json_tokener_parse(out);
	assert_true(json_object_object_get_ex(o, "workspace", &v));
	assert_string_equal(json_object_get_string(v), WORKSPACE);
	json_object_put(o);
}

static void test_a_state_that_is_none_of_ours_is_not_passed_on(void **state)
{
	char out[1024];

	start_agent("{\"state\": \"\\u001b[2Jlocked\", \"sessions\": 0}\n");
	assert_int_equal(status(NULL, out, sizeof(out)), 1);
	assert_string_equal(out, "");
	assert_int_equal(status("--json", out, sizeof(out)), 1);
	assert_string_equal(out, "");
}

#define WITH_WORKSHOP(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORKSHOP(test_a_workspaces_name_cannot_steer_a_terminal),
		WITH_WORKSHOP(test_json_has_the_workspaces_very_name),
		WITH_WORKSHOP(test_a_state_that_is_none_of_ours_is_not_passed_on),
	};

	alarm(120); /* a hang is a failure */
	if (geteuid() != 0)
		return 77; /* as tazlaunch */
	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
