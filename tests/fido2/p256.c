#include "tests/fido2/p256.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

static void must(bool done)
{
	if (!done)
		abort();
}

void p256_random(void *buf, size_t len)
{
	must(RAND_bytes(buf, len) == 1);
}

void p256_sha256(const void *data, size_t len, uint8_t out[P256_HASH])
{
	must(SHA256(data, len, out) != NULL);
}

void p256_hmac(const uint8_t key[32], const void *a, size_t a_len, const void *b, size_t b_len,
	       uint8_t out[P256_HASH])
{
	uint8_t both[1024];

	must(a_len <= sizeof(both) && b_len <= sizeof(both) - a_len);
	memcpy(both, a, a_len);
	if (b_len)
		memcpy(both + a_len, b, b_len);
	must(HMAC(EVP_sha256(), key, 32, both, a_len + b_len, out, NULL) != NULL);
}

void p256_aes(bool encrypt, const uint8_t key[32], const uint8_t *in, size_t len, uint8_t *out)
{
	static const uint8_t zeros[16];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	must(ctx && len % 16 == 0 &&
	     EVP_CipherInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, zeros, encrypt) == 1 &&
	     EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	     EVP_CipherUpdate(ctx, out, &n, in, len) == 1 && (size_t)n == len);
	EVP_CIPHER_CTX_free(ctx);
}

void p256_public(const uint8_t scalar[P256_SCALAR], uint8_t point[P256_POINT])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *p = group ? EC_POINT_new(group) : NULL;
	BIGNUM *k = BN_bin2bn(scalar, P256_SCALAR, NULL);

	must(p && k && EC_POINT_mul(group, p, k, NULL, NULL, NULL) == 1 &&
	     EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, point, P256_POINT, NULL) ==
		     P256_POINT);
	BN_free(k);
	EC_POINT_free(p);
	EC_GROUP_free(group);
}

/* A key pair, or without @scalar a public key. NULL when it is none. */
static EVP_PKEY *key_of(const uint8_t *scalar, const uint8_t point[P256_POINT])
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *k = scalar ? BN_bin2bn(scalar, P256_SCALAR, NULL) : NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;

	must(build && ctx &&
	     OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
	     OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, P256_POINT));
	must(!scalar || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, k));
	params = OSSL_PARAM_BLD_to_param(build);
	must(params && EVP_PKEY_fromdata_init(ctx) == 1);
	if (EVP_PKEY_fromdata(ctx, &key, scalar ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) !=
	    1)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	BN_free(k);
	OSSL_PARAM_BLD_free(build);
	return key;
}

static EVP_PKEY *pair_of(const uint8_t scalar[P256_SCALAR])
{
	uint8_t point[P256_POINT];
	EVP_PKEY *key;

	p256_public(scalar, point);
	key = key_of(scalar, point);
	must(key != NULL);
	return key;
}

size_t p256_sign(const uint8_t scalar[P256_SCALAR], const void *data, size_t len,
		 uint8_t sig[P256_SIG])
{
	EVP_PKEY *key = pair_of(scalar);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = P256_SIG;

	must(ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestSign(ctx, sig, &n, data, len) == 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return n;
}

bool p256_shared(const uint8_t scalar[P256_SCALAR], const uint8_t peer[P256_POINT],
		 uint8_t out[P256_HASH])
{
	EVP_PKEY *own = pair_of(scalar), *other = key_of(NULL, peer);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
	uint8_t x[32];
	size_t n = sizeof(x);
	bool ok;

	must(ctx && EVP_PKEY_derive_init(ctx) == 1);
	ok = other && EVP_PKEY_derive_set_peer(ctx, other) == 1 &&
	     EVP_PKEY_derive(ctx, x, &n) == 1 && n == sizeof(x);
	if (ok)
		p256_sha256(x, sizeof(x), out);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(other);
	EVP_PKEY_free(own);
	return ok;
}
