/* cmd - every command of tazlaunch; main.c's array is the list */
#ifndef TAZ_LAUNCHER_CMD_H
#define TAZ_LAUNCHER_CMD_H

#include "enclave/base/cmd.h"

extern const struct cmd cmd_agent;
extern const struct cmd cmd_agent_stream;
extern const struct cmd cmd_build;
extern const struct cmd cmd_default;
extern const struct cmd cmd_doctor;
extern const struct cmd cmd_down;
extern const struct cmd cmd_enter;
extern const struct cmd cmd_exec;
extern const struct cmd cmd_first;
extern const struct cmd cmd_gc;
extern const struct cmd cmd_history;
extern const struct cmd cmd_init;
extern const struct cmd cmd_key;
extern const struct cmd cmd_lock;
extern const struct cmd cmd_manifest;
extern const struct cmd cmd_passwd;
extern const struct cmd cmd_pin;
extern const struct cmd cmd_pull;
extern const struct cmd cmd_push;
extern const struct cmd cmd_remove;
extern const struct cmd cmd_restore;
extern const struct cmd cmd_run;
extern const struct cmd cmd_status;
extern const struct cmd cmd_through;
extern const struct cmd cmd_tour;
extern const struct cmd cmd_up;
extern const struct cmd cmd_watch;

#endif
