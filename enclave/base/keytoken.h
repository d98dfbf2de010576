/*
 * keytoken - what a keyslot is called and where its key comes from: a LUKS2 token of type taz-key
 *
 *	{ "type": "taz-key", "keyslots": ["1"], "kind": "passphrase", "label": "laptop",
 *	  "made": 1764098000 }
 *	... "kind": "fido2", "rp": "taz", "credential": HEX, "salt": HEX, "flags": 3 }
 *
 * A token lies in the header in clear and, before the vault is open, authenticated by nobody: so
 * every field is checked for its range, and nothing in it can open anything.
 */
#ifndef TAZ_BASE_KEYTOKEN_H
#define TAZ_BASE_KEYTOKEN_H

#include <stddef.h>
#include <stdint.h>

#define KEYTOKEN_LABEL	    49 /* with the final NUL */
#define KEYTOKEN_RP	    64
#define KEYTOKEN_CREDENTIAL 256
#define KEYTOKEN_SALT	    32
#define KEYTOKEN_JSON	    2048

enum keytoken_kind { KEY_PASSPHRASE, KEY_FILE, KEY_RECOVERY, KEY_FIDO2, KEY_KINDS };

enum keytoken_flags { KEYTOKEN_PIN = 1, KEYTOKEN_PRESENCE = 2, KEYTOKEN_FLAGS = 3 };

struct keytoken {
	uint32_t kind;		    /* enum keytoken_kind */
	char label[KEYTOKEN_LABEL]; /* keytoken_label_ok(), or empty for none */
	uint64_t made_sec;	    /* when, since 1970; 0: unknown */
	/* of KEY_FIDO2 only */
	uint32_t flags; /* enum keytoken_flags: what the authenticator asks for */
	char rp[KEYTOKEN_RP];
	uint32_t credential_len;
	uint8_t credential[KEYTOKEN_CREDENTIAL];
	uint8_t salt[KEYTOKEN_SALT];
};

/* keytoken_kind_name - "passphrase", "key-file", "recovery", "fido2"; "unknown" for another one */
const char *keytoken_kind_name(uint32_t kind);

/*
 * keytoken_label_ok - 1 to 48 of letters, digits and "._@+-", beginning with a letter
 * A label therefore is never a number, which would be a slot's.
 */
int keytoken_label_ok(const char *label);

/* keytoken_check - is every field in its range? For one that came over a socket. 0 or -EINVAL. */
int keytoken_check(const struct keytoken *t);

/*
 * keytoken_may_be - could @text be the passphrase of a slot of that kind?
 * Anything may be a passphrase. The other kinds have shapes of their own (base/recovery.h,
 * base/keyfile.h), so that no second of work is spent on a slot that cannot open.
 */
int keytoken_may_be(uint32_t kind, const char *text, size_t len);

/* keytoken_format - the JSON of a token of @slot. Returns its length or -E2BIG, -EINVAL. */
int keytoken_format(const struct keytoken *t, int slot, char *buf, size_t size);

/*
 * keytoken_parse - read one
 * @text: NUL-terminated; anything
 * @ret: written on success only
 * Returns 0, -ENOENT when it is another type of token, -EBADMSG when it is a bad one of ours.
 */
int keytoken_parse(const char *text, struct keytoken *ret);

/*
 * keytoken_parse_list - the tokens in what "enclave key list --json" prints: foreign bytes too
 * @ret: room for @max
 * Returns how many, or -EBADMSG.
 */
int keytoken_parse_list(const char *text, struct keytoken *ret, size_t max);

#endif
