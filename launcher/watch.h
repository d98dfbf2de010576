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

/* watch_any_up - is there one that is up, or may be? Asks their engines. */
int watch_any_up(const char *root);

/*
 * watch_start - see to it that somebody watches: part of launch_up()
 * When that can't be it is said, and is no reason not to go on.
 */
void watch_start(void);

#define WATCH_ENV_MAX 16

/*
 * watch_env - of an environment what the one who watches has; the words are borrowed
 * It stays for days, and a shell's environment may hold anything: it gets what says where the
 * workshops, their engines and the bus are.
 */
void watch_env(char *const all[], char *ret[WATCH_ENV_MAX + 1]);

/* watch_workshop_ended - a workshop is down: when it was the last one, who watches is to end */
void watch_workshop_ended(void);

#endif
