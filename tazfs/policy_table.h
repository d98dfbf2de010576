/*
 * policy_table - what a policy should answer, as a text; tazfs-policy(5) is its manual. Pure.
 *
 *	allow  session exe=/usr/bin/ssh under=/usr/bin/tmux tty  r  ssh/id_rsa
 *
 * A line is an expected verdict, a caller, what it does, and paths. The caller is made up: a
 * program is the one of that path, whatever is there on this machine.
 */
#ifndef TAZ_TAZFS_POLICY_TABLE_H
#define TAZ_TAZFS_POLICY_TABLE_H

#include "tazfs/policy.h"

struct table_row {
	unsigned line;
	enum verdict expected;
	bool look; /* policy_look() is asked, else policy_decide() with @may */
	unsigned may;
	const char *path;
	struct facts facts;
	const struct file_id *programs; /* as policy_who() takes them */
	struct decision is;
};

typedef void (*table_fn)(void *ctx, const struct table_row *row);

/*
 * policy_table - decide each row of a table, in order
 * @each: called once for each path of each row; what the row points to is gone afterwards
 * Returns 0, -EINVAL with @ret_error filled, or -ENOMEM; rows before an error have been seen.
 */
int policy_table(const struct policy *p, const char *text, size_t size, table_fn each, void *ctx,
		 struct policy_error *ret_error);

#endif
