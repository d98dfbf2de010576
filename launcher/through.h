/*
 * through - a stream to a workshop elsewhere, by a command of the user's: "kubectl exec -i POD --"
 *
 * Between tazlaunch and COMMAND stands a process of this program ("tazlaunch through"). It carries
 * the bytes, shows what COMMAND complains about as plain text, and sees to it that COMMAND ends
 * with the stream: end of input first, SIGTERM 0.7 s later, SIGKILL 0.5 s after that. COMMAND has a
 * session of its own: no terminal, and no Ctrl+C of ours reaches it. When the process between is
 * killed, the kernel kills COMMAND (prctl(2) PR_SET_PDEATHSIG; not a program that is setuid: that
 * one sees the end of its input).
 */
#ifndef TAZ_LAUNCHER_THROUGH_H
#define TAZ_LAUNCHER_THROUGH_H

#include <stddef.h>

#define THROUGH_WORDS_MAX 64
#define THROUGH_BYTES_MAX 4096

/* What COMMAND is told to run where the workshop is. */
#define THROUGH_INSIDE_PROGRAM "/usr/bin/tazlaunch"
#define THROUGH_INSIDE_COMMAND "agent-stream"

/*
 * through_split - the words of COMMAND, divided at blanks; nothing is evaluated
 * @copy: gets the words; @ret: point into it, ended by NULL
 * Returns how many, or -EINVAL: none, more than THROUGH_WORDS_MAX, too long, or with a quote in it.
 */
int through_split(const char *command, char copy[THROUGH_BYTES_MAX],
		  char *ret[THROUGH_WORDS_MAX + 1]);

/*
 * through_start - start COMMAND, with what it is to run there behind it
 * Returns a stream, or -EINVAL as above, or -errno. That COMMAND could not be run, or has ended,
 * is said by the process between; the stream ends then. Nothing is left to be reaped.
 */
int through_start(const char *command);

/*
 * through_connect - a stream on which an agent has greeted; why there is none it says itself
 * @hello_ms: how long that may take
 * Returns as through_start(), or
 *   -ETIMEDOUT   nothing came
 *   -EBADMSG     something else did
 *   -ECONNRESET  COMMAND could not be run, or has ended or closed its output
 */
int through_connect(const char *command, int hello_ms);

/*
 * through_serve - be the process between: the stream is standard input
 * @argv: COMMAND's words, ended by NULL; found in PATH
 * Returns when the stream or COMMAND has ended: 0, or -errno when COMMAND was not started.
 */
int through_serve(char *const argv[]);

#endif
