#include "tests/through_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "launcher/cmd.h"

char through_dir[64], through_sock[128], through_script[128];
static char said_path[128];
static int stderr_fd = -1;

void msleep(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

int through_begin(void)
{
	strcpy(through_dir, "/tmp/taz-through-XXXXXX");
	if (!mkdtemp(through_dir))
		return -1;
	snprintf(through_sock, sizeof(through_sock), "%s/agent.sock", through_dir);
	snprintf(through_script, sizeof(through_script), "%s/command", through_dir);
	snprintf(said_path, sizeof(said_path), "%s/said", through_dir);
	return 0;
}

int through_end(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -r %s", through_dir);
	return system(cmd);
}

void through_role(int argc, char *argv[])
{
	char self[4096] = "";

	if (argc > 1 && !strcmp(argv[1], "through"))
		exit(cmd_through.run(argc - 1, argv + 1));
	if (argc > 1 && !strcmp(argv[1], "agent-stream"))
		exit(cmd_agent_stream.run(argc - 1, argv + 1));
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 ||
	    setenv("TAZ_TEST_SELF", self, 1) < 0)
		exit(1);
}

void command_is(const char *body)
{
	FILE *f = fopen(through_script, "w");

	assert_non_null(f);
	fprintf(f,
		"#!/bin/sh\necho $$ >%s/pid\n[ \"$*\" = '/usr/bin/tazlaunch agent-stream' ] || exit 99\n"
		"agent() { %s agent-stream --socket %s; }\n%s\n",
		through_dir, getenv("TAZ_TEST_SELF"), through_sock, body);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(through_script, 0700), 0);
}

void listen_to_stderr(void)
{
	int fd = open(said_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

const char *heard(void)
{
	static char text[8192];

	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	assert_true(io_read_text(AT_FDCWD, said_path, text, sizeof(text)) >= 0);
	return text;
}

pid_t command_pid(void)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "%s/pid", through_dir);
	for (int i = 0; i < 100; i++, msleep(20))
		if (io_read_text(AT_FDCWD, path, text, sizeof(text)) > 0)
			return atoi(text);
	fail_msg("COMMAND has not started");
	return -1;
}

int others(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[300], line[4096];
		ssize_t len;
		pid_t pid = atoi(e->d_name);

		if (pid <= 0 || pid == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
		len = io_read_text(AT_FDCWD, path, line, sizeof(line));
		if (len > 0 && memmem(line, len, through_dir, strlen(through_dir)))
			n++;
	}
	closedir(d);
	return n;
}

void assert_nobody_left(int ms)
{
	for (int at = 0; at < ms && others(); at += 20)
		msleep(20);
	assert_int_equal(others(), 0);
}
