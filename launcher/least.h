/*
 * least - what a container has of this host with --least: what the stack needs, each with its
 * reason
 *
 * The tables are in least.c, and in the README for a person. What a container gets without --least
 * is all of it: every capability, every device, every system call (--privileged).
 */
#ifndef TAZ_LAUNCHER_LEAST_H
#define TAZ_LAUNCHER_LEAST_H

#include "launcher/argv.h"

/*
 * least_add - the options of "run" of docker and podman
 * @state_dir: of the workshop; the file "seccomp.json" is written there, for the engine to read
 *
 * Numbers of devices are read from this kernel: it must have them (container_kernel()). Returns 0,
 * -ENODEV when it lacks one, or -errno of the file.
 */
int least_add(struct argv *a, const char *state_dir);

/* least_profile - what is in that file. Pure. Returns its length, or -ENAMETOOLONG. */
int least_profile(char *buf, size_t size);

#endif
