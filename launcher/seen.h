/*
 * seen - the newest state of a workshop's vault that this host knows of
 *
 * It lies in the workshop's folder, beside vault/ and not in it: who puts back an older vault does
 * not put back this. What is written into it comes from the keeper's status, and the keeper reports
 * only what it has authenticated or sealed itself. The generation never goes back.
 */
#ifndef TAZ_LAUNCHER_SEEN_H
#define TAZ_LAUNCHER_SEEN_H

#include <stdint.h>

struct seen {
	uint64_t generation; /* 0: none */
	char vault[33];	     /* which vault, 32 hexadecimal digits; "" when generation is 0 */
};

/* seen_parse - the text of the file: "GENERATION:VAULT" and a line's end. 0 or -EBADMSG. */
int seen_parse(const char *text, struct seen *ret);

/* seen_load - Returns 0 (all zero when there is no file), -EBADMSG for anything odd, or -errno. */
int seen_load(const char *state_dir, struct seen *ret);

/*
 * seen_merge - what is known after @news
 * Another vault's name is taken over (the keeper has accepted it), a lower generation is not.
 * Returns 1 when @seen has changed, 0, or -EINVAL for news that cannot be true.
 */
int seen_merge(struct seen *seen, const struct seen *news);

/*
 * seen_update - merge @news into the file, written whole or not at all; one at a time
 * Returns 0, -EINVAL as seen_merge(), -EBADMSG as seen_load(), or -errno.
 */
int seen_update(const char *state_dir, const struct seen *news);

/*
 * seen_in_status - what "enclave status --json" says
 * Returns 0 (generation 0 when it knows of none) or -EBADMSG.
 */
int seen_in_status(const char *json, struct seen *ret);

#endif
