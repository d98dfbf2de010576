/*
 * control_client - ask a running view about itself (control.h), from a command
 */
#ifndef TAZ_TAZFS_CONTROL_CLIENT_H
#define TAZ_TAZFS_CONTROL_CLIENT_H

#include <stddef.h>

#include "tazfs/control.h"

/* control_default - "~/secrets" as a whole path. Returns 0, or -EINVAL when HOME does not say. */
int control_default(char *buf, size_t size);

/*
 * control_open - the root of a view
 * @dir: where it is mounted; NULL: ~/secrets
 * Says what went wrong. Returns a descriptor, or -errno.
 */
int control_open(const char *dir);

/*
 * control_ask - Returns 0 with the answer in @c, or -errno; says what went wrong.
 * control_call, control_say - the same by halves, for who knows better what an error means;
 * control_say() returns @err
 */
int control_ask(int root, struct control *c);
int control_call(int root, struct control *c);
int control_say(int err);

/*
 * control_policy - the policy in force
 * Returns 0 and the text with a NUL behind its @ret_size bytes, to be freed, or -errno (said).
 */
int control_policy(int root, char **ret, size_t *ret_size);

#endif
