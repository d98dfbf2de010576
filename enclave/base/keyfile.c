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

static void begin(struct work *w, const char *prefix)
{
	crypto_generichash_init(&w->hash, NULL, 0, HASH_BYTES);
	crypto_generichash_update(&w->hash, (const uint8_t *)prefix, strlen(prefix));
}

static int finish(struct work *w, struct secret **ret)
{
	struct secret *key = secret_new(HEX_BYTES);

	if (!key)
		return -ENOMEM;
	crypto_generichash_final(&w->hash, w->digest, HASH_BYTES);
	sodium_bin2hex(w->hex, sizeof(w->hex), w->digest, HASH_BYTES);
	memcpy(key->data, w->hex, HEX_BYTES);
	key->len = HEX_BYTES;
	*ret = key;
	return 0;
}

static int hash_file(int fd, struct work *w)
{
	size_t total = 0;
	ssize_t n;

	begin(w, "taz key file 1\n");
	while ((n = io_read_full(fd, w->buf, CHUNK)) > 0) {
		total += n;
		if (total > KEYFILE_MAX)
			return -EFBIG;
		crypto_generichash_update(&w->hash, w->buf, n);
	}
	if (n < 0)
		return n;
	return total ? 0 : -ENODATA;
}

int keyfile_read(const char *path, struct secret **ret)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	autosecret struct secret *work = NULL;
	int r;

	if (fd < 0)
		return -errno;
	work = secret_new(sizeof(struct work) + 64);
	if (!work)
		return -ENOMEM;
	r = hash_file(fd, work_of(work));
	return r < 0 ? r : finish(work_of(work), ret);
}

int keyfile_hash(const char *prefix, const void *data, size_t size, struct secret **ret)
{
	autosecret struct secret *work = secret_new(sizeof(struct work) + 64);

	if (!work)
		return -ENOMEM;
	begin(work_of(work), prefix);
	crypto_generichash_update(&work_of(work)->hash, data, size);
	return finish(work_of(work), ret);
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
	case ENOMEM:
		return "no memory could be locked for the key; 'ulimit -l' is the limit";
	default:
		return strerror(-err);
	}
}
