/*
 * script - which file an interpreter was started with, and how it was started
 *
 * How far a script can be trusted: the kernel forgets it at once. What is left are the arguments,
 * in memory that the process itself can write (a Perl script sets $0, any can open /proc/self/mem),
 * and a path, which is looked up when the process first asks. So "script" tells apart programs that
 * do not set out to deceive: a tool that is written in Python from another one, and from an agent
 * that runs "python3 -c". Code that runs in an interpreter and sets out to, passes as any script of
 * that interpreter; and so does what a script loads: modules in the user's home, files that it may
 * not be alone to write. Where that matters, allow a compiled program.
 *
 * What a command line or a link alone can do is held against it, though. A script is certain only
 * when
 * - it is the first argument, after options that run no other code (args.h);
 * - its path is absolute: a process can change its directory afterwards;
 * - no part of the path is a symbolic link, which could have been turned since: but the last one
 *   may be, in a directory that only root writes, and /bin and /sbin of a system that keeps them in
 *   /usr;
 * - it is a regular file. That is also as strong as the path: whoever can rename a directory on
 *   the way can put another file there, and then it is that for the policy's own paths, too.
 * Otherwise it is in doubt. A guess is enough to refuse what a script is refused.
 */
#ifndef TAZ_TAZFS_SCRIPT_H
#define TAZ_TAZFS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tazfs/facts.h"

struct script {
	struct file_id id;
	int64_t changed_ns; /* st_ctim of that file, when it was looked at */
	bool doubt;	    /* as program.doubt of facts.h */
};

/* script_is_possible - is what it runs an interpreter, by its name? Or can't that be found out? */
bool script_is_possible(int procfd);

/*
 * script_read - read arguments, and find the file. Only in slow_run().
 * @procfd: of the process, or a thread of it
 */
void script_read(int procfd, struct script *ret);

/*
 * script_image - a number that is another one after the next execve(2), also of the same program
 * Where the kernel puts things at random (kernel.randomize_va_space, which setarch -R turns off for
 * what it starts) two programs never have the same. 0 when it can't be found out. Waits only for a
 * process that is in execve(2) itself: its own threads are not while one of them is asking.
 */
uint64_t script_image(int procfd);

/* script_env_is_clean - args_env_is_clean() of its first environment. Only in slow_run(). False
 * when it can't be read or is longer than 1 MiB. */
bool script_env_is_clean(int procfd);

#endif
