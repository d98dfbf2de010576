/* policy_machine - what a policy's programs are on this machine */
#ifndef TAZ_TAZFS_POLICY_MACHINE_H
#define TAZ_TAZFS_POLICY_MACHINE_H

#include "tazfs/policy.h"

/*
 * policy_machine - rules that do not do here what they seem to
 * A script as exe= never fits, because what runs is its interpreter; a link may lead to an
 * interpreter, whatever its name says; and a program may not be there.
 * @ret: room for @max
 * Returns how many there are, which may be more than @max.
 */
unsigned policy_machine(const struct policy *p, struct policy_error *ret, unsigned max);

#endif
