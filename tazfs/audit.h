/*
 * audit - what a running view has decided: noted by its workers, written by its main thread
 *
 * audit_note() never waits for a disk and never loses a verdict. It counts in the record of the
 * same decision when there is one (audit_ring.h), or makes a new one in memory. audit_flush()
 * writes them to the log (audit_log.h). While that is not possible (a full volume) they stay in
 * memory; what has no room there any more is counted by process, then by verdict, and those counts
 * are written later, as records of their own. So the sum of all counts in the log is the number of
 * decisions.
 *
 * One process may have so many records of its own in a minute (limits), and all together eight
 * times as many; what comes beyond that is one record a process, or a program, with a count.
 * Otherwise one could push everybody else's out of a log that has a limit.
 *
 * What is in memory and not written yet is lost when the view is killed.
 *
 * Lock order: io, then lock. Workers take only lock, which nobody holds during I/O.
 */
#ifndef TAZ_TAZFS_AUDIT_H
#define TAZ_TAZFS_AUDIT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/audit_chain.h"
#include "tazfs/audit_record.h"

struct audit;

struct audit_limits {	      /* 0: the default */
	uint64_t file_bytes;  /* of one of the five files; see audit_log_open() */
	unsigned window_ms;   /* how long a repeat counts in the first one's record: 10 s */
	unsigned per_process; /* records of its own in a minute: 1024 */
};

/*
 * audit_new - find where the log ends
 * @dirfd: of a folder that only the view can reach, such as ".tazfs" of the store; not kept
 * @limits: NULL: the defaults
 *
 * Makes the key (audit_key.h) when there is none. Locks memory, so it is called before the sandbox
 * is entered; writes nothing (but for cutting off a torn line) before the first audit_flush().
 * Returns 0, -ENOMEM, or -errno of open(2), read(2) when what is there cannot be read.
 */
int audit_new(int dirfd, const struct audit_limits *limits, struct audit **ret);
void audit_free(struct audit *a); /* wipes what is in memory, written or not; NULL is allowed */

/*
 * audit_note - a decision was made, now. From any thread; no I/O, no system call but the clock's.
 * @r: verdict, by, rule, op, path, to, pid, start, program, session; @count 0 counts as 1.
 *     exe, script, tty and the chain may be left to @describe
 * @describe: adds them, when this is not a repeat; NULL: @r has them. What they point to must live
 *	      until audit_note() returns. It may put the process in the place of a thread in pid
 */
typedef void audit_describe_t(struct audit_record *r, void *arg);
void audit_note(struct audit *a, const struct audit_record *r, audit_describe_t *describe,
		void *arg);

/* audit_say - an event that is no decision, in words: the policy was replaced, ... Any thread. */
void audit_say(struct audit *a, const char *text);

/* audit_fd - readable when it is time for audit_flush(): memory is half full. Borrowed. */
int audit_fd(const struct audit *a);

/*
 * audit_flush - write what was noted; does nothing when that is nothing
 *
 * Changes the store, so: before a save begins, at the lock before the last sync, when audit_fd()
 * says so (and the keeper must know of a change then); not while the gate is closed. Writes by
 * O_DIRECT and does not sync. Not by a worker.
 * Returns 0, or -errno (-ENOSPC) when something stays in memory, which is no reason to refuse
 * anything.
 */
int audit_flush(struct audit *a);

/*
 * audit_end - the same, and the last line: the view was locked in order
 * What cannot be written one by one any more is written as counts, in room that was kept for it.
 * Memory is wiped; later notes are ignored. Returns 0 or -errno.
 */
int audit_end(struct audit *a);

/*
 * audit_read - bytes of the log for who may see them; flush first to have all. Not by a worker.
 * As audit_log_read().
 */
ssize_t audit_read(struct audit *a, uint64_t *at, char *buf, size_t size);

/*
 * audit_verify - check the log as it is on disk, with its own key
 * Returns 0 with @ret (nothing is to be freed), -EAGAIN when it moves on faster than it can be
 * read, or -errno. Up to 20 MiB are read, piece by piece: a flush waits for one piece at most.
 */
int audit_verify(struct audit *a, struct audit_check *ret);

/*
 * audit_recent - what was noted lately, written or not: at least what came since the flush before
 * the last
 * @since: 0, or as it was left; moved behind what is given
 * @buf: gets whole lines of audit_format() with "tick" in place of "seq", least tick first. One
 *that was given before comes again with a larger tick when its count has grown. Returns the number
 *of bytes, 0 when there is nothing new, or -ENOMEM, -ENOSPC (a line is longer). Waits for a flush.
 *Not by a worker.
 */
ssize_t audit_recent(struct audit *a, uint64_t *since, char *buf, size_t size);

#endif
