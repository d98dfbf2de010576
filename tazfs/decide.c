/*
 * The policy. The first sentence that fits decides.
 *
 * 1. A caller that has no number in our pid namespace is denied: nothing can be known about it.
 * 2. The one thread of our own that opens and syncs our own mount is allowed: without it, what was
 *    written through a map could not be brought home when the vault locks.
 * 3. If everyone is allowed (a plain directory shown without sessions), then everyone is.
 * 4. A caller whose process could not be found out, or has ended meanwhile, is denied.
 * 5. A member of a living session is denied when a process outside could trace it, and so use it:
 * it has lost the session mark (it runs a setgid program, such as ssh-agent), or it is in another
 *    user namespace (a sandbox), of which the user outside is the owner.
 * 6. Every other member of a living session is allowed: the leader, and all that descend from it.
 * 7. Everyone else is denied: root, and processes of the same user, too.
 */
#include "tazfs/decide.h"

enum verdict decide(const struct caller *caller, const struct policy *policy)
{
	if (caller->tid <= 0)
		return VERDICT_DENY;
	if (caller->tid == policy->self)
		return VERDICT_ALLOW;
	if (policy->everyone)
		return VERDICT_ALLOW;
	if (caller->tgid <= 0)
		return VERDICT_DENY;
	return caller->session && !caller->open ? VERDICT_ALLOW : VERDICT_DENY;
}
