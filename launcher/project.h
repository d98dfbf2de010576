/*
 * project - taz.conf: what this host, and what a workspace, want of a workshop
 *
 * A line is "option = value", with an option of the command line without its dashes; "#" begins a
 * comment. What is given on the command line wins, then the workspace's, then the host's file. No
 * nesting, no quotes, nothing is expanded.
 *
 * The workspace is hostile input: it may come from somebody else, and this is read by root on the
 * host. So it can name no other workshop, engine, file or mount, and it can only ask for more
 * protection than there is without it, never for less. The host's file is root's, and may say all.
 */
#ifndef TAZ_LAUNCHER_PROJECT_H
#define TAZ_LAUNCHER_PROJECT_H

#include <stddef.h>

#include "launcher/opts.h"

#define PROJECT_FILE "taz.conf"
#define PROJECT_HOST "/etc/taz/taz.conf"
#define PROJECT_MAX  16384 /* bytes */

/*
 * project_parse - pure
 * @file: its name, for @why
 * @text, @size: changed, and borrowed by @o from then on
 * @allowed: options that mean something to the command; others are only checked
 * @base: a workspace's file asks for no less protection than that; NULL: it is the host's
 * @why: on -EINVAL one sentence with the line's number
 * Returns 0 or -EINVAL.
 */
int project_parse(struct opts *o, const char *file, char *text, size_t size, unsigned allowed,
		  const struct opts *base, char *why, size_t why_size);

/* project_host - the host's file: $TAZ_CONF, or PROJECT_HOST */
const char *project_host(void);

/*
 * project_load - the host's file, then that in the current directory, when they are there
 * Nothing that is not a regular file is read: a link, a FIFO or a device of that name is refused.
 * So is a host's file that somebody else than root could have written.
 * Returns 0 or -errno after saying why.
 */
int project_load(struct opts *o, unsigned allowed);

#endif
