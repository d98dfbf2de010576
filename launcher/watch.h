/*
 * watch - hear this host's events, and lock the workshops before it sleeps or its screen is locked
 *
 * One process a state directory. It ends when no workshop of it is up any more.
 */
#ifndef TAZ_LAUNCHER_WATCH_H
#define TAZ_LAUNCHER_WATCH_H

/*
 * watch_run - until no workshop is up, there is no bus on this machine, or SIGTERM or SIGINT comes
 * @root: the folder of all workshops
 * @file: from watch_file_take(); taken
 * Returns 0 or -errno after saying why.
 */
int watch_run(const char *root, int file);

/* watch_any_up - is there one, or one of which it can't be told? Asks their engines. */
int watch_any_up(const char *root);

/*
 * watch_start - see to it that somebody watches; what `up` does, and whoever opens a session
 * Says it when that can't be: it is no reason not to go on.
 */
void watch_start(void);

/* watch_workshop_ended - a workshop is down: nobody watches for the last one */
void watch_workshop_ended(void);

#endif
