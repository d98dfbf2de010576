/*
 * outside_files - what the kernel's Landlock takes from a command that is run outside
 *
 * Files that are terminals of others: whoever has the same user may open them and read what is
 * typed there, a passphrase perhaps. Everything else stays as it is: what Landlock has no rule for
 * can't be opened, so each entry of / and of /dev has one, and /dev/pts has none but for the
 * command's own terminal. A terminal that is made later, by the command too, can't be opened by its
 * name (outside_peers.h).
 *
 * A file that is renamed or linked into another directory needs a rule as well, whatever else is
 * asked for: so every entry allows that, and a kernel that has no such rule (before 5.19) counts
 * as one without Landlock. What is made in / and /dev later can't be opened.
 *
 * Landlock also keeps it from tracing what is not in the same box, and, from Linux 6.12 on, from
 * sending signals there and connecting to abstract UNIX sockets of others.
 *
 * Source: landlock(7), landlock_create_ruleset(2), linux/landlock.h of Linux 6.12.
 */
#ifndef TAZ_ENCLAVE_OUTSIDE_FILES_H
#define TAZ_ENCLAVE_OUTSIDE_FILES_H

/*
 * outside_files - for this process and all that it starts, for good; no_new_privs is set
 * @own_tty: path of the terminal that it may open, or NULL
 * Returns 0, -EOPNOTSUPP when the kernel has no Landlock (nothing was taken then), or -errno.
 */
int outside_files(const char *own_tty);

#endif
