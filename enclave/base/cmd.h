/*
 * cmd - one struct a subcommand; help, completion and dispatch read the same array
 */
#ifndef TAZ_BASE_CMD_H
#define TAZ_BASE_CMD_H

#include <stdbool.h>

enum { CMD_DONE = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

struct cmd {
	const char *name;    /* of one below another both words, "policy check" */
	const char *args;    /* what follows the name in the usage line */
	const char *help;    /* one line */
	const char *details; /* options, an example, exit codes: whole lines, or NULL */
	bool internal;	     /* not shown in the list of commands */
	/* argv[0] is the command's name. Returns an exit code. */
	int (*run)(int argc, char *argv[]);
	/* Commands below this one, ended by NULL. run() is for what is none of them; NULL: one must
	 * be named. */
	const struct cmd *const *subs;
};

struct cmd_program {
	const char *name;
	const char *summary;	       /* one line */
	const char *trailer;	       /* examples and exit codes, whole lines, or NULL */
	const struct cmd *const *cmds; /* ended by NULL */
	const struct cmd *fallback;    /* when no command is given, or NULL */
};

/* "completion SHELL", for every program's array */
extern const struct cmd cmd_completion;

/*
 * cmd_main - log_init(), then run the named command
 * Handles --help, --version, "help CMD" and "CMD --help" (also below a command) by itself. Returns
 * an exit code.
 */
int cmd_main(const struct cmd_program *prog, int argc, char *argv[]);

/* cmd_own_name - by what it is called below its parent: "check" of "policy check"; borrowed */
const char *cmd_own_name(const struct cmd *cmd);

/* cmd_usage - print "how to call it" for a command to stderr. Returns CMD_USAGE. */
int cmd_usage(const struct cmd *cmd);

#endif
