/*
 * relay_env - the environment of what a relay starts
 * Built, not inherited: nothing of the agent's own environment goes in.
 */
#ifndef TAZ_LAUNCHER_RELAY_ENV_H
#define TAZ_LAUNCHER_RELAY_ENV_H

#include "launcher/frame.h"

#define RELAY_ENV_MAX 12

struct relay_env {
	const char *list[RELAY_ENV_MAX]; /* ended by NULL; into text */
	char text[RELAY_ENV_MAX][160];
};

/* relay_env_build - @e begins as zeros. Returns 0, or -ENOENT when there is no such user. */
int relay_env_build(struct relay_env *e, const struct request *req);

#endif
