#include "enclave/base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

int proc_open(pid_t pid)
{
	char path[32];
	int fd;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int proc_stat_parse(const char *text, struct proc_stat *ret)
{
	struct proc_stat st = { 0 };
	const char *after;
	unsigned long long start;

	/* "pid (comm) state ppid pgrp session tty_nr ...": comm may hold ") R 1" itself, so the
	 * last parenthesis is the one that counts. */
	after = strrchr(text, ')');
	if (!after || sscanf(text, "%d (", &st.pid) != 1)
		return -EBADMSG;
	if (sscanf(after,
		   ") %c %d %*d %d %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &st.state, &st.ppid, &st.sid, &st.tty_nr, &start) != 5)
		return -EBADMSG;
	st.start = start;
	*ret = st;
	return 0;
}

int proc_stat_read(int procfd, struct proc_stat *ret)
{
	char text[1024];
	ssize_t n = io_read_text(procfd, "stat", text, sizeof(text));

	if (n == -ENOENT)
		return -ESRCH;
	if (n < 0)
		return n;
	return proc_stat_parse(text, ret);
}

pid_t proc_tgid_read(int procfd)
{
	char text[8192], *line;
	ssize_t n = io_read_text(procfd, "status", text, sizeof(text));

	if (n < 0)
		return -ESRCH;
	line = strstr(text, "\nTgid:");
	return line ? (pid_t)strtol(line + 6, NULL, 10) : -ESRCH;
}

bool proc_is_open_to(int procfd, uint64_t caps, const char *uid_map)
{
	char text[8192], map[256], *line;

	if (io_read_text(procfd, "uid_map", map, sizeof(map)) < 0 || strcmp(map, uid_map))
		return true;
	if (io_read_text(procfd, "status", text, sizeof(text)) < 0)
		return true;
	line = strstr(text, "\nCapPrm:");
	return !line || (strtoull(line + 8, NULL, 16) & caps) != caps;
}
