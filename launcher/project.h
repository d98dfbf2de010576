/*
 * project - taz.conf: what a workspace wants of its workshop
 *
 * A line is "option = value", with an option of the command line without its dashes; "#" begins a
 * comment. What is given on the command line wins. No nesting, no quotes, nothing is expanded.
 *
 * The workspace is hostile input: it may come from somebody else, and this is read by root on the
 * host. So it can name no other workshop, engine, file or mount, and it can only ask for more
 * protection than the default, never for less.
 */
#ifndef TAZ_LAUNCHER_PROJECT_H
#define TAZ_LAUNCHER_PROJECT_H

#include <stddef.h>

#include "launcher/opts.h"

#define PROJECT_FILE "taz.conf"
#define PROJECT_MAX  16384 /* bytes */

/*
 * project_parse - pure
 * @text, @size: changed, and borrowed by @o from then on
 * @allowed: options that mean something to the command; others are only checked
 * @why: on -EINVAL one sentence with the line's number
 * Returns 0 or -EINVAL.
 */
int project_parse(struct opts *o, char *text, size_t size, unsigned allowed, char *why,
		  size_t why_size);

/*
 * project_load - the file of that name in the current directory, when there is one
 * Nothing that is not a regular file is read: a link, a FIFO or a device of that name is refused.
 * Returns 0 or -errno after saying why.
 */
int project_load(struct opts *o, unsigned allowed);

#endif
