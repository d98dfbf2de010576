#include "tests/faults/kernel.h"

#include <dirent.h>
#include <glob.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/proc.h"
#include "tests/faults/role.h"

static bool any(const char *pattern)
{
	glob_t g;
	bool found = glob(pattern, GLOB_NOSORT, NULL, &g) == 0;

	globfree(&g);
	return found;
}

static bool has_line(const char *path, const char *text)
{
	autofclose FILE *f = fopen(path, "re");
	char line[1024];

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (strstr(line, text))
			return true;
	return false;
}

/* Calls @found for each process until it says yes. */
static bool any_process(bool (*found)(pid_t pid))
{
	DIR *proc = opendir("/proc");
	bool yes = false;

	for (struct dirent *e; proc && !yes && (e = readdir(proc));)
		if (atoi(e->d_name) > 0)
			yes = found(atoi(e->d_name));
	if (proc)
		closedir(proc);
	return yes;
}

static bool is_dead(pid_t pid)
{
	autoclose int proc = proc_open(pid);
	struct proc_stat st;

	return proc < 0 || proc_stat_read(proc, &st) < 0 || st.state == 'Z' || st.state == 'X';
}

static bool is_view(pid_t pid)
{
	return role_of(pid) == ROLE_VIEW && !is_dead(pid);
}

/* Most share the first process's namespace, which is looked at once. */
static bool has_view_mount(pid_t pid)
{
	char path[40], here[64] = "", first[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	if (readlink(path, here, sizeof(here) - 1) < 0 ||
	    readlink("/proc/1/ns/mnt", first, sizeof(first) - 1) < 0)
		return false;
	if (pid != 1 && !strcmp(here, first))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	return has_line(path, "fuse.tazfs");
}

const char *kernel_left(bool mounts)
{
	if (any("/sys/block/dm-*"))
		return "a mapping";
	if (any("/sys/block/loop*/loop"))
		return "a loop device";
	if (has_line("/proc/keys", "taz:"))
		return "a key";
	if (any_process(is_view))
		return "a view";
	return mounts && any_process(has_view_mount) ? "a mount" : NULL;
}

bool kernel_door_answers(const char *door)
{
	struct statfs fs;
	struct stat st;

	return stat(door, &st) == 0 && S_ISDIR(st.st_mode) && statfs(door, &fs) == 0 &&
	       fs.f_type != FUSE_SUPER_MAGIC;
}
