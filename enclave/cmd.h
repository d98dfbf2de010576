/* cmd - the subcommands of enclave; each is one file, one line here and one in main.c */
#ifndef TAZ_ENCLAVE_CMD_H
#define TAZ_ENCLAVE_CMD_H

#include "enclave/base/cmd.h"

extern const struct cmd cmd_history, cmd_key, cmd_lock, cmd_passwd, cmd_restore, cmd_save,
	cmd_serve, cmd_session, cmd_status, cmd_unlock, cmd_worker;
extern const struct cmd cmd_env, cmd_outside, cmd_policy, cmd_pull, cmd_run;

#endif
