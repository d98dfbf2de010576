#include "enclave/base/secret.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(SECRET_PUBKEY_BYTES == crypto_box_PUBLICKEYBYTES, "libsodium's public key");
_Static_assert(SECRET_SEAL_BYTES == crypto_box_SEALBYTES, "libsodium's sealed box");

struct secret *secret_new(size_t size)
{
	struct secret *s = NULL;

	if (sodium_init() < 0) {
		errno = ENOMEM;
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->data = sodium_malloc(size);
	if (!s->data || sodium_mlock(s->data, size) < 0) {
		sodium_free(s->data);
		free(s);
		errno = ENOMEM;
		return NULL;
	}
	s->size = size;
	return s;
}

void secret_free(struct secret *s)
{
	if (!s)
		return;
	sodium_free(s->data);
	free(s);
}

void secret_freep(struct secret **s)
{
	int saved = errno;

	secret_free(*s);
	errno = saved;
}

static int refuse(struct secret *s, int err)
{
	sodium_memzero(s->data, s->size);
	s->len = 0;
	return err;
}

int secret_check_passphrase(struct secret *s)
{
	if (s->len && s->data[s->len - 1] == '\n')
		s->data[--s->len] = 0;
	if (!s->len)
		return refuse(s, -ENODATA);
	if (memchr(s->data, '\0', s->len) || memchr(s->data, '\n', s->len))
		return refuse(s, -EILSEQ);
	return 0;
}

int secret_read_passphrase(int fd, struct secret *s)
{
	char one_more;

	s->len = 0;
	while (s->len < s->size) {
		ssize_t n = read(fd, s->data + s->len, s->size - s->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(s, -errno);
		if (!n)
			return secret_check_passphrase(s);
		s->len += n;
	}
	if (read(fd, &one_more, 1) != 0) {
		sodium_memzero(&one_more, 1);
		return refuse(s, -E2BIG);
	}
	return secret_check_passphrase(s);
}

int secret_keypair(uint8_t ret_public[SECRET_PUBKEY_BYTES], struct secret **ret_private)
{
	struct secret *private = secret_new(crypto_box_SECRETKEYBYTES);

	if (!private)
		return -errno;
	crypto_box_keypair(ret_public, private->data);
	private->len = private->size;
	*ret_private = private;
	return 0;
}

ssize_t secret_seal(const struct secret *s, const uint8_t public[SECRET_PUBKEY_BYTES], uint8_t *box,
		    size_t size)
{
	if (sodium_init() < 0 || size < s->len + crypto_box_SEALBYTES ||
	    crypto_box_seal(box, s->data, s->len, public) != 0)
		return -EINVAL;
	return s->len + crypto_box_SEALBYTES;
}

int secret_unseal(const uint8_t *box, size_t len, const uint8_t public[SECRET_PUBKEY_BYTES],
		  const struct secret *private, struct secret *s)
{
	if (len < crypto_box_SEALBYTES)
		return -EBADMSG;
	if (len - crypto_box_SEALBYTES > s->size)
		return -E2BIG;
	if (crypto_box_seal_open(s->data, box, len, public, private->data) != 0)
		return refuse(s, -EBADMSG);
	s->len = len - crypto_box_SEALBYTES;
	return 0;
}

void secret_wipe(void *p, size_t size)
{
	sodium_memzero(p, size);
}

void secret_random(void *p, size_t size)
{
	randombytes_buf(p, size);
}
