/* policy_edit - change the policy in force in an editor */
#ifndef TAZ_TAZFS_POLICY_EDIT_H
#define TAZ_TAZFS_POLICY_EDIT_H

/*
 * policy_edit - @root: of the view (control_open()), borrowed
 * Says by itself what went wrong. Returns 0: in force and saved, or unchanged; positive: what
 * "enclave policy" ended with; or -errno.
 */
int policy_edit(int root);

#endif
