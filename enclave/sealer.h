/*
 * sealer - brings the sealed file up to an image, writing only what differs
 *
 * Two files take turns. One is the sealed file; the other one, the spare (.NAME.<random>.new beside
 * it), is what the sealed file was one save ago. A save brings the spare up to the image, block by
 * block, makes it durable, and exchanges the two names: one step of the file system, so that the
 * sealed file is the old or the new one after a crash at any instant, and never anything else. A
 * file system without RENAME_EXCHANGE gets a plain rename(2), and the whole image each time.
 *
 * The three steps of a save:
 *
 *	sealer_prepare	while the image changes: brings the spare as near as it gets
 *	sealer_copy	while the image is still: compares all of it, takes aside what differs
 *	sealer_commit	while the image changes again: hash, write, fsync, exchange, fsync
 *
 * Any of them may be called after any other, as if the save began anew: what was taken aside and
 * not committed is forgotten.
 *
 * Nothing that is read back from a file is ever hashed or believed: hashes are made of what was
 *read from the image. Who changes the spare behind our back gets a vault that is refused, not a
 *seal.
 *
 * The spare is removed by sealer_free(), and when it is left by a process that was killed, by the
 * next sealer_clean(). Until then the vault takes up to twice its room on the disk (on a file
 *system with reflinks only what differs). A kept generation that is a hard link of the sealed file
 *makes that file unfit as the next spare: then a new one is written.
 */
#ifndef TAZ_ENCLAVE_SEALER_H
#define TAZ_ENCLAVE_SEALER_H

#include "enclave/seal.h"

struct sealer;

/* What a save cost. */
struct sealer_cost {
	uint64_t written_bytes; /* into the file, from prepare to commit */
	bool whole;		/* there was no spare to begin with */
	bool unchanged;		/* nothing had changed since the last one: no new generation */
};

/* What the sealer tells while it works. Either may be NULL. */
struct sealer_told {
	void (*progress)(void *arg); /* now and then while something is written */
	/* Before it is put in place, the file that is about to be there: should this process die
	 * now, the next one knows it as its own (@origin[1] of sealer_new). */
	void (*sealed)(void *arg, const struct seal_origin *next);
	void *arg;
};

/*
 * sealer_new - nothing is written yet
 * @dir, @image: borrowed for the whole life; @key: too, and read at each step
 * @name: of the sealed file in @dir, copied
 * @origin: what the image continues; [1] may be what a sealer of this image that has died was about
 *	    to put in place, or zeros
 * @told: copied
 * Returns 0, -ENOMEM, -ENAMETOOLONG, -errno.
 */
int sealer_new(int dir, const char *name, int image, const uint8_t *key,
	       const struct seal_origin origin[2], const struct sealer_told *told,
	       struct sealer **ret);
void sealer_free(struct sealer *s); /* removes the spare; NULL is allowed */

/* Each returns 0 or -errno (-ENOSPC: the disk is full; what was there is whole). */
int sealer_prepare(struct sealer *s);
int sealer_copy(struct sealer *s);

/*
 * sealer_commit - put what sealer_copy() saw in the sealed file's place
 * @ret: the sealed file as it is now; written on success only
 * Returns 0 when it is durable; -ESTALE when the file that is there is not the one that the image
 * continues (somebody else has saved, or changed it): it is left as it is; or -errno.
 */
int sealer_commit(struct sealer *s, struct seal_origin *ret, struct sealer_cost *ret_cost);

/* sealer_clean - remove spares that a killed process has left */
void sealer_clean(int dir, const char *name);

#endif
