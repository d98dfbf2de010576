/*
 * least - what a container has of this host with --least: what the stack needs, each with its
 * reason
 *
 * The tables are in least.c, and in the README for a person. What a container gets without --least
 * is all of it: every capability, every device, every system call (--privileged).
 */
#ifndef TAZ_LAUNCHER_LEAST_H
#define TAZ_LAUNCHER_LEAST_H

#include <limits.h>

#include "launcher/devices.h"

#define LEAST_WORDS 48

struct least {
	const char *words[LEAST_WORDS]; /* for "run" of docker and podman; ended by NULL */
	char rules[8][DEVICES_RULE];
	char caps[24][40];
	char seccomp[PATH_MAX + 64];
};

/*
 * least_words - the options of "run"; they point into @ret
 * @state_dir: of the workshop; the file "seccomp.json" is written there, for the engine to read
 *
 * Numbers of devices are read from this kernel: it must have them (container_kernel()). Returns 0,
 * -ENODEV when it lacks one, -ENAMETOOLONG, or -errno of the file.
 */
int least_words(const char *state_dir, struct least *ret);

#endif
