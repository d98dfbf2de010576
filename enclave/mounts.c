#include "enclave/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmount/libmount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"

#define ROUNDS_MAX     8    /* over all namespaces */
#define TRIES_MAX      32   /* in one of them: mounts on top of each other */
#define NAMESPACES_MAX 4096 /* a descriptor each */

/* linux/nsfs.h of 6.12; older headers have none of it. */
struct ns_info {
	uint32_t size, nr_mounts;
	uint64_t mnt_ns_id;
};
#define NS_NEXT _IOR(0xb7, 11, struct ns_info)
#define NS_PREV _IOR(0xb7, 12, struct ns_info)

struct ns {
	uint64_t ino;
	int fd;
	pid_t pid;
};

struct walk {
	const dev_t *devs;
	size_t n_devs;
	struct mounts_result *res;
	int proc;    /* our /proc: another namespace may have none, or one of its own */
	uint64_t at; /* in which we are */
	struct ns own, *list;
	size_t n, room;
};

/* --- our own namespace ----------------------------------------------------------------------- */

static struct libmnt_table *own_mounts(void)
{
	return mnt_new_table_from_file("/proc/self/mountinfo");
}

bool mounts_have(int id)
{
	struct libmnt_table *table = own_mounts();
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	bool found = !table || !iter;

	while (!found && mnt_table_next_fs(table, iter, &fs) == 0)
		found = mnt_fs_get_id(fs) == id;
	mnt_free_iter(iter);
	mnt_unref_table(table);
	return found;
}

void mounts_detach_stale(const char *path)
{
	struct libmnt_table *table = own_mounts();
	struct libmnt_fs *fs;

	while (table && (fs = mnt_table_find_target(table, path, MNT_ITER_BACKWARD)) &&
	       mnt_fs_match_fstype(fs, "fuse.tazfs") && umount2(path, MNT_DETACH) == 0) {
		mnt_unref_table(table);
		table = own_mounts();
	}
	mnt_unref_table(table);
}

/* --- which namespaces there are -------------------------------------------------------------- */

static bool is_known(const struct walk *w, uint64_t ino)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].ino == ino)
			return true;
	return false;
}

/* Takes @fd. */
static void add(struct walk *w, uint64_t ino, int fd, pid_t pid)
{
	autoclose int held = fd;

	if (w->n == w->room) {
		size_t room = w->room ? 2 * w->room : 16;
		struct ns *list =
			room > NAMESPACES_MAX ? NULL : reallocarray(w->list, room, sizeof(*list));

		if (!list)
			return;
		w->list = list;
		w->room = room;
	}
	w->list[w->n++] = (struct ns){ .ino = ino, .fd = take_fd(&held), .pid = pid };
}

static void add_path(struct walk *w, const char *path, pid_t pid)
{
	char text[64] = "";
	uint64_t ino;
	int fd;

	/* Most are known: reading the link is cheaper than opening it. */
	if (readlinkat(w->proc, path, text, sizeof(text) - 1) < 0 || strncmp(text, "mnt:[", 5))
		return;
	ino = strtoull(text + 5, NULL, 10);
	if (is_known(w, ino))
		return;
	fd = openat(w->proc, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		add(w, ino, fd, pid);
}

/* Each thread may have a namespace of its own. */
static void add_threads(struct walk *w, pid_t pid)
{
	char path[64];
	struct dirent *e;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%d/task", pid);
	fd = openat(w->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		fd_close(&fd);
		return;
	}
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%d/task/%.20s/ns/mnt", pid, e->d_name);
			add_path(w, path, pid);
		}
	closedir(dir);
}

static int add_processes(struct walk *w)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		pid_t pid = strtol(e->d_name, NULL, 10);

		if (pid > 0)
			add_threads(w, pid);
	}
	closedir(dir);
	return 0;
}

/* What the kernel lists itself, one by one from ours on; nothing before Linux 6.12. */
static void add_neighbours(struct walk *w, unsigned long which)
{
	struct ns_info info = { .size = sizeof(info) };
	int at = w->own.fd, fd;
	struct stat st;

	while ((fd = ioctl(at, which, &info)) >= 0 && fstat(fd, &st) == 0) {
		if (fd_set_cloexec(fd, 1) == 0 && !is_known(w, st.st_ino))
			add(w, st.st_ino, dup(fd), 0);
		if (at != w->own.fd)
			fd_close(&at);
		at = fd;
	}
	if (at != w->own.fd)
		fd_close(&at);
}

static int list_namespaces(struct walk *w)
{
	int r = add_processes(w);

	if (r < 0)
		return r;
	add_neighbours(w, NS_NEXT);
	add_neighbours(w, NS_PREV);
	return 0;
}

static void forget_namespaces(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		fd_close(&w->list[i].fd);
	free(w->list);
	w->list = NULL;
	w->n = w->room = 0;
}

/* --- in one of them -------------------------------------------------------------------------- */

/* From the root of /proc: paths below are relative, whatever is mounted there. Our own needs no
 * right to be entered, unless we come from another. */
static int enter(struct walk *w, const struct ns *ns)
{
	if ((ns->ino != w->at && setns(ns->fd, CLONE_NEWNS) < 0) || fchdir(w->proc) < 0)
		return -errno;
	w->at = ns->ino;
	return 0;
}

static bool is_ours(const struct walk *w, struct libmnt_fs *fs)
{
	for (size_t i = 0; i < w->n_devs; i++)
		if (w->devs[i] && mnt_fs_get_devno(fs) == w->devs[i])
			return true;
	return false;
}

/* By descriptor, and only when the path leads to that very mount: what covers it is not ours. */
static bool detach(struct libmnt_fs *fs)
{
	autoclose int fd = open(mnt_fs_get_target(fs), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct statx st;
	char path[32];

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0 ||
	    (int)st.stx_mnt_id != mnt_fs_get_id(fs))
		return false;
	snprintf(path, sizeof(path), "self/fd/%d", fd);
	return umount2(path, MNT_DETACH) == 0;
}

static void add_left(struct mounts_result *res, const struct ns *ns, bool own, const char *at)
{
	struct mounts_left *left = &res->left[res->n_left];

	if (res->n_left == MOUNTS_LEFT) {
		res->more_left = true;
		return;
	}
	*left = (struct mounts_left){ .ns = own ? 0 : ns->ino, .pid = ns->pid };
	snprintf(left->at, sizeof(left->at), "%s", at);
	res->n_left++;
}

/* One look at the table: each of ours is detached, or noted. Returns how many were detached. */
static int look_once(const struct walk *w, const struct ns *ns, const char *mountinfo)
{
	struct libmnt_table *table = mnt_new_table_from_file(mountinfo);
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_BACKWARD);
	struct libmnt_fs *fs;
	int detached = 0;

	while (table && iter && mnt_table_next_fs(table, iter, &fs) == 0) {
		if (!is_ours(w, fs))
			continue;
		if (ns->ino == w->at && detach(fs))
			detached++;
		else
			add_left(w->res, ns, ns->ino == w->own.ino, mnt_fs_get_target(fs));
	}
	mnt_free_iter(iter);
	mnt_unref_table(table);
	return detached;
}

/* Again until nothing changes: a mount may have covered another, or been copied meanwhile. */
static int detach_in(struct walk *w, const struct ns *ns)
{
	unsigned before = w->res->n_left;
	char mountinfo[32];
	int sum = 0, n = 1;

	w->res->in_ns = ns->ino;
	w->res->in_pid = ns->pid;
	/* Not ours to enter, without CAP_SYS_CHROOT or below a foreign user namespace: only looked
	 * at. */
	if (enter(w, ns) < 0) {
		snprintf(mountinfo, sizeof(mountinfo), "/proc/%d/mountinfo", ns->pid);
		return ns->pid ? look_once(w, ns, mountinfo) : 0;
	}
	for (int i = 0; n > 0 && i < TRIES_MAX; i++) {
		w->res->n_left = before;
		n = look_once(w, ns, "self/mountinfo");
		sum += n;
	}
	return sum;
}

static int one_round(struct walk *w)
{
	int sum = 0, r = list_namespaces(w);

	w->res->n_left = 0;
	for (size_t i = 0; r == 0 && i < w->n; i++)
		sum += detach_in(w, &w->list[i]);
	if (enter(w, &w->own) < 0 || chdir("/") < 0)
		r = -errno;
	w->res->in_ns = 0;
	w->res->in_pid = 0;
	forget_namespaces(w);
	return r < 0 ? r : sum;
}

int mounts_detach_everywhere(const dev_t *devs, size_t n, struct mounts_result *res)
{
	struct walk w = { .devs = devs, .n_devs = n, .res = res };
	autoclose int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclose int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	struct stat st;
	int r = 1;

	*res = (struct mounts_result){ 0 };
	if (proc < 0 || own < 0 || fstat(own, &st) < 0)
		return -errno;
	w.proc = proc;
	w.own = (struct ns){ .ino = st.st_ino, .fd = own };
	w.at = st.st_ino;
	for (int i = 0; r > 0 && i < ROUNDS_MAX; i++) {
		r = one_round(&w);
		res->detached += r > 0 ? r : 0;
	}
	return r < 0 ? r : 0;
}
