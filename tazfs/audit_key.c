#include "tazfs/audit_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "tazfs/audit_chain.h"
#include "tazfs/store.h"

#define NEW_FILE AUDIT_KEY_FILE ".new"

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int audit_key_new(struct secret **ret)
{
	*ret = secret_new(AUDIT_KEY_BYTES);
	if (!*ret)
		return -ENOMEM;
	secret_random((*ret)->data, AUDIT_KEY_BYTES);
	(*ret)->len = AUDIT_KEY_BYTES;
	return 0;
}

int audit_key_parse(const char *text, size_t size, struct secret **ret)
{
	autosecret struct secret *key = secret_new(AUDIT_KEY_BYTES);

	if (!key)
		return -ENOMEM;
	if (size < 2UL * AUDIT_KEY_BYTES)
		return -EBADMSG;
	for (size_t i = 0; i < AUDIT_KEY_BYTES; i++) {
		int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		key->data[i] = (uint8_t)(high << 4 | low);
	}
	for (size_t i = 2UL * AUDIT_KEY_BYTES; i < size; i++)
		if (text[i] != '\n')
			return -EBADMSG;
	key->len = AUDIT_KEY_BYTES;
	*ret = take_ptr(&key);
	return 0;
}

int audit_key_load(int dirfd, struct secret **ret)
{
	autoclose int pathfd = openat(dirfd, AUDIT_KEY_FILE, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct store_file f;
	const char *text;
	ssize_t n;
	int r;

	if (pathfd < 0)
		return -errno;
	r = store_open(pathfd, O_RDONLY, &f);
	if (r < 0)
		return r;
	n = store_read(&f, STORE_ALIGN, 0, &text);
	r = n < 0 ? (int)n : audit_key_parse(text, (size_t)n, ret);
	store_wipe();
	store_close(&f);
	return r;
}

static int write_new(int dirfd, const char *block)
{
	struct store_file f;
	int r = store_create(dirfd, NEW_FILE, O_RDWR | O_TRUNC, 0600, &f);

	if (r < 0)
		return r;
	r = store_write(&f, block, STORE_ALIGN, 0, NULL);
	store_wipe();
	if (r == 0 && fsync(f.fd) < 0)
		r = -errno;
	store_close(&f);
	if (r == 0 && renameat(dirfd, NEW_FILE, dirfd, AUDIT_KEY_FILE) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, NEW_FILE, 0);
	return r;
}

int audit_key_store(int dirfd, const struct secret *key)
{
	static const char hex[] = "0123456789abcdef";
	char block[STORE_ALIGN];
	int r;

	memset(block, '\n', sizeof(block));
	for (size_t i = 0; i < AUDIT_KEY_BYTES; i++) {
		block[2 * i] = hex[key->data[i] >> 4];
		block[2 * i + 1] = hex[key->data[i] & 15];
	}
	r = write_new(dirfd, block);
	secret_wipe(block, sizeof(block));
	return r;
}
