/*
 * consent - a person's yes: kept from before, on the command line, or asked for on the terminal
 */
#ifndef TAZ_ENCLAVE_CONSENT_H
#define TAZ_ENCLAVE_CONSENT_H

#include "enclave/approval.h"
#include "enclave/conf.h"

enum { CONSENT_HASHES_MAX = CONF_ENTRIES_MAX };

struct consent {
	int watch;     /* command_watch(): a signal that ends the asking; -EBADF for none */
	bool terminal; /* someone can be asked */
	const char *hashes[CONSENT_HASHES_MAX]; /* of --approve, borrowed */
	bool used[CONSENT_HASHES_MAX];
	size_t n;
};

/* Without hashes; a person can be asked when both the input and the errors are the terminal's. */
void consent_init(struct consent *c);

/* consent_take - the argument of an --approve. Returns 0, or -EINVAL (said). */
int consent_take(struct consent *c, const char *text);

/* consent_check - says which hash was nothing's: what it was of has changed since it was looked at.
 * @lister: the command that shows hashes. Returns 0 or -ENOENT. */
int consent_check(const struct consent *c, const char *lister);

struct refusal {
	int signal;    /* with -ECANCELED */
	char why[320]; /* a sentence, and what to do */
};

/*
 * consent_get - is there a yes to exactly this? A new one is kept in the vault.
 * @root: of the vault (place.h)
 * @lister: the command that shows @a where nobody can be asked
 *
 * Returns 0, or with @ret filled
 *   -EPERM      it was refused, or nobody could be asked
 *   -ECANCELED  Ctrl+C or a signal: do not go on
 *   -errno      the terminal, or the vault's own file
 */
int consent_get(struct consent *c, int root, const struct entry *e, const struct approval *a,
		const char *lister, struct refusal *ret);

#endif
