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

/* The line begins after a newline: one in the process's name, which comes first, is escaped. */
static const char *find_line(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? line + strlen(name) : NULL;
}

int proc_status_parse(const char *text, struct proc_status *ret)
{
	const char *tgid = find_line(text, "\nTgid:"), *tracer = find_line(text, "\nTracerPid:");
	const char *uid = find_line(text, "\nUid:"), *caps = find_line(text, "\nCapPrm:");
	struct proc_status st;
	unsigned long long cap_prm;

	if (!tgid || sscanf(tgid, "%d", &st.tgid) != 1 || st.tgid <= 0)
		return -EBADMSG;
	if (!tracer || sscanf(tracer, "%d", &st.tracer) != 1)
		return -EBADMSG;
	if (!uid || sscanf(uid, "%u %u %u %u", &st.uid[0], &st.uid[1], &st.uid[2], &st.uid[3]) != 4)
		return -EBADMSG;
	if (!caps || sscanf(caps, "%llx", &cap_prm) != 1)
		return -EBADMSG;
	st.cap_prm = cap_prm;
	*ret = st;
	return 0;
}

int proc_status_read(int procfd, struct proc_status *ret)
{
	char text[8192];
	ssize_t n = io_read_text(procfd, "status", text, sizeof(text));

	if (n == -ENOENT)
		return -ESRCH;
	if (n < 0)
		return (int)n;
	return proc_status_parse(text, ret);
}

pid_t proc_tgid_read(int procfd)
{
	struct proc_status st;

	return proc_status_read(procfd, &st) < 0 ? -ESRCH : st.tgid;
}

bool proc_is_open_to(int procfd, uint64_t caps, const char *uid_map)
{
	struct proc_status st;
	char map[256];

	if (io_read_text(procfd, "uid_map", map, sizeof(map)) < 0 || strcmp(map, uid_map))
		return true;
	return proc_status_read(procfd, &st) < 0 || (st.cap_prm & caps) != caps;
}
