/* first - what the container's first process is told, whoever starts it: an engine or a cluster */
#ifndef TAZ_LAUNCHER_FIRST_H
#define TAZ_LAUNCHER_FIRST_H

#include "launcher/argv.h"
#include "launcher/engine.h"

#define FIRST_PROGRAM  "/usr/bin/tazlaunch"
#define FIRST_STOP_SEC 30 /* for an orderly lock with its save, before it is killed */

/*
 * first_add_words - "first-process" and its options (cmd_first.c)
 * @w: without an instance it is for a Pod: "--pod NAME", and the instance is made where it runs
 */
void first_add_words(struct argv *a, const struct workshop *w);

#endif
