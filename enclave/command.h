/*
 * command - run one program with its output going into one file, in a bounded time
 *
 * It gets: standard input from /dev/null, standard output @out, standard error ours; a working
 * directory; an environment made here and nothing of the caller's; a process group of its own,
 * which is in the terminal's foreground where there is one (so that it can ask on /dev/tty, and
 * Ctrl+C ends it), and otherwise a session of its own, without a terminal to ask on. Files that it
 * writes are bounded by RLIMIT_FSIZE; it leaves no core dump. When we die it is killed.
 */
#ifndef TAZ_ENCLAVE_COMMAND_H
#define TAZ_ENCLAVE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "enclave/program.h"

struct command {
	const struct program *program;
	char *const *argv;
	char *const *envp;
	int cwd; /* a directory */
	int out;
	uint64_t out_max; /* bytes */
	unsigned timeout_sec;
	bool terminal;		 /* there is one: it may ask */
	void (*tick)(void *arg); /* called about once a second while it runs; or NULL */
	void *arg;
};

struct command_end {
	int status;	/* as run_status() */
	int signal;	/* ours, that ended it: SIGINT, SIGTERM, SIGHUP; 0 none */
	bool timed_out; /* it was killed */
};

/*
 * command_run - start, wait, and leave nothing of its process group alive
 * @watch: of command_watch(), borrowed
 * Returns 0 with @ret filled, or -errno when it could not be started.
 */
int command_run(const struct command *c, int watch, struct command_end *ret);

/*
 * command_watch - from now on SIGINT, SIGTERM and SIGHUP come through the returned descriptor, so
 * that they end a command in order. Returns it, owned by the caller, or -errno.
 */
int command_watch(void);

#endif
