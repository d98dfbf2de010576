/*
 * outside - become a process that no session has: for a command that is not to have the secrets
 *
 * A session's processes are told from others by the session mark (base/privs.h), which a process
 * can give away and never get back, nor can what it starts: exec, fork, a daemon's second fork and
 * another terminal change nothing about it. So the view refuses it, and the kernel lets it trace no
 * member. What else would lead back into the session is taken away, too, by a system call filter
 * that all its children inherit:
 *
 *	socket(AF_UNIX)		the servers of members: tmux, ssh-agent, gpg-agent, an editor, dbus
 *	socketpair(datagram)	the same: a datagram may be sent to any name, also by half of a pair
 *	socket(AF_VSOCK)	the host of a virtual machine
 *	ioctl(TIOCSTI)		typing into the terminal that it shares with a member's shell
 *	ioctl(TIOCLINUX)	the same by the virtual console's selection
 *	io_uring_setup()	the same calls, past such a filter
 *
 * and by Landlock (outside_files.h) the terminals of others, and tracing and signals to what has no
 * mark either: other processes of the same user. What is left: what it was given (its streams, a
 * socket among them), pairs of stream sockets, TCP and UDP, the user's files, and to send signals
 * where Linux is older than 6.12. Programs of another architecture, as 32-bit ones, are ended.
 *
 * Source: capabilities(7), prctl(2) PR_SET_NO_NEW_PRIVS, seccomp(2), ioctl_tty(2), landlock(7).
 */
#ifndef TAZ_ENCLAVE_OUTSIDE_H
#define TAZ_ENCLAVE_OUTSIDE_H

/* outside_may_leave - Returns 0, -ENOTUNIQ as outside_enter(), or -errno. */
int outside_may_leave(void);

/*
 * outside_enter - leave the session, for good, and close every descriptor above 2
 *
 * @own_tty: path of the terminal that it may open, or NULL
 * @peers: a socket to the process that calls outside_peers_answer(), or -EBADF: no terminals can
 *	   be made. It gets a message with the listener, or is just closed; taken
 *
 * Until the next exec, which ends it, this process can't be traced or asked for a descriptor by
 * those who are outside already: it is not dumpable, and it gives the mark away last.
 *
 * Returns 0; 1 when it is outside, but the kernel has no Landlock; or
 *   -ENOTUNIQ  this process has no session mark: then its session, if it is in one, goes by descent
 *		alone, which can't be left
 *   -EISDIR    the vault is still let in: never seen, and looked at all the same
 *   -errno     the kernel's, or libseccomp's
 * The caller must end the process after an error: it may be half-way.
 */
int outside_enter(const char *home, const char *own_tty, int peers);

/*
 * outside_filter - its system call filter alone; no_new_privs must be set
 * @ret_listener: gets the descriptor at which ioctl(TIOCGPTPEER) asks; NULL: that is let through
 * Returns 0 or -errno.
 */
int outside_filter(int *ret_listener);

#endif
