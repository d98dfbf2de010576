/*
 * agent - the host's way in: takes streams, and gives each to a relay in a process of its own
 *
 * It trusts whoever reaches it: its socket lies in a folder that only root can enter (0700, bind
 * mounted from the host), a virtio port can be opened by root alone. It looks that this is so.
 */
#ifndef TAZ_LAUNCHER_AGENT_H
#define TAZ_LAUNCHER_AGENT_H

/*
 * agent_listen_unix - listen at @path
 * Returns the socket, -EACCES when the folder is not root's alone, or -errno.
 */
int agent_listen_unix(const char *path);

/* agent_serve_unix - accept for ever; a process a connection. Returns -errno only. */
int agent_serve_unix(int sock);

/*
 * agent_serve_virtio - one process for each port named taz.N, started again when it ends, for ever
 * Returns -ENOENT when there is no such port, or -errno.
 * Source: Documentation/ABI/testing/sysfs-class (virtio-ports); drivers/char/virtio_console.c.
 */
int agent_serve_virtio(void);

#endif
