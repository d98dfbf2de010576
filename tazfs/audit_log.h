/*
 * audit_log - the files of the log: audit.log, and audit.1 (the newest) to audit.4, and their key
 *
 * Files of the log are whole blocks: the last one is filled with newlines, which the next lines
 * overwrite. So every write goes by O_DIRECT, and no page cache ever holds a line (store.h). A file
 * that is full becomes audit.1, those before it move on, the last one goes. Room for what comes
 * next is reserved behind the end (FALLOC_FL_KEEP_SIZE), so that on a full volume there is still a
 * block for the last words.
 *
 * Lines are gathered in memory and written by audit_log_commit(). When that fails, they are not in
 * the log, and the caller gives them again later. One thread at a time.
 *
 * Found at the start: a last line that is not whole (the view was killed in the middle of a write)
 * is cut off. A file that is damaged in another way is set aside as audit.1, and what is wrong with
 * it stands in the first line of the next.
 */
#ifndef TAZ_TAZFS_AUDIT_LOG_H
#define TAZ_TAZFS_AUDIT_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/audit_chain.h"
#include "tazfs/audit_record.h"

#define AUDIT_FILES	     5 /* with audit.log */
#define AUDIT_FILE_BYTES     (4UL * 1024 * 1024)
#define AUDIT_FILE_BYTES_MIN (256UL * 1024) /* more than the longest line */

struct audit_log;

/*
 * audit_log_open - find out where the log ends; changes nothing but a torn end
 * @dirfd: of the folder; not kept
 * @file_bytes: the limit of one file, at least AUDIT_FILE_BYTES_MIN; 0: AUDIT_FILE_BYTES, or less
 *in a small file system, so that the log never takes more than an eighth of it
 * @ret_torn: so many bytes were cut off
 *
 * Locks memory for the key: before the sandbox. Returns 0, -ENOMEM, or -errno of open(2), read(2).
 */
int audit_log_open(int dirfd, uint64_t file_bytes, struct audit_log **ret, uint32_t *ret_torn);
void audit_log_close(struct audit_log *l); /* wipes; NULL is allowed */

/*
 * audit_log_append - one more line; gives it its number and its MAC
 * Returns 0, -EAGAIN (commit first, then again), or -EINVAL for what cannot be written at all.
 */
int audit_log_append(struct audit_log *l, const struct audit_record *r);

/*
 * audit_log_commit - write what was appended, and begin a new file when it is time
 * @last: may use the block that is kept for the last words
 * Returns 0 or -errno (-ENOSPC): nothing was appended then.
 */
int audit_log_commit(struct audit_log *l, bool last);

/* audit_log_rollback - forget what was appended and not committed */
void audit_log_rollback(struct audit_log *l);

/*
 * audit_log_read - bytes of the log, oldest file first, without what fills their blocks
 * @at: from there on, as a place in all that was ever there since the start; moved to where the
 *	bytes begin when what was there is gone
 * @ret_ends: a file that is not the newest ends with them; may be NULL
 * Returns how many, at most @size and STORE_IO_MAX, of one file; 0 at the end; or -errno.
 */
ssize_t audit_log_read(struct audit_log *l, uint64_t *at, char *buf, size_t size, bool *ret_ends);

/* audit_log_end - its key (borrowed), and the number of its last line */
const struct secret *audit_log_end(const struct audit_log *l, uint64_t *ret_seq);

#endif
