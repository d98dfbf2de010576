/*
 * luksjson - is a LUKS2 header's JSON one that we make? Pure: no I/O, no key.
 *
 * The seal covers every byte of the header, but it can only be checked with the key, and so after
 * the header has been obeyed once. This is what must hold before: nothing in it may weaken the
 * vault, cost more than a passphrase may cost, or ask for something that we do not do. Whatever
 * else was changed in it (a token, a priority, a label) has no effect until the seal refuses it.
 *
 * Source: the LUKS2 On-Disk Format Specification, sections 3.1 to 3.6.
 */
#ifndef TAZ_ENCLAVE_LUKSJSON_H
#define TAZ_ENCLAVE_LUKSJSON_H

#include <stdint.h>

/* A passphrase may cost so much: calibrated to a second, a fast machine has made a tenth of it. */
#define LUKSJSON_COST_MAX (32ULL << 20) /* KiB of memory times passes */

struct luksjson_limits {
	uint64_t offset_bytes;		       /* of the data */
	uint32_t min_kib, max_kib, min_passes; /* of Argon2id */
};

/*
 * luksjson_check - every keyslot, segment, digest, and what is required
 * @json: text, NUL-terminated
 * @ret_what: what is wrong, a few words; written on failure only
 * Returns 0 or -EKEYREJECTED.
 */
int luksjson_check(const char *json, const struct luksjson_limits *limits, const char **ret_what);

#endif
