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

#if defined(__x86_64__)
#define CLEAR(n)   "pxor %%xmm" #n ", %%xmm" #n "\n\t"
#define CLEAR_Z(n) "vpxorq %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"

void secret_clear_registers(void)
{
	__asm__ volatile(CLEAR(0) CLEAR(1) CLEAR(2) CLEAR(3) CLEAR(4) CLEAR(5) CLEAR(6) CLEAR(7)
				 CLEAR(8) CLEAR(9) CLEAR(10) CLEAR(11) CLEAR(12) CLEAR(13) CLEAR(14)
					 CLEAR(15)
			 :
			 :
			 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	/* Their upper halves, and those that only AVX-512 has: no code of ours is compiled to use
	 * them, but the C library's copying is. */
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::
					 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
					   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
					   "xmm13", "xmm14", "xmm15");
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile(CLEAR_Z(16) CLEAR_Z(17) CLEAR_Z(18) CLEAR_Z(19) CLEAR_Z(20)
					 CLEAR_Z(21) CLEAR_Z(22) CLEAR_Z(23) CLEAR_Z(24) CLEAR_Z(25)
						 CLEAR_Z(26) CLEAR_Z(27) CLEAR_Z(28) CLEAR_Z(29)
							 CLEAR_Z(30) CLEAR_Z(31)
				 :
				 :
				 : "memory");
}
#elif defined(__aarch64__)
#define CLEAR(n) "movi v" #n ".16b, #0\n\t"

void secret_clear_registers(void)
{
	__asm__ volatile(CLEAR(0) CLEAR(1) CLEAR(2) CLEAR(3) CLEAR(4) CLEAR(5) CLEAR(6) CLEAR(7)
				 CLEAR(16) CLEAR(17) CLEAR(18) CLEAR(19) CLEAR(20) CLEAR(21)
					 CLEAR(22) CLEAR(23) CLEAR(24) CLEAR(25) CLEAR(26) CLEAR(27)
						 CLEAR(28) CLEAR(29) CLEAR(30) CLEAR(31)
			 :
			 :
			 : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18",
			   "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
			   "v29", "v30", "v31");
}
#else
void secret_clear_registers(void)
{
}
#endif

void secret_random(void *p, size_t size)
{
	randombytes_buf(p, size);
}
