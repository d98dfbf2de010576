/*
 * msg - one message, at most MSG_FDS_MAX descriptors, over a SOCK_SEQPACKET socket
 *
 * Source: unix(7): SCM_RIGHTS, MSG_TRUNC, MSG_CTRUNC; socket(7): SO_PEERCRED.
 */
#ifndef TAZ_BASE_MSG_H
#define TAZ_BASE_MSG_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define MSG_FDS_MAX 4

/*
 * msg_send - send one message, whole or not at all
 * @sock: connected socket, borrowed
 * @fds, @n_fds: descriptors to pass, borrowed; 0 to MSG_FDS_MAX
 *
 * Never raises SIGPIPE. Returns 0, or
 *   -EPIPE  the peer has closed
 *   -errno  from sendmsg(2)
 */
int msg_send(int sock, const void *buf, size_t size, const int *fds, size_t n_fds);

/*
 * msg_recv - receive one message
 * @sock: connected socket, borrowed
 * @buf, @size: where the bytes go; @size in bytes
 * @ret_fds: filled with up to @max_fds descriptors, now owned by the caller; the rest -EBADF
 * @max_fds: 0 to MSG_FDS_MAX
 *
 * Returns the number of bytes, 0 when the peer has closed and all that it sent was received (also
 * when it died before it had read what we sent), or
 *   -EMSGSIZE  longer than @size, or more than @max_fds descriptors; nothing is kept
 *   -errno     from recvmsg(2)
 */
ssize_t msg_recv(int sock, void *buf, size_t size, int *ret_fds, size_t max_fds);

/* msg_pair - a connected pair of sockets for messages. Returns 0 or -errno of socketpair(2). */
int msg_pair(int ret_pair[2]);

/*
 * msg_listen - listen at a path, replacing a dead socket of the same name
 * @mode: permissions of the socket file
 * Returns the descriptor, -EADDRINUSE when somebody listens there, -ENAMETOOLONG, or -errno of
 * socket(2), bind(2), listen(2), chmod(2).
 */
int msg_listen(const char *path, mode_t mode, int type);

/*
 * msg_connect - connect to a path
 * @type: SOCK_SEQPACKET or SOCK_STREAM
 * Returns the descriptor or -errno of socket(2), connect(2); -ENAMETOOLONG; -ETIMEDOUT when the
 * other end has taken nobody in for 10 s and its queue is full.
 */
int msg_connect(const char *path, int type);

/*
 * msg_peer - who is at the other end, as the kernel recorded it at connect(2)
 * @ret_pidfd: a pidfd of that very process when the kernel has SO_PEERPIDFD (6.5 and later),
 *             otherwise one of pidfd_open(2); owned by the caller
 *
 * Returns 0, -ESRCH when the peer is gone or lives outside our pid namespace, or -errno.
 */
int msg_peer(int sock, struct ucred *ret_cred, int *ret_pidfd);

#endif
