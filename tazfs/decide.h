/* decide - may this caller? Pure: no call into the kernel, no state */
#ifndef TAZ_TAZFS_DECIDE_H
#define TAZ_TAZFS_DECIDE_H

#include <stdbool.h>
#include <sys/types.h>

#include "tazfs/caller.h"
#include "tazfs/policy.h"

struct policy {
	bool everyone; /* --source without --leader: whoever FUSE lets through may */
	pid_t self;    /* the thread of ours that works on our own mount; 0: none */
};

/* decide - the policy itself stands at the top of decide.c */
enum verdict decide(const struct caller *caller, const struct policy *policy);

#endif
