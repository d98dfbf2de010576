/*
 * vm_qemu - one guest: the emulator, its folders' servers, and the lock that says it is alive
 *
 *	RUN/alive	flock(2)ed by QEMU for as long as it lives: no pid can be mistaken
 *	RUN/qemu.pid	its pid, true whenever the lock is held
 *	RUN/port.N	a stream to the agent; RUN/port.N.lock is held by who uses it
 *	RUN/power	one byte here is the power button
 *	RUN/qemu.log	its own complaints
 *	RUN/console.log	what the kernel and taz-vm-init say; no terminal of a session passes there
 *
 * Source: qemu(1): -overcommit, -chardev socket, -sandbox; virtiofsd(1).
 */
#ifndef TAZ_LAUNCHER_VM_QEMU_H
#define TAZ_LAUNCHER_VM_QEMU_H

#include <stdbool.h>

#include "launcher/engine.h"
#include "launcher/vm_host.h"

#define VM_PORTS 16

enum vm_accel { VM_TCG, VM_KVM };

/* vm_path - RUN/@file of a workshop. Returns 0 or -ENAMETOOLONG. */
int vm_path(const struct workshop *w, const char *file, char *buf, size_t size);

/* vm_alive - does its QEMU live? 1, 0 or -errno. */
int vm_alive(const struct workshop *w);

/*
 * vm_pidfd - its QEMU's pidfd
 * Returns the descriptor, -ESRCH when it does not live, or -errno.
 */
int vm_pidfd(const struct workshop *w);

/*
 * vm_start - start the guest, in the background
 * Whatever an earlier guest left in RUN is replaced. Returns 0, -EBUSY when one lives already, or
 * -errno after saying why.
 */
int vm_start(const struct workshop *w, const struct vm_files *files, enum vm_accel accel);

/*
 * vm_kill - at once, without asking it; also what vm_start() of this process has begun
 * Waits until it is gone. Returns 0 or -errno.
 */
int vm_kill(const struct workshop *w);

/* vm_wait_end - wait for a pidfd's process. Returns 0 or -ETIMEDOUT. */
int vm_wait_end(int pidfd, int timeout_ms);

#endif
