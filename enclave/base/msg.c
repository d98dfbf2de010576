#include "enclave/base/msg.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "enclave/base/fd.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* linux/asm-generic/socket.h, 6.5; removable with Debian 13's headers */
#endif

int msg_send(int sock, const void *buf, size_t size, const int *fds, size_t n_fds)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = size };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(MSG_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > MSG_FDS_MAX)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Collects what the kernel installed; more than @max is closed at once, and is an error. */
static int collect_fds(struct msghdr *msg, int *fds, size_t max)
{
	size_t kept = 0;
	int r = msg->msg_flags & MSG_CTRUNC ? -EMSGSIZE : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (kept < max) {
				fds[kept++] = fd;
			} else {
				fd_close(&fd);
				r = -EMSGSIZE;
			}
		}
	}
	return r;
}

/* A peer that closed before it had read everything is announced once as ECONNRESET (unix(7)), ahead
 * of what it had sent; the kernel forgets the error when it has told it. */
static ssize_t receive(int sock, struct msghdr *msg)
{
	bool reset = false;
	ssize_t n;

	for (;;) {
		n = recvmsg(sock, msg, MSG_CMSG_CLOEXEC);
		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || reset)))
			return n;
		reset = reset || errno == ECONNRESET;
	}
}

ssize_t msg_recv(int sock, void *buf, size_t size, int *ret_fds, size_t max_fds)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	union {
		struct cmsghdr align;
		/* One more than is ever allowed: the surplus is seen and closed, not lost. */
		char space[CMSG_SPACE((MSG_FDS_MAX + 1) * sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };
	ssize_t n;
	int r;

	for (size_t i = 0; i < max_fds; i++)
		ret_fds[i] = -EBADF;
	n = receive(sock, &msg);
	if (n < 0)
		return -errno;
	r = collect_fds(&msg, ret_fds, max_fds);
	if (msg.msg_flags & MSG_TRUNC)
		r = -EMSGSIZE;
	if (r < 0) {
		for (size_t i = 0; i < max_fds; i++)
			fd_close(&ret_fds[i]);
		return r;
	}
	return n;
}

int msg_pair(int ret_pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_pair) < 0 ? -errno : 0;
}

static int fill_address(struct sockaddr_un *addr, const char *path)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	strcpy(addr->sun_path, path);
	return 0;
}

int msg_listen(const char *path, mode_t mode, int type)
{
	autoclose int fd = -EBADF;
	struct sockaddr_un addr;
	int r = fill_address(&addr, path);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	autoclose int other = msg_connect(path, type);

	if (other >= 0)
		return -EADDRINUSE;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, 64) < 0)
		return -errno;
	return take_fd(&fd);
}

int msg_connect(const char *path, int type)
{
	const struct timeval patience = { .tv_sec = 10 }, none = { 0 };
	autoclose int fd = -EBADF;
	struct sockaddr_un addr;
	int r = fill_address(&addr, path);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Source: unix(7): a connect waits for room in the queue as long as a send would. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none)) < 0)
		return -errno;
	return take_fd(&fd);
}

int msg_peer(int sock, struct ucred *ret_cred, int *ret_pidfd)
{
	autoclose int pidfd = -EBADF;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (cred.pid <= 0)
		return -ESRCH;
	len = sizeof(pidfd);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0) {
		if (errno != ENOPROTOOPT)
			return errno == EINVAL ? -ESRCH : -errno;
		pidfd = syscall(SYS_pidfd_open, cred.pid, 0);
		if (pidfd < 0)
			return -errno;
	}
	*ret_cred = cred;
	*ret_pidfd = take_fd(&pidfd);
	return 0;
}
