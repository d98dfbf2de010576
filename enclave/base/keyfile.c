#include "enclave/base/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#define HASH_BYTES 32
#define HEX_BYTES  KEYFILE_TEXT
#define CHUNK	   4096

static const char prefix[] = "taz key file 1\n";

struct work { /* in locked memory */
	_Alignas(64) crypto_generichash_state hash;
	uint8_t buf[CHUNK];
	uint8_t digest[HASH_BYTES];
	char hex[HEX_BYTES + 1];
};

/* sodium_malloc(3) aligns the end, not the start: there is room to align it ourselves. */
static struct work *work_of(struct secret *s)
{
	uintptr_t at = (uintptr_t)s->data;

	return (struct work *)((at + 63) & ~(uintptr_t)63);
}

static int hash_file(int fd, struct work *w)
{
	size_t total = 0;
	ssize_t n;

	crypto_generichash_init(&w->hash, NULL, 0, HASH_BYTES);
	crypto_generichash_update(&w->hash, (const uint8_t *)prefix, sizeof(prefix) - 1);
	while ((n = io_read_full(fd, w->buf, CHUNK)) > 0) {
		total += n;
		if (total > KEYFILE_MAX)
			return -EFBIG;
		crypto_generichash_update(&w->hash, w->buf, n);
	}
	if (n < 0)
		return n;
	crypto_generichash_final(&w->hash, w->digest, HASH_BYTES);
	sodium_bin2hex(w->hex, sizeof(w->hex), w->digest, HASH_BYTES);
	return total ? 0 : -ENODATA;
}

int keyfile_read(const char *path, struct secret **ret)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	autosecret struct secret *work = NULL, *key = NULL;
	int r;

	if (fd < 0)
		return -errno;
	work = secret_new(sizeof(struct work) + 64);
	key = secret_new(HEX_BYTES);
	if (!work || !key)
		return -ENOMEM;
	r = hash_file(fd, work_of(work));
	if (r < 0)
		return r;
	memcpy(key->data, work_of(work)->hex, HEX_BYTES);
	key->len = HEX_BYTES;
	*ret = take_ptr(&key);
	return 0;
}

int keyfile_is_open(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 077;
}

const char *keyfile_why(int err)
{
	switch (-err) {
	case ENODATA:
		return "the file is empty, so anybody has that key";
	case EFBIG:
		return "a key file has at most 8 MiB";
	default:
		return strerror(-err);
	}
}
