/*
 * args - what a program was started with, as far as arguments and environment say. Pure.
 *
 * Both texts lie in the memory of the process, which can change them: see script.h for what that
 * means.
 */
#ifndef TAZ_TAZFS_ARGS_H
#define TAZ_TAZFS_ARGS_H

#include <stdbool.h>
#include <stddef.h>

enum args_script {
	ARGS_UNKNOWN, /* could be any */
	ARGS_NONE,    /* it runs code of its arguments, or asks for it; or it is no interpreter */
	ARGS_FILE,    /* it runs the file @ret */
	ARGS_LOOSE,   /* the same, with options before the file that can make it run other code, too
		       */
};

/*
 * args_script - which script an interpreter was told to run
 * @program: the path or name of its executable; one that is no interpreter runs no script
 * @args, @size: /proc/PID/cmdline, or as much of it as was read: then @whole is false
 * @ret: inside of @args, ends in NUL. Written for ARGS_FILE and ARGS_LOOSE.
 *
 * The script is the first argument that is no option, as for every interpreter that we know. What
 * an option means depends on the interpreter: code in the next argument (sh -c), nothing that
 * matters (python3 -u), or who knows: then the answer is unknown. So it is for arguments that a
 * process has written over, such as a title for ps(1).
 */
enum args_script args_script(const char *program, const char *args, size_t size, bool whole,
			     const char **ret);

/*
 * args_env_is_clean - is there no variable that makes a program load code that it would not
 * otherwise?
 * @env, @size: /proc/PID/environ, all of it
 * False also for text that is no environment: somebody has written over it.
 * Which variables: the table in args.c. What a file of the user's home makes a program load is not
 * seen by this, nor are the variables that only start other programs, such as EDITOR.
 */
bool args_env_is_clean(const char *env, size_t size);

#endif
