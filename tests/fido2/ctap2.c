#include "tests/fido2/ctap2.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fido2/item.h"

#define MAKE_CREDENTIAL 0x01
#define GET_ASSERTION	0x02
#define GET_INFO	0x04
#define CLIENT_PIN	0x06

#define NONCE	      32
#define ID	      (NONCE + P256_HASH) /* a credential's id: nonce, and a tag of nonce and party */
#define AUTH_DATA_MAX 512
#define NEEDS_TOUCH   (-1)

enum { FLAG_UP = 0x01, FLAG_UV = 0x04, FLAG_CREDENTIAL = 0x40, FLAG_EXTENSIONS = 0x80 };

static const uint8_t aaguid[16] = "taz test token.";

/* What a makeCredential or a getAssertion is about. */
struct request {
	const cbor_item_t *map;
	struct bytes client_data;
	uint8_t rp_hash[P256_HASH];
	bool up, verified;
};

struct auth_data {
	uint8_t data[AUTH_DATA_MAX];
	size_t len;
};

/* Takes @map. Returns the bytes of the reply. */
static size_t reply_with(cbor_item_t *map, uint8_t reply[CTAP2_MAX])
{
	size_t n = cbor_serialize(map, reply + 1, CTAP2_MAX - 1);

	if (!n)
		abort();
	cbor_decref(&map);
	reply[0] = CTAP2_OK;
	return n + 1;
}

static cbor_item_t *public_key(const uint8_t scalar[P256_SCALAR], int algorithm)
{
	uint8_t point[P256_POINT];

	p256_public(scalar, point);
	return item_cose_key(point + 1, point + 33, algorithm);
}

/* --- keys ------------------------------------------------------------------------------------ */

static void derive(const struct authenticator *a, const char *what, const uint8_t nonce[NONCE],
		   uint8_t out[P256_HASH])
{
	p256_hmac(a->master, what, strlen(what), nonce, NONCE, out);
}

/* The tag that only this token can make, for this party only. */
static void tag_of(const struct authenticator *a, const uint8_t nonce[NONCE],
		   const uint8_t rp_hash[P256_HASH], uint8_t out[P256_HASH])
{
	uint8_t key[P256_HASH];

	derive(a, "tag", nonce, key);
	p256_hmac(key, rp_hash, P256_HASH, NULL, 0, out);
}

static bool is_ours(const struct authenticator *a, struct bytes id,
		    const uint8_t rp_hash[P256_HASH])
{
	uint8_t tag[P256_HASH];

	if (id.len != ID)
		return false;
	tag_of(a, id.at, rp_hash, tag);
	return !memcmp(tag, id.at + NONCE, sizeof(tag));
}

/* What client and token share: the client's half is in the request. */
static bool shared_with(const struct authenticator *a, const cbor_item_t *peer,
			uint8_t out[P256_HASH])
{
	struct bytes x = item_bytes(item_at(peer, -2)), y = item_bytes(item_at(peer, -3));
	uint8_t point[P256_POINT] = { 0x04 };

	if (x.len != 32 || y.len != 32)
		return false;
	memcpy(point + 1, x.at, 32);
	memcpy(point + 33, y.at, 32);
	return p256_shared(a->agreement, point, out);
}

/* PIN protocol one: the first 16 bytes of an HMAC. */
static bool is_authentic(const uint8_t key[32], struct bytes data, struct bytes tag)
{
	uint8_t hmac[P256_HASH];

	p256_hmac(key, data.at, data.len, NULL, 0, hmac);
	return tag.len == 16 && !memcmp(tag.at, hmac, 16);
}

/* --- what both commands share ---------------------------------------------------------------- */

/* The PIN's proof, when there is one; without it who may go on is the command's to decide. */
static int check_pin(const struct authenticator *a, struct request *q, int auth_key)
{
	const cbor_item_t *proof = item_at(q->map, auth_key);

	if (!proof)
		return CTAP2_OK;
	if (!*a->pin || !is_authentic(a->pin_token, q->client_data, item_bytes(proof)))
		return CTAP2_PIN_AUTH_INVALID;
	q->verified = true;
	return CTAP2_OK;
}

static int read_request(const struct authenticator *a, struct request *q, int hash_key,
			const cbor_item_t *rp, int options_key, int auth_key)
{
	const cbor_item_t *options = item_at(q->map, options_key);
	struct bytes name;

	q->client_data = item_bytes(item_at(q->map, hash_key));
	name = item_bytes(rp);
	if (q->client_data.len != 32 || !name.len)
		return CTAP2_MISSING_PARAMETER;
	p256_sha256(name.at, name.len, q->rp_hash);
	q->up = item_is_true(item_named(options, "up"), true);
	if (item_is_true(item_named(options, "rk"), false) ||
	    item_is_true(item_named(options, "uv"), false))
		return CTAP2_UNSUPPORTED_OPTION;
	return check_pin(a, q, auth_key);
}

static void add(struct auth_data *d, const void *data, size_t len)
{
	if (len > sizeof(d->data) - d->len)
		abort();
	memcpy(d->data + d->len, data, len);
	d->len += len;
}

/* Takes @item. */
static void add_cbor(struct auth_data *d, cbor_item_t *item)
{
	size_t n = cbor_serialize(item, d->data + d->len, sizeof(d->data) - d->len);

	if (!n)
		abort();
	d->len += n;
	cbor_decref(&item);
}

static void begin(struct authenticator *a, const struct request *q, struct auth_data *d, int flags)
{
	uint8_t head[5] = { flags | (q->up ? FLAG_UP : 0) | (q->verified ? FLAG_UV : 0) };

	a->counter++;
	for (int i = 0; i < 4; i++)
		head[1 + i] = a->counter >> (24 - 8 * i);
	d->len = 0;
	add(d, q->rp_hash, P256_HASH);
	add(d, head, sizeof(head));
}

static size_t sign(const uint8_t scalar[P256_SCALAR], const struct auth_data *d,
		   struct bytes client_data, uint8_t sig[P256_SIG])
{
	struct auth_data both = *d;

	add(&both, client_data.at, client_data.len);
	return p256_sign(scalar, both.data, both.len, sig);
}

/* --- makeCredential -------------------------------------------------------------------------- */

static bool wants_es256(const cbor_item_t *list)
{
	for (size_t i = 0; list && cbor_isa_array(list) && i < cbor_array_size(list); i++) {
		const cbor_item_t *algorithm = item_named(cbor_array_handle(list)[i], "alg");

		if (algorithm && item_is_number(algorithm, -7))
			return true;
	}
	return false;
}

static cbor_item_t *attestation(const uint8_t *sig, size_t len)
{
	cbor_item_t *map = cbor_new_definite_map(2);

	item_put(map, cbor_build_string("alg"), item_number(-7));
	item_put(map, cbor_build_string("sig"), cbor_build_bytestring(sig, len));
	return map;
}

static size_t credential(struct authenticator *a, const struct request *q, bool hmac_secret,
			 uint8_t reply[CTAP2_MAX])
{
	uint8_t id[ID], scalar[P256_SCALAR], sig[P256_SIG];
	const uint8_t id_len[2] = { 0, ID };
	struct auth_data d;
	cbor_item_t *map = cbor_new_definite_map(3), *extensions;
	size_t sig_len;

	p256_random(id, NONCE);
	tag_of(a, id, q->rp_hash, id + NONCE);
	derive(a, "sign", id, scalar);
	begin(a, q, &d, FLAG_CREDENTIAL | (hmac_secret ? FLAG_EXTENSIONS : 0));
	add(&d, aaguid, sizeof(aaguid));
	add(&d, id_len, sizeof(id_len));
	add(&d, id, sizeof(id));
	add_cbor(&d, public_key(scalar, -7));
	if (hmac_secret) {
		extensions = cbor_new_definite_map(1);
		item_put(extensions, cbor_build_string("hmac-secret"), cbor_build_bool(true));
		add_cbor(&d, extensions);
	}
	sig_len = sign(scalar, &d, q->client_data, sig);
	item_put(map, item_number(1), cbor_build_string("packed"));
	item_put_bytes(map, 2, d.data, d.len);
	item_put(map, item_number(3), attestation(sig, sig_len));
	return reply_with(map, reply);
}

static int make_credential(struct authenticator *a, const cbor_item_t *map, bool touched,
			   uint8_t reply[CTAP2_MAX])
{
	struct request q = { .map = map };
	int r = read_request(a, &q, 1, item_named(item_at(map, 2), "id"), 7, 8);

	if (r)
		return r;
	if (!wants_es256(item_at(map, 4)))
		return CTAP2_UNSUPPORTED_ALGORITHM;
	if (*a->pin && !q.verified)
		return CTAP2_PIN_REQUIRED;
	if (!touched)
		return NEEDS_TOUCH;
	/* An extension that it does not know is not an error, it is left out. */
	return -(int)credential(
		a, &q,
		a->hmac_secret && item_is_true(item_named(item_at(map, 6), "hmac-secret"), false),
		reply);
}

/* --- getAssertion ---------------------------------------------------------------------------- */

static struct bytes known_credential(const struct authenticator *a, const struct request *q)
{
	const cbor_item_t *list = item_at(q->map, 3);

	for (size_t i = 0; list && cbor_isa_array(list) && i < cbor_array_size(list); i++) {
		struct bytes id = item_bytes(item_named(cbor_array_handle(list)[i], "id"));

		if (is_ours(a, id, q->rp_hash))
			return id;
	}
	return (struct bytes){ 0 };
}

/* The secret of one or two salts, sealed for the client; another one with the PIN than without. */
static int hmac_secret(const struct authenticator *a, const struct request *q, struct bytes id,
		       uint8_t out[64], size_t *ret_len)
{
	const cbor_item_t *input = item_named(item_at(q->map, 4), "hmac-secret");
	struct bytes salt = item_bytes(item_at(input, 2)), tag = item_bytes(item_at(input, 3));
	uint8_t shared[P256_HASH], random[P256_HASH], clear[64], secret[64];

	*ret_len = 0;
	if (!input || !a->hmac_secret)
		return CTAP2_OK;
	if (!q->up)
		return CTAP2_UNSUPPORTED_OPTION;
	if ((salt.len != 32 && salt.len != 64) || !shared_with(a, item_at(input, 1), shared))
		return CTAP2_MISSING_PARAMETER;
	if (!is_authentic(shared, salt, tag))
		return CTAP2_PIN_AUTH_INVALID;
	derive(a, q->verified ? "with PIN" : "without PIN", id.at, random);
	p256_aes(false, shared, salt.at, salt.len, clear);
	for (size_t i = 0; i < salt.len; i += 32)
		p256_hmac(random, clear + i, 32, NULL, 0, secret + i);
	if (a->made)
		a->made(secret);
	p256_aes(true, shared, secret, salt.len, out);
	*ret_len = salt.len;
	return CTAP2_OK;
}

static size_t assertion(struct authenticator *a, const struct request *q, struct bytes id,
			struct bytes secret, uint8_t reply[CTAP2_MAX])
{
	cbor_item_t *map = cbor_new_definite_map(3), *which = cbor_new_definite_map(2), *extensions;
	uint8_t scalar[P256_SCALAR], sig[P256_SIG];
	struct auth_data d;
	size_t n;

	begin(a, q, &d, secret.len ? FLAG_EXTENSIONS : 0);
	if (secret.len) {
		extensions = cbor_new_definite_map(1);
		item_put(extensions, cbor_build_string("hmac-secret"),
			 cbor_build_bytestring(secret.at, secret.len));
		add_cbor(&d, extensions);
	}
	derive(a, "sign", id.at, scalar);
	n = sign(scalar, &d, q->client_data, sig);
	item_put(which, cbor_build_string("id"), cbor_build_bytestring(id.at, id.len));
	item_put(which, cbor_build_string("type"), cbor_build_string("public-key"));
	item_put(map, item_number(1), which);
	item_put_bytes(map, 2, d.data, d.len);
	item_put_bytes(map, 3, sig, n);
	return reply_with(map, reply);
}

static int get_assertion(struct authenticator *a, const cbor_item_t *map, bool touched,
			 uint8_t reply[CTAP2_MAX])
{
	struct request q = { .map = map };
	struct bytes id, secret;
	uint8_t out[64];
	int r = read_request(a, &q, 2, item_at(map, 1), 5, 6);

	if (r)
		return r;
	id = known_credential(a, &q);
	if (!id.len)
		return CTAP2_NO_CREDENTIALS;
	if (q.up && !touched)
		return NEEDS_TOUCH;
	r = hmac_secret(a, &q, id, out, &secret.len);
	if (r)
		return r;
	secret.at = out;
	return -(int)assertion(a, &q, id, secret, reply);
}

/* --- clientPIN ------------------------------------------------------------------------------- */

static void new_agreement(struct authenticator *a)
{
	p256_random(a->agreement, sizeof(a->agreement));
	a->agreement[0] &= 0x7f; /* below the group's order, for certain */
}

static int wrong_pin(struct authenticator *a)
{
	a->pin_left--;
	a->wrong_in_a_row++;
	new_agreement(a);
	if (!a->pin_left)
		return CTAP2_PIN_BLOCKED;
	return a->wrong_in_a_row >= 3 ? CTAP2_PIN_AUTH_BLOCKED : CTAP2_PIN_INVALID;
}

static int pin_token(struct authenticator *a, const cbor_item_t *map, cbor_item_t *out)
{
	struct bytes given = item_bytes(item_at(map, 6));
	uint8_t shared[P256_HASH], right[P256_HASH], clear[16], sealed[32];

	if (!a->pin_left)
		return CTAP2_PIN_BLOCKED;
	if (a->wrong_in_a_row >= 3)
		return CTAP2_PIN_AUTH_BLOCKED;
	if (given.len != 16 || !shared_with(a, item_at(map, 3), shared))
		return CTAP2_MISSING_PARAMETER;
	p256_aes(false, shared, given.at, 16, clear);
	p256_sha256(a->pin, strlen(a->pin), right);
	if (!*a->pin || memcmp(clear, right, 16) != 0)
		return wrong_pin(a);
	a->pin_left = CTAP2_PIN_TRIES;
	a->wrong_in_a_row = 0;
	p256_aes(true, shared, a->pin_token, sizeof(a->pin_token), sealed);
	item_put_bytes(out, 2, sealed, sizeof(sealed));
	return CTAP2_OK;
}

static int client_pin(struct authenticator *a, const cbor_item_t *map, bool touched,
		      uint8_t reply[CTAP2_MAX])
{
	enum { GET_RETRIES = 1, GET_AGREEMENT = 2, GET_PIN_TOKEN = 5 };
	const cbor_item_t *what = item_at(map, 2);
	cbor_item_t *out = cbor_new_definite_map(1);
	int r = CTAP2_OK;

	switch (what && cbor_isa_uint(what) ? cbor_get_int(what) : 0) {
	case GET_RETRIES:
		item_put(out, item_number(3), item_number(a->pin_left));
		break;
	case GET_AGREEMENT:
		/* -25 is what CTAP wants to be written there, "although this is not the algorithm".
		 */
		item_put(out, item_number(1), public_key(a->agreement, -25));
		break;
	case GET_PIN_TOKEN:
		r = pin_token(a, map, out);
		break;
	default:
		r = CTAP2_UNSUPPORTED_OPTION;
	}
	if (r == CTAP2_OK)
		return -(int)reply_with(out, reply);
	cbor_decref(&out);
	return r;
}

/* --- all of them ----------------------------------------------------------------------------- */

static int get_info(struct authenticator *a, const cbor_item_t *map, bool touched,
		    uint8_t reply[CTAP2_MAX])
{
	cbor_item_t *out = cbor_new_definite_map(a->hmac_secret ? 6 : 5),
		    *options = cbor_new_definite_map(3);

	item_put(out, item_number(1), item_list(cbor_build_string("FIDO_2_0")));
	if (a->hmac_secret)
		item_put(out, item_number(2), item_list(cbor_build_string("hmac-secret")));
	item_put_bytes(out, 3, aaguid, sizeof(aaguid));
	item_put(options, cbor_build_string("rk"), cbor_build_bool(false));
	item_put(options, cbor_build_string("up"), cbor_build_bool(true));
	item_put(options, cbor_build_string("clientPin"), cbor_build_bool(*a->pin != '\0'));
	item_put(out, item_number(4), options);
	item_put(out, item_number(5), item_number(CTAP2_MAX));
	item_put(out, item_number(6), item_list(item_number(1)));
	return -(int)reply_with(out, reply);
}

/* Each returns a status, NEEDS_TOUCH, or the negative length of its reply, which is never 1. */
static const struct command {
	uint8_t byte;
	const char *name;
	int (*run)(struct authenticator *a, const cbor_item_t *map, bool touched,
		   uint8_t reply[CTAP2_MAX]);
} commands[] = {
	{ MAKE_CREDENTIAL, "makeCredential", make_credential },
	{ GET_ASSERTION, "getAssertion", get_assertion },
	{ GET_INFO, "getInfo", get_info },
	{ CLIENT_PIN, "clientPIN", client_pin },
};

static const struct command *command_of(uint8_t byte)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (commands[i].byte == byte)
			return &commands[i];
	return NULL;
}

const char *ctap2_name(uint8_t command)
{
	const struct command *c = command_of(command);

	return c ? c->name : "unknown";
}

void ctap2_init(struct authenticator *a, const char *master, const char *pin, bool hmac_secret)
{
	*a = (struct authenticator){ .hmac_secret = hmac_secret, .pin_left = CTAP2_PIN_TRIES };
	p256_sha256(master, strlen(master), a->master);
	if (pin)
		strncpy(a->pin, pin, sizeof(a->pin) - 1);
	ctap2_power_up(a);
}

void ctap2_power_up(struct authenticator *a)
{
	a->wrong_in_a_row = 0;
	new_agreement(a);
	p256_random(a->pin_token, sizeof(a->pin_token));
}

size_t ctap2_answer(struct authenticator *a, const uint8_t *req, size_t len, bool touched,
		    uint8_t reply[CTAP2_MAX])
{
	const struct command *c = len ? command_of(req[0]) : NULL;
	struct cbor_load_result parsed;
	cbor_item_t *map = len > 1 ? cbor_load(req + 1, len - 1, &parsed) : NULL;
	int r;

	if (!c)
		r = CTAP1_INVALID_COMMAND;
	else if (!map && c->byte != GET_INFO)
		r = CTAP2_INVALID_CBOR;
	else
		r = c->run(a, map, touched, reply);
	if (map)
		cbor_decref(&map);
	if (r == NEEDS_TOUCH)
		return 0;
	if (r < 0)
		return -r;
	reply[0] = r;
	return 1;
}
