/*
 * seal_footer - how a sealed vault ends, and what anybody can read of it without a key
 *
 * enclave/seal.h has the whole format. Nothing here is authenticated.
 */
#ifndef TAZ_BASE_SEAL_FOOTER_H
#define TAZ_BASE_SEAL_FOOTER_H

#include <stdint.h>

#define SEAL_FOOTER_BYTES   4096
#define SEAL_BLOCK_BYTES    4096UL
#define SEAL_HASH_BYTES	    32
#define SEAL_ID_BYTES	    16
#define SEAL_VERSION	    2
#define SEAL_GENERATION_MAX (INT64_MAX / 2) /* nobody saves so often: more is a lie */
#define SEAL_MAGIC	    "tazseal"	    /* with its NUL */

/* All numbers are little-endian. */
struct seal_footer {
	char magic[8]; /* SEAL_MAGIC */
	uint32_t version;
	uint32_t footer_bytes; /* SEAL_FOOTER_BYTES */
	uint64_t generation;   /* grows with every save, from 1 */
	uint64_t image_bytes;
	uint64_t saved_at;		 /* seconds since 1970, of the saving host; for people */
	uint8_t vault_id[SEAL_ID_BYTES]; /* random, of the vault's first save, and never changes */
	uint8_t parent_mac[SEAL_HASH_BYTES]; /* mac of the file that this one continues, or zeros */
	uint8_t checksum[SEAL_HASH_BYTES];
	uint8_t mac[SEAL_HASH_BYTES];
	uint8_t footer_sum[SEAL_HASH_BYTES];
};

/*
 * seal_footer_look - what the end of @file says
 * Returns 0, -EBADMSG when it is no whole sealed vault (cut short, grown, another format), -errno.
 */
int seal_footer_look(int file, struct seal_footer *ret);

#endif
