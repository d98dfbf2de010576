/* cmd_policy - the commands below "tazfs policy": one line here, one file, one line in cmd_policy.c
 */
#ifndef TAZ_TAZFS_CMD_POLICY_H
#define TAZ_TAZFS_CMD_POLICY_H

#include <json-c/json_types.h>
#include <stddef.h>

#include "enclave/base/cmd.h"
#include "tazfs/policy.h"

extern const struct cmd cmd_policy_check;
extern const struct cmd cmd_policy_edit;
extern const struct cmd cmd_policy_explain;
extern const struct cmd cmd_policy_presets;
extern const struct cmd cmd_policy_show;
extern const struct cmd cmd_policy_suggest;
extern const struct cmd cmd_policy_test;

#define EXPLAIN_REFUSED 3 /* exit code: it may not */

/* A text that is read, with the name by which it is spoken of. */
struct policy_file {
	const char *name; /* borrowed */
	char *text;	  /* owned; NULL when it could not be read */
	size_t size;
};

/*
 * policy_file_read - at most POLICY_BYTES_MAX + 1 bytes, which is too much for the parser
 * @path: "-" is standard input; borrowed as long as @ret
 * Returns 0 or -errno, which has been said.
 */
int policy_file_read(const char *path, struct policy_file *ret);
void policy_file_done(struct policy_file *f);

/* policy_file_say - an error, its line, and a mark below the column, on standard error */
void policy_file_say(const struct policy_file *f, const struct policy_error *err);

/* policy_file_parse - read and parsed; both are to be freed by the caller, also after an error.
 * Returns 0 or -errno, which has been said. */
int policy_file_parse(const char *path, struct policy_file *ret_file, struct policy **ret);

/* policy_file_json - line, column and text */
struct json_object *policy_file_json(const struct policy_error *err);

/* policy_no_preset - say that there is none of that name. Returns CMD_FAILED. */
int policy_no_preset(const char *name);

#endif
