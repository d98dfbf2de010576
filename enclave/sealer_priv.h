/*
 * sealer_priv - shared by the files of the sealer
 *
 *	sealer.c	the image, and the three steps of a save
 *	sealer_file.c	the two files: what is known of them, and the spare's life
 */
#ifndef TAZ_ENCLAVE_SEALER_PRIV_H
#define TAZ_ENCLAVE_SEALER_PRIV_H

#include <limits.h>
#include <sys/stat.h>

#include "enclave/sealer.h"

#define ASIDE_CHUNKS                                                                \
	256 /* 16 MiB; what differs beyond that is written while the image is still \
	     */
enum known { ZERO, HASHED, UNKNOWN }; /* of a chunk of a file of ours */

/* One of the two files, and what we know of its contents. */
struct side {
	int fd;
	const uint8_t *map; /* NULL where it cannot be mapped */
	uint8_t *known;	    /* enum known, a byte a chunk */
	uint8_t (*hash)[SEAL_HASH_BYTES];
	bool fresh; /* made for this save: given back when the disk is full */
	struct stat st;
};

struct aside { /* a chunk of the image as it was while the image was still */
	uint64_t index;
	bool zero;
};

struct sealer {
	int dir, image;
	const uint8_t *key;
	char name[NAME_MAX + 1], spare_name[NAME_MAX + 1];
	uint64_t bytes, n_chunks;
	struct seal_origin origin, other_origin;
	struct sealer_told told;
	const uint8_t *image_map;
	struct side now, spare; /* the sealed file, when we wrote it; what the next save writes */
	uint8_t *chunk, *other; /* a chunk each */
	struct aside aside[ASIDE_CHUNKS];
	uint8_t *aside_data; /* ASIDE_CHUNKS chunks; only touched pages cost memory */
	size_t n_aside;
	bool copied;
	bool dir_unsynced; /* the names were exchanged, and it is not known to be durable */
	uint64_t unflushed;
	struct sealer_cost cost;
};

/* --- sealer_file.c --------------------------------------------------------------------------- */
extern const struct side side_none;

void *side_map_memory(size_t size); /* zeros, or NULL */
const uint8_t *side_map_file(int fd, size_t size);
void side_unmap(const void *p, size_t size); /* NULL is allowed */
int side_init(const struct sealer *s, struct side *side, int *fd, enum known known); /* takes @fd */
void side_done(const struct sealer *s, struct side *side);
bool side_has(const struct sealer *s, const struct side *side, uint64_t index, const uint8_t *data);

size_t sealer_chunk_size(const struct sealer *s, uint64_t index);
void sealer_progress(const struct sealer *s);

/* Into the spare. @data must be a private copy: what is hashed is what is written. 0 or -errno. */
int spare_put(struct sealer *s, uint64_t index, const uint8_t *data);
int spare_put_zeros(struct sealer *s, uint64_t index);
int spare_have(struct sealer *s); /* one that is fit, made if need be; 0 or -errno */
/* Has it one name, ours, and has nobody written to it since we did? */
bool spare_is_fit(struct sealer *s);
/* After our own writes; passes @r on, and makes room again when a disk was too full for a new one.
 */
int spare_wrote(struct sealer *s, int r);
void spare_drop(struct sealer *s);

#endif
