/*
 * What comes before every policy. The first sentence that fits decides.
 *
 * 1. A caller that has no number in our pid namespace is refused: nothing can be known about it.
 * 2. The one thread of our own that opens and syncs our own mount is allowed: without it, what was
 *    written through a map could not be brought home when the vault locks.
 * 3. If everyone may ask (a plain directory shown without sessions), the policy decides.
 * 4. A caller whose process could not be found out, or has ended meanwhile, is refused.
 * 5. A member of a living session is refused when a process outside could trace it, and so use it:
 *    it has lost the session mark (it runs a setgid program, such as ssh-agent), or it is in
 * another user namespace (a sandbox), of which the user outside is the owner.
 * 6. For every other member of a living session the policy decides: the leader, and all that
 *    descend from it.
 * 7. Everyone else is refused: root, and processes of the same user, too. No rule lets in whoever
 *    is in no session.
 */
#include "tazfs/decide.h"

enum admission decide(const struct caller *caller, const struct givens *givens)
{
	if (caller->tid <= 0)
		return ADMIT_NOBODY;
	if (caller->tid == givens->self)
		return ADMIT_SELF;
	if (givens->everyone)
		return ADMIT_CALLER;
	if (caller->tgid <= 0)
		return ADMIT_NOBODY;
	return caller->session && !caller->open ? ADMIT_CALLER : ADMIT_NOBODY;
}
