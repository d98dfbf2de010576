/*
 * launch - what the commands share: options, the workshop they mean, its engine, its way up
 */
#ifndef TAZ_LAUNCHER_LAUNCH_H
#define TAZ_LAUNCHER_LAUNCH_H

#include "enclave/base/cmd.h"
#include "enclave/base/keytoken.h"
#include "enclave/base/prompt.h"
#include "launcher/engine.h"
#include "launcher/opts.h"
#include "launcher/seen.h"
#include "launcher/workshop.h"

struct launch {
	struct opts o;
	char **args; /* what follows the options; ended by NULL */
	int n_args;
	char state_dir[PATH_MAX - 64];
	bool build_only; /* a given engine need not be able to run anything here */
	bool lost;	 /* --through: the way to it broke; it is not asked again */
	bool was_up;	 /* there is a record of an earlier `up` */
	struct record rec;
	struct binds mounts;	     /* at `up`: rec.mounts, as they were checked */
	struct seen seen;	     /* at `up`: what the keeper is told */
	const struct engine *engine; /* NULL until it was needed */
};

/* --- launch.c: the workshop that is meant, its engine, its way up and down */

/* std_fds_open - whichever of the three standard streams is closed becomes /dev/null */
void std_fds_open(void);

/* launch_globals - the options that stood before the command; main() fills them */
struct opts *launch_globals(void);

/*
 * launch_line - the options and words of a command's line; for what is no workshop's
 * @o: gets the options; what it has already counts as given
 * @allowed: enum opt_bit
 * @max_words: how many words may follow the options
 * @argv: argv[0] is not looked at
 *
 * Returns the index of the first word, or -EINVAL after saying what is wrong and how it is called.
 */
int launch_line(struct opts *o, const struct cmd *cmd, unsigned allowed, int max_words, int argc,
		char *argv[]);

/*
 * launch_begin - parse a command's line, find its workshop
 * @allowed: enum opt_bit
 * @takes_args: may words follow the options?
 *
 * Returns 0, or the exit code to end with, after saying why: CMD_USAGE, CMD_FAILED.
 */
int launch_begin(struct launch *l, const struct cmd *cmd, unsigned allowed, bool takes_args,
		 int argc, char *argv[]);

/* Where starting, and what it shares with other commands, can fail. */
enum launch_stage {
	STAGE_LOCK,
	STAGE_ENGINE,
	STAGE_BUILD,
	STAGE_SEEN,
	STAGE_RECORD,
	STAGE_START,
	STAGE_KEEPER,
	STAGES
};

/* launch_checks - the checks of doctor that tell why, with ", " between; said after each error */
const char *launch_checks(enum launch_stage stage);

/* launch_describe - what its engine is told of it; points into @l */
struct workshop launch_describe(const struct launch *l);

/*
 * launch_engine - decide on the engine: the given one, or what this machine can do
 * Returns 0 or -errno after saying why.
 */
int launch_engine(struct launch *l);

/* launch_running - is it up? 1, 0 or -errno after saying why. Decides on the engine when needed. */
int launch_running(struct launch *l);

/* launch_build - have the image; its tag goes to the record. Returns 0 or -errno after saying why.
 */
int launch_build(struct launch *l);

/*
 * launch_lock - be the only one who starts, stops or removes it, and read its record again
 * @make: also make its folder
 * @ret_lock: closing it lets go; the caller's on success
 * Returns 0, or -errno after saying why.
 */
int launch_lock(struct launch *l, bool make, int *ret_lock);

/* launch_up - build when needed, start when not running, wait for the keeper. Returns as above. */
int launch_up(struct launch *l);

/* launch_down - stop it in order. Returns as above. */
int launch_down(struct launch *l);

/* --- launch_folders.c: which folders of the host it has */

/*
 * launch_choose_folders - the workspace, and those of --mount; they go to the record
 * Returns 0 or -errno after saying why.
 */
int launch_choose_folders(struct launch *l);

/* --- launch_inside.c: what is done in it, and with which key */

/* launch_dial - a stream to the agent. Returns it, or -ENOTCONN and others after saying why. */
int launch_dial(struct launch *l);

/*
 * launch_capture - run a program inside, as root, outside every session, and keep its output
 * Returns its exit status or -errno after saying why.
 */
int launch_capture(struct launch *l, const char *const argv[], char *buf, size_t size);

/*
 * launch_run - a SESSION (with @prompt) or EXEC of l->args on our own standard streams
 * @flags: REQUEST_CREATE, REQUEST_ACCEPT_ROLLBACK, or 0; a terminal is used when we have one
 * @close_stdin: the program reads /dev/null
 * Returns an exit code: the program's, or CMD_FAILED.
 */
int launch_run(struct launch *l, struct prompt *prompt, unsigned flags, bool close_stdin);

/*
 * launch_vault - "enclave ARGS" inside, as root, with a passphrase that is asked for here
 * l->args: one of frame.h's REQUEST_VAULT and its arguments. Returns an exit code.
 */
int launch_vault(struct launch *l, struct prompt *prompt);

/*
 * launch_note_seen - remember the newest state of the vault that the keeper knows (seen.h)
 * @status: what "enclave status --json" said, or NULL: it is asked
 * A workshop that has just been stopped has nothing to say; what cannot be written is said.
 */
void launch_note_seen(struct launch *l, const char *status);

/* launch_tokens - the vault's FIDO2 keys (base/keytoken.h). Returns how many; 0 when nobody says.
 */
int launch_tokens(struct launch *l, struct keytoken *ret, size_t max);

/*
 * launch_passphrase - have the key ready that an option has: --passphrase-fd, --key-file, --fido2
 * The workshop must be up for --fido2: it knows what to ask the token.
 * Returns 0 or -errno after saying why.
 */
int launch_passphrase(struct launch *l, struct prompt *p);

#endif
