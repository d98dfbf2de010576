/*
 * keeper - the one long-lived root process: one thread, one epoll loop, no passphrase, no key but
 * the seal key
 *
 * It holds what must outlive the others (the ciphertext, the control socket, pidfds, timers) and
 * decides, by lockstate.h, what is done next. What it starts (workers, the view) it watches, and
 * they watch it: any death, in any order, leads to locked.
 */
#ifndef TAZ_ENCLAVE_KEEPER_H
#define TAZ_ENCLAVE_KEEPER_H

#include <stdint.h>
#include <sys/types.h>

#include "enclave/atrest.h"

/* When what was written in the view is durable in the sealed file. */
enum durability {
	DURABILITY_FSYNC,  /* before an fsync is answered; and as with settle */
	DURABILITY_SETTLE, /* settle_sec after a change, at the latest; and at the lock */
	DURABILITY_LOCK,   /* at the lock, and when it is asked for */
};

struct keeper_config {
	const char *instance;	/* [a-z0-9-], part of the mapping's name */
	const char *owner_name; /* whose vault it is */
	uid_t uid;
	gid_t gid;
	const char *door;	 /* the owner's directory for the view, normally ~/secrets */
	const char *vault;	 /* absolute path of the sealed file */
	const char *tazfs;	 /* absolute path of the view's program */
	uint64_t vault_bytes;	 /* size of a new vault */
	unsigned idle_sec;	 /* 0: no idle lock */
	unsigned settle_sec;	 /* a change is saved that long after it, at the latest */
	unsigned keep;		 /* how many earlier states of the sealed file stay */
	struct atrest_seen seen; /* the newest state that this host knows of */
	enum durability durability;
	const char *memory; /* the view's --memory: "cached" or "strict" */
};

/*
 * keeper_run - serve until SIGTERM or SIGINT, then lock, save, and return
 * Returns 0 when everything is locked and saved, or -errno after saying why.
 */
int keeper_run(const struct keeper_config *cfg);

#endif
