/*
 * holders - who keeps a volume from going away: facts from /proc and /sys
 *
 * By device number: of the mapping (which is also what stat(2) says of files of the ext4 on it) and
 * of the loop device. Processes come and go while it looks; what has vanished is left out.
 * It may block on a process that is stuck: call it in a process that can be left behind.
 *
 * Source: proc_pid_fd(5), proc_pid_maps(5), proc_pid_cwd(5); sysfs-block ("holders").
 */
#ifndef TAZ_ENCLAVE_HOLDERS_H
#define TAZ_ENCLAVE_HOLDERS_H

#include <stddef.h>
#include <sys/types.h>

#include "enclave/proto.h"

struct holders {
	uint32_t n;    /* filled ones; what is there first is seen while the rest is looked for */
	uint32_t more; /* 1: there was no room for all */
	struct proto_holder held[PROTO_HOLDERS];
};

/*
 * holders_find - add those who use the volume, one entry for a process and a way of holding
 * @volume: the mapping's number; @loop: the loop device's; 0 for none
 * @but, @n_but: processes that do not count; we never do
 * @list: added to
 */
void holders_find(dev_t volume, dev_t loop, const pid_t *but, size_t n_but, struct holders *list);

/* holders_add - add one; its program is filled in when it has a pid. What is not printable ASCII
 * becomes a question mark. */
void holders_add(struct holders *list, const struct proto_holder *h);

#endif
