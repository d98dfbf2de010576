/*
 * history - the earlier states of a vault that lie beside it, and the files of conflicts
 *
 *	VAULT				the current one
 *	VAULT.GENERATION		kept: as it was found at an unlock, before the first save of
 *					that unlocked period took its place
 *	VAULT.conflict-GENERATION-XXXXXXXX	what could not be saved as VAULT, because somebody
 *					else had put another file there
 *	VAULT.damaged-XXXXXXXX		set aside by a restore: it could not be opened
 *
 * Only kept ones are ever removed, the oldest first, and only those whose footer says the
 *generation that their name says: a file that somebody copied there under such a name is not ours
 *to remove.
 */
#ifndef TAZ_ENCLAVE_HISTORY_H
#define TAZ_ENCLAVE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "enclave/proto.h"
#include "enclave/seal.h"

#define HISTORY_NAME_MAX PROTO_NAME_MAX	   /* bytes of any of these names, with the NUL */
#define HISTORY_MAX	 PROTO_HISTORY_MAX /* entries that a list holds */

enum history_kind { HISTORY_CURRENT, HISTORY_KEPT, HISTORY_CONFLICT, HISTORY_ASIDE };

struct history_entry {
	enum history_kind kind;
	bool whole;	     /* it has the footer of a sealed vault; nothing is authenticated */
	uint64_t generation; /* by its footer; by its name when it is not whole; else 0 */
	uint64_t saved_at;   /* seconds since 1970: by the footer, or the file's time */
	uint64_t disk_bytes; /* allocated */
	ino_t inode;
	char name[HISTORY_NAME_MAX];
};

/* --- names: pure ----------------------------------------------------------------------------- */

/*
 * history_parse - is @name one of @vault's files?
 * @ret: kind, generation and name are filled on success
 * Returns true when it is. "007", "5x", a generation above 63 bits are none.
 */
bool history_parse(const char *vault, const char *name, struct history_entry *ret);

/* The names; 0 or -ENAMETOOLONG. */
int history_kept_name(const char *vault, uint64_t generation, char *buf, size_t size);
int history_conflict_name(const char *vault, uint64_t generation, uint32_t random, char *buf,
			  size_t size);

/*
 * history_find_name - which file a person means
 * @what: "7", "conflict-7-0123abcd", "damaged-0123abcd", or a whole file name
 * Returns 0, -EINVAL when it can be none of @vault's kept files.
 */
int history_find_name(const char *vault, const char *what, char *buf, size_t size);

/* history_sort - the current one, then the kept ones, the newest first, then the others by name */
void history_sort(struct history_entry *e, size_t n);

/*
 * history_expired - is the kept entry @at of a sorted list one too many?
 * @keep: how many kept ones stay; those that are the current file under a second name, and those
 * that are not whole, do not count and never expire
 */
bool history_expired(const struct history_entry *e, size_t n, size_t at, unsigned keep);

/* --- the files ------------------------------------------------------------------------------- */

/*
 * history_list - every file of @vault in @dir, sorted; regular files only
 * @ret: room for @max
 * Returns how many, at most @max, or -errno.
 */
ssize_t history_list(int dir, const char *vault, struct history_entry *ret, size_t max);

/*
 * history_keep - give an open sealed file a second name, durably: it is kept when its own is taken
 * @file: borrowed
 * @kind, @generation: HISTORY_KEPT; HISTORY_CONFLICT and HISTORY_ASIDE get a random part
 * @ret_name: HISTORY_NAME_MAX bytes, or NULL
 *
 * A hard link, or a copy where the file system has none. A kept file of that generation which is
 * another state is not touched: this one becomes a conflict's file then.
 * Returns 0 or -errno; then nothing has changed.
 */
int history_keep(int dir, const char *vault, int file, enum history_kind kind, uint64_t generation,
		 char *ret_name);

/* history_prune - remove the kept ones that are too many. Returns how many went, or -errno. */
int history_prune(int dir, const char *vault, unsigned keep);

#endif
