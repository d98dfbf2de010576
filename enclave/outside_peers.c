#include "enclave/outside_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/proc.h"

#define PTMX_MAJOR 5 /* Documentation/admin-guide/devices.txt */
#define PTMX_MINOR 2

/* Before Linux 6.9 there are pidfds of whole processes only, and a thread asks. */
static int open_process(pid_t thread)
{
	autoclose int dir = proc_open(thread);
	struct proc_status st;
	int r = dir < 0 ? dir : proc_status_read(dir, &st);

	if (r < 0)
		return r;
	r = syscall(SYS_pidfd_open, st.tgid, 0);
	return r < 0 ? -errno : r;
}

/* Of anything else this call could mean anything, or wait for ever. */
static bool is_master(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(PTMX_MAJOR, PTMX_MINOR);
}

static int open_peer(const struct seccomp_notif *req)
{
	autoclose int process = open_process(req->pid);
	autoclose int master = -EBADF;
	int flags = (int)req->data.args[2], fd;

	if (process < 0)
		return process;
	master = syscall(SYS_pidfd_getfd, process, (int)req->data.args[0], 0);
	if (master < 0)
		return -errno;
	if (!is_master(master))
		return -ENOTTY;
	fd = ioctl(master, TIOCGPTPEER, (flags & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Only while the caller still waits is what was found by its number its own. */
static int give(int listener, const struct seccomp_notif *req, int peer)
{
	struct seccomp_notif_addfd add = {
		.id = req->id,
		.flags = SECCOMP_ADDFD_FLAG_SEND,
		.srcfd = peer,
		.newfd_flags = req->data.args[2] & O_CLOEXEC,
	};

	if (seccomp_notify_id_valid(listener, req->id) < 0)
		return -ENOENT;
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 ? -errno : 0;
}

static void answer(int listener, struct seccomp_notif *req, struct seccomp_notif_resp *resp)
{
	autoclose int peer = -EBADF;
	int r;

	if (seccomp_notify_receive(listener, req) < 0)
		return; /* it has just died */
	peer = open_peer(req);
	r = peer < 0 ? peer : give(listener, req, peer);
	if (r == 0)
		return;
	resp->id = req->id;
	resp->error = r;
	seccomp_notify_respond(listener, resp); /* nobody to tell when it fails: it has died */
}

int outside_peers_answer(int listener)
{
	struct seccomp_notif *req;
	struct seccomp_notif_resp *resp;

	if (seccomp_notify_alloc(&req, &resp) < 0)
		return -ENOMEM;
	answer(listener, req, resp);
	seccomp_notify_free(req, resp);
	return 0;
}
