/* decide - may this caller ask at all? What no policy can change. Pure: no call into the kernel */
#ifndef TAZ_TAZFS_DECIDE_H
#define TAZ_TAZFS_DECIDE_H

#include <stdbool.h>
#include <sys/types.h>

#include "tazfs/caller.h"

struct givens {
	bool everyone; /* --source without --leader: whoever FUSE lets through may ask */
	pid_t self;    /* the thread of ours that works on our own mount; 0: none */
};

enum admission {
	ADMIT_NOBODY, /* refused, whatever the policy says */
	ADMIT_SELF,   /* allowed, whatever the policy says */
	ADMIT_CALLER, /* the policy decides */
};

/* decide - the sentences stand at the top of decide.c */
enum admission decide(const struct caller *caller, const struct givens *givens);

#endif
