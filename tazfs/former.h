/*
 * former - what was at the paths of a policy's programs before
 *
 * A program that is replaced while it runs, as by its own update, is no longer what its path leads
 * to. What is found there is remembered, so that a rule that refuses it still does. What only was
 * there between two looks is not known; a caller that nobody has seen yet is what makes us look.
 * The number of a file that is gone may be given to another one, which is then taken for it: never
 * to its advantage.
 *
 * All calls may come from any thread.
 */
#ifndef TAZ_TAZFS_FORMER_H
#define TAZ_TAZFS_FORMER_H

#include "tazfs/policy.h"

#define FORMER_MAX 16 /* files at one path; after them anyone may be what was there */

struct former;

/*
 * former_new - for a policy, with what is known from the one that it takes the place of
 * @old, @old_policy: NULL when there is none
 * Returns NULL when there is no memory, which the others take for "not known any more".
 */
struct former *former_new(const struct policy *p, const struct former *old,
			  const struct policy *old_policy);
void former_free(struct former *f); /* NULL is allowed */

/*
 * former_who - policy_who(), and policy_who_before() for all that was there
 * @programs: what is there now, which is remembered
 */
struct policy_who former_who(struct former *f, const struct policy *p, const struct facts *facts,
			     const struct file_id *programs);

#endif
