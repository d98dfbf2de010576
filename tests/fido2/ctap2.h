/*
 * ctap2 - an authenticator in software, for tests: the commands of CTAP 2.0 that a token answers
 *
 * getInfo, makeCredential (ES256, packed self attestation), getAssertion, hmac-secret, clientPIN
 * with PIN protocol one. Every key comes from the master secret and a credential's own nonce, so
 * two tokens differ by that alone, and one that was unplugged knows its credentials again.
 * Source: CTAP 2.1 (FIDO Alliance, 2021), sections 6 and 12.5; WebAuthn level 2, section 6.5.
 */
#ifndef TAZ_TESTS_FIDO2_CTAP2_H
#define TAZ_TESTS_FIDO2_CTAP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fido2/p256.h"

#define CTAP2_MAX	1200 /* bytes of a request or an answer: getInfo says so */
#define CTAP2_PIN_TRIES 8

enum ctap2_status {
	CTAP2_OK = 0,
	CTAP1_INVALID_COMMAND = 0x01,
	CTAP2_INVALID_CBOR = 0x12,
	CTAP2_MISSING_PARAMETER = 0x14,
	CTAP2_UNSUPPORTED_ALGORITHM = 0x26,
	CTAP2_OPERATION_DENIED = 0x27,
	CTAP2_UNSUPPORTED_OPTION = 0x2b,
	CTAP2_KEEPALIVE_CANCEL = 0x2d,
	CTAP2_NO_CREDENTIALS = 0x2e,
	CTAP2_USER_ACTION_TIMEOUT = 0x2f,
	CTAP2_PIN_INVALID = 0x31,
	CTAP2_PIN_BLOCKED = 0x32,
	CTAP2_PIN_AUTH_INVALID = 0x33,
	CTAP2_PIN_AUTH_BLOCKED = 0x34,
	CTAP2_PIN_REQUIRED = 0x36,
};

struct authenticator {
	uint8_t master[32];
	char pin[64];	  /* empty: none is set */
	bool hmac_secret; /* can it do that? */
	void (*made)(
		const uint8_t secret[32]); /* told of each, or NULL: what is to be found nowhere */
	/* what it remembers for good */
	unsigned pin_left;
	uint32_t counter;
	/* what is new each time that it is plugged in: ctap2_power_up() */
	unsigned wrong_in_a_row;
	uint8_t agreement[P256_SCALAR], pin_token[32];
};

/* ctap2_init - a token that was never used; @master, @pin: any text; NULL: no PIN */
void ctap2_init(struct authenticator *a, const char *master, const char *pin, bool hmac_secret);
void ctap2_power_up(struct authenticator *a);

/*
 * ctap2_answer - what it says to a request
 * @req, @len: the command's byte and its CBOR
 * @touched: was it touched for this one?
 * @reply: the status byte, and CBOR
 * Returns the bytes of the reply, or 0 when it must be touched first, and then be asked again.
 */
size_t ctap2_answer(struct authenticator *a, const uint8_t *req, size_t len, bool touched,
		    uint8_t reply[CTAP2_MAX]);

/* ctap2_name - of a request's first byte, for a log */
const char *ctap2_name(uint8_t command);

#endif
