/* audit_log_priv - shared by the files of audit_log */
#ifndef TAZ_TAZFS_AUDIT_LOG_PRIV_H
#define TAZ_TAZFS_AUDIT_LOG_PRIV_H

#include "tazfs/audit_log.h"
#include "tazfs/store.h"

struct audit_log {
	int dirfd;
	struct secret *key;
	bool key_stored;
	uint64_t limit;
	struct store_file file;	     /* audit.log; fd -EBADF: there is none */
	struct audit_chain chain;    /* with what is in @buf */
	struct audit_chain written;  /* as it is in the file */
	uint64_t at;		     /* of @buf's first byte in the file: whole blocks */
	size_t n, done;		     /* bytes in @buf; of them in the file */
	char *buf;		     /* STORE_IO_MAX */
	uint64_t reserved;	     /* up to there the file has its blocks */
	bool renew;		     /* the next commit begins a new file */
	char flaw[160];		     /* what is wrong with the file before it, or "" */
	uint64_t first;		     /* place of the oldest byte */
	uint64_t bytes[AUDIT_FILES]; /* lines in audit.log (0), audit.1, ... */
};

extern const char *const audit_file_names[AUDIT_FILES];

/* audit_log_open_file - 0, -ENOENT or -errno */
int audit_log_open_file(const struct audit_log *l, unsigned i, int flags, struct store_file *ret);

/* audit_log_recover - find the end. 0 or -errno. */
int audit_log_recover(struct audit_log *l, uint32_t *ret_torn);

#endif
