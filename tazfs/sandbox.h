/* sandbox - the system calls that a view may still make */
#ifndef TAZ_TAZFS_SANDBOX_H
#define TAZ_TAZFS_SANDBOX_H

/*
 * sandbox_enter - allow what serving takes, for this thread and all that it starts
 *
 * Everything else fails with EPERM rather than killing us: a libc or libfuse that one day tries a
 * call we have not met (and can do without) must not cost the user his open files, and whoever
 * gets to run code in here gains nothing from an error. exec, ptrace, socket, connect, mount and
 * their like are on no list. Needs no_new_privs. Returns 0 or -errno of libseccomp.
 */
int sandbox_enter(void);

#endif
