#include "enclave/holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

struct look {
	dev_t volume, loop;
	uint64_t own_ns;
	const pid_t *but;
	size_t n_but;
	struct holders *list;
};

/* --- one holder ------------------------------------------------------------------------------ */

static uint64_t mount_ns(pid_t pid)
{
	char path[40], text[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	if (readlink(path, text, sizeof(text) - 1) < 0 || strncmp(text, "mnt:[", 5))
		return 0;
	return strtoull(text + 5, NULL, 10);
}

/* The program's path, its end if it is long; a kernel thread has a name only. */
static void name_program(pid_t pid, char *buf, size_t size)
{
	char path[40], exe[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		snprintf(buf, size, "%s", (size_t)n < size ? exe : exe + n - (size - 1));
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	n = io_read_text(AT_FDCWD, path, exe, sizeof(exe));
	snprintf(buf, size, "%s", n > 0 ? exe : "");
	buf[strcspn(buf, "\n")] = '\0';
}

/* It ends on terminals: names are others' bytes. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void holders_add(struct holders *list, const struct proto_holder *h)
{
	struct proto_holder *to = &list->held[list->n];

	if (list->n == PROTO_HOLDERS) {
		list->more = 1;
		return;
	}
	*to = *h;
	if (to->pid > 0)
		name_program(to->pid, to->program, sizeof(to->program));
	make_printable(to->program);
	make_printable(to->where);
	list->n++; /* last: somebody may look on through shared memory */
}

/* One entry for a process and a way of holding; the rest is counted. */
static void found(const struct look *l, pid_t pid, enum proto_hold how, int fd)
{
	struct proto_holder h = { .pid = pid, .how = how, .fd = fd };

	for (uint32_t i = 0; i < l->list->n; i++)
		if (l->list->held[i].pid == pid && l->list->held[i].how == how) {
			l->list->held[i].more++;
			return;
		}
	h.mnt_ns = mount_ns(pid);
	if (h.mnt_ns == l->own_ns)
		h.mnt_ns = 0;
	holders_add(l->list, &h);
}

static bool is_listed(const struct look *l, pid_t pid)
{
	for (uint32_t i = 0; i < l->list->n; i++)
		if (l->list->held[i].pid == pid)
			return true;
	return false;
}

/* --- a process ------------------------------------------------------------------------------- */

/* Is what that link leads to a part of the volume? Nobody's file system is asked anything. */
static bool is_part(const struct look *l, int proc, const char *link, enum proto_hold *ret_how)
{
	struct statx st;
	dev_t dev, rdev;

	if (statx(proc, link, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
		return false;
	dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor);
	if (l->volume && dev == l->volume)
		return true;
	if (!S_ISBLK(st.stx_mode) || !rdev || (rdev != l->volume && rdev != l->loop))
		return false;
	*ret_how = rdev == l->loop ? HOLD_LOOP : HOLD_DEVICE;
	return true;
}

static void look_at_fds(const struct look *l, pid_t pid, int proc, const char *dirname)
{
	int fd = openat(proc, dirname, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		fd_close(&fd);
		return;
	}
	while ((e = readdir(dir))) {
		enum proto_hold how = HOLD_FD;

		if (e->d_name[0] != '.' && is_part(l, fd, e->d_name, &how))
			found(l, pid, how, strtol(e->d_name, NULL, 10));
	}
	closedir(dir);
}

/* "start-end perms offset major:minor inode path" */
static void look_at_maps(const struct look *l, pid_t pid, int proc)
{
	int fd = openat(proc, "maps", O_RDONLY | O_CLOEXEC);
	autofclose FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	unsigned maj, min;
	char line[512];

	if (!f) {
		fd_close(&fd);
		return;
	}
	while (l->volume && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*x-%*x %*s %*x %x:%x", &maj, &min) == 2 &&
		    makedev(maj, min) == l->volume)
			found(l, pid, HOLD_MAP, -1);
}

static void look_at_links(const struct look *l, pid_t pid, int proc)
{
	static const struct {
		const char *link;
		enum proto_hold how;
	} links[] = { { "cwd", HOLD_CWD }, { "root", HOLD_ROOT }, { "exe", HOLD_EXE } };

	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		enum proto_hold how = links[i].how;

		if (is_part(l, proc, links[i].link, &how))
			found(l, pid, how, -1);
	}
}

/* Threads that share nothing with their process any more (unshare(2) CLONE_FILES, CLONE_FS). */
static void look_at_threads(const struct look *l, pid_t pid, int proc)
{
	int fd = openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir) {
		fd_close(&fd);
		return;
	}
	while ((e = readdir(dir))) {
		autoclose int task = -EBADF;

		if (e->d_name[0] == '.' || strtol(e->d_name, NULL, 10) == pid)
			continue;
		task = openat(fd, e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (task < 0)
			continue;
		look_at_fds(l, pid, task, "fd");
		look_at_links(l, pid, task);
	}
	closedir(dir);
}

enum depth { LOOK_SOON, LOOK_DEEP };

static void look_at_process(const struct look *l, pid_t pid, enum depth depth)
{
	autoclose int proc = -EBADF;
	char path[24];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return;
	if (depth == LOOK_SOON) {
		look_at_fds(l, pid, proc, "fd");
		look_at_links(l, pid, proc);
	} else {
		look_at_maps(l, pid, proc);
		if (!is_listed(l, pid))
			look_at_threads(l, pid, proc);
	}
}

static bool counts(const struct look *l, pid_t pid)
{
	for (size_t i = 0; i < l->n_but; i++)
		if (l->but[i] == pid)
			return false;
	return pid > 0 && pid != getpid();
}

static void look_at_processes(const struct look *l, enum depth depth)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		pid_t pid = strtol(e->d_name, NULL, 10);

		if (counts(l, pid))
			look_at_process(l, pid, depth);
	}
	if (dir)
		closedir(dir);
}

/* --- devices on top -------------------------------------------------------------------------- */

static void look_at_stacked(const struct look *l, dev_t dev, dev_t but)
{
	char path[PATH_MAX], number[32];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(dev), minor(dev));
	dir = dev ? opendir(path) : NULL;
	while (dir && (e = readdir(dir))) {
		struct proto_holder h = { .how = HOLD_STACKED, .fd = -1 };
		unsigned maj, min;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/block/%.60s/dev", e->d_name);
		if (io_read_text(AT_FDCWD, path, number, sizeof(number)) > 0 &&
		    sscanf(number, "%u:%u", &maj, &min) == 2 && makedev(maj, min) == but)
			continue;
		snprintf(h.where, sizeof(h.where), "%.63s", e->d_name);
		holders_add(l->list, &h);
	}
	if (dir)
		closedir(dir);
}

void holders_find(dev_t volume, dev_t loop, const pid_t *but, size_t n_but, struct holders *list)
{
	struct look l = { .volume = volume,
			  .loop = loop,
			  .own_ns = mount_ns(getpid()),
			  .but = but,
			  .n_but = n_but,
			  .list = list };

	/* Descriptors first: they are quick to find, and the usual case. */
	look_at_processes(&l, LOOK_SOON);
	look_at_stacked(&l, volume, 0);
	look_at_stacked(&l, loop, volume);
	look_at_processes(&l, LOOK_DEEP);
}
