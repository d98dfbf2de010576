/*
 * completion - what a shell needs to complete a program's commands and options
 *
 * Made of the same tables as the help: commands from the array, options from a command's usage line
 * and from the lines of its details that begin with "  --".
 */
#ifndef TAZ_BASE_COMPLETION_H
#define TAZ_BASE_COMPLETION_H

#include "enclave/base/cmd.h"

/*
 * completion_print - to standard output
 * @shell: "bash", "zsh" or "fish"
 * Returns 0, or -EINVAL for another shell, -E2BIG when a command has more words than there is room
 * for: nothing was printed.
 */
int completion_print(const struct cmd_program *program, const char *shell);

#endif
