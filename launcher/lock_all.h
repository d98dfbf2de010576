/*
 * lock_all - lock every workshop of a state directory, each in a process of its own
 *
 * The process is "tazlaunch lock --name NAME": one that hangs holds up no other one. What was
 * asked for while it ran is done once more behind it, so that a lock begins after each request.
 * A lock that fails is tried some more times, and one that hangs is ended after LOCK_ALL_MS.
 */
#ifndef TAZ_LAUNCHER_LOCK_ALL_H
#define TAZ_LAUNCHER_LOCK_ALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LOCK_ALL_MS 30000 /* so long one may take */

struct lock_all;

/* lock_all_new - @root: the folder of all workshops, borrowed. NULL without memory. */
struct lock_all *lock_all_new(const char *root);
void lock_all_free(struct lock_all *a); /* what runs goes on */

/*
 * lock_all_begin - lock whatever has ever been up
 * @now_ms: of a clock that stands still while this host sleeps
 * Returns 0, or -errno of opendir(3), readdir(3), or -ENOMEM: some were not reached, the others are
 * being locked.
 */
int lock_all_begin(struct lock_all *a, int64_t now_ms);

/* lock_all_busy - is there one that is neither locked nor given up? */
bool lock_all_busy(const struct lock_all *a);

/* lock_all_failed - is there one that was given up since the last lock_all_begin()? */
bool lock_all_failed(const struct lock_all *a);

/* lock_all_ended - a process of ours has ended with @status (run_status()); is it one of these? */
bool lock_all_ended(struct lock_all *a, pid_t pid, int status, int64_t now_ms);

/* lock_all_next_ms - when lock_all_tick() has something to do; INT64_MAX: never */
int64_t lock_all_next_ms(const struct lock_all *a);
void lock_all_tick(struct lock_all *a, int64_t now_ms);

/* lock_all_tell - say of each that is not locked yet that it is not; @when: a sentence's end */
void lock_all_tell(const struct lock_all *a, const char *when);

#endif
