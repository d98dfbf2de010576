/*
 * policy_names - what a policy says of certain paths and programs, for who proposes rules. Pure.
 */
#ifndef TAZ_TAZFS_POLICY_NAMES_H
#define TAZ_TAZFS_POLICY_NAMES_H

#include "tazfs/policy.h"

/* policy_verdict_of - of the rule in that line. False: there is none. */
bool policy_verdict_of(const struct policy *p, unsigned line, enum verdict *ret);

/*
 * policy_on_purpose - does the rule in that line refuse, and name somebody or something?
 * "deny any - **", with which many policies end, does not: it says what no rule would say, too.
 */
bool policy_on_purpose(const struct policy *p, unsigned line);

/*
 * policy_refuses_at - the next line behind @after whose rule refuses somebody something there
 * @below: or at what can be below @path
 * A rule whose only path is "**" names none. Returns 0 when there is no further one.
 */
unsigned policy_refuses_at(const struct policy *p, const char *path, bool below, unsigned after);

/*
 * policy_conditions - a rule that allows or asks, names the caller's program, and would be about
 * some of that: whatever else it asks for was then not so
 * @programs: as for policy_who(). Returns its line, or 0.
 */
unsigned policy_conditions(const struct policy *p, const struct facts *facts,
			   const struct file_id *programs, unsigned may, const char *path);

/*
 * policy_by_path - for callers that are made up, or not there any more: a program is what its path
 * says, whatever is on this machine. One that the policy does not name is some other one.
 * policy_all_by_path: the same for all of policy_programs(); room for POLICY_PROGRAMS_MAX
 */
struct file_id policy_by_path(const struct policy *p, const char *path);
void policy_all_by_path(const struct policy *p, struct file_id *ret);

#endif
