/* cmd - the subcommands of tazfs: one line here, one file, one line in main.c */
#ifndef TAZ_TAZFS_CMD_H
#define TAZ_TAZFS_CMD_H

#include "enclave/base/cmd.h"

extern const struct cmd cmd_audit;
extern const struct cmd cmd_grants;
extern const struct cmd cmd_mount;
extern const struct cmd cmd_policy;
extern const struct cmd cmd_status;
extern const struct cmd cmd_view;
extern const struct cmd cmd_watch;

#endif
