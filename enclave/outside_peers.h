/*
 * outside_peers - new terminals for a command that may open none (outside_files.h)
 *
 * A program that makes a terminal gets its master from /dev/ptmx, and the other end, its peer, by
 * ioctl(TIOCGPTPEER): for Landlock that is the open(2) of a file which no rule could name
 * beforehand. So the system call filter hands this call to the process that relays the command's
 * own terminal, which does it on the caller's own master, and puts the peer among the caller's
 * descriptors. It decides nothing by names or numbers: who has a master may have its peer.
 *
 * Source: seccomp_unotify(2), SECCOMP_ADDFD_FLAG_SEND (Linux 5.14), pidfd_getfd(2).
 */
#ifndef TAZ_ENCLAVE_OUTSIDE_PEERS_H
#define TAZ_ENCLAVE_OUTSIDE_PEERS_H

/*
 * outside_peers_answer - take one request, which poll(2) has announced, and answer it
 * @listener: of the filter, borrowed
 *
 * Whatever is wrong with a request its caller is told. Returns 0, or -errno when the next ones
 * can't be taken: -ENOMEM.
 */
int outside_peers_answer(int listener);

#endif
