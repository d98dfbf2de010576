#include "enclave/luks.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/luksjson.h"

#define KDF_TIME_MS    1000
#define KDF_MAX_KIB    (1024 * 1024) /* libcryptsetup's own default */
/* The floor, above OWASP's for Argon2id: what a slow machine's calibration is raised to, and below
 * which we open nothing. */
#define KDF_MIN_KIB    (32 * 1024)
#define KDF_MIN_PASSES 4
#define METADATA_BYTES (16 * 1024)
/* libcryptsetup aligns the data to 1 MiB; the default of 16 MiB would be random bytes in RAM. */
#define OFFSET_BYTES   (2 * 1024 * 1024)
/* Room for seven passphrases of 252 KiB. */
#define KEYSLOTS_BYTES (OFFSET_BYTES - 2 * METADATA_BYTES)

static void on_log(int level, const char *text, void *usrptr)
{
	/* What a wrong passphrase says is ours to say; its messages end with a newline. */
	if (level == CRYPT_LOG_ERROR)
		log_warn("cryptsetup: %.*s", (int)strcspn(text, "\n"), text);
}

static void freecd(struct crypt_device **cd)
{
	crypt_free(*cd);
}

static int init(int image, struct crypt_device **ret)
{
	char path[40];
	int r;

	crypt_set_log_callback(NULL, on_log, NULL);
	/* The image is in a file system that only we see: nobody to lock out. */
	crypt_metadata_locking(NULL, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	r = crypt_init(ret, path);
	return r < 0 ? r : 0;
}

/* The first number after @key in a text file, or @fallback ("max" is none). */
static uint64_t number_in(const char *path, const char *key, uint64_t fallback)
{
	char text[4096], *at = text;
	char *end;
	uint64_t v;

	if (io_read_text(-1, path, text, sizeof(text)) < 0)
		return fallback;
	if (*key) {
		at = strstr(text, key);
		if (!at)
			return fallback;
		at += strlen(key);
	}
	v = strtoull(at, &end, 10);
	return end == at ? fallback : v;
}

static uint32_t kdf_max_kib(void)
{
	uint64_t kib = number_in("/proc/meminfo", "MemAvailable:", KDF_MIN_KIB * 2);
	uint64_t cgroup = number_in("/sys/fs/cgroup/memory.max", "", UINT64_MAX) / 1024;

	kib = (cgroup < kib ? cgroup : kib) / 2;
	if (kib < KDF_MIN_KIB)
		kib = KDF_MIN_KIB;
	return kib > KDF_MAX_KIB ? KDF_MAX_KIB : kib;
}

/* Argon2id's cost on this machine for about a second, never below the floor. */
static int calibrate(struct crypt_device *cd, struct crypt_pbkdf_type *ret)
{
	int r;

	*ret = (struct crypt_pbkdf_type){
		.type = CRYPT_KDF_ARGON2ID,
		.hash = "sha256",
		.time_ms = KDF_TIME_MS,
		.max_memory_kb = kdf_max_kib(),
		.parallel_threads = 2,
	};
	/* Any password and salt of their usual lengths will do: only the time counts. */
	r = crypt_benchmark_pbkdf(cd, ret, "foobarfo", 8, "0123456789abcdef0123456789abcdef", 32,
				  LUKS_KEY_BYTES, NULL, NULL);
	if (r < 0)
		return r;
	if (ret->max_memory_kb < KDF_MIN_KIB)
		ret->max_memory_kb = KDF_MIN_KIB;
	if (ret->iterations < KDF_MIN_PASSES)
		ret->iterations = KDF_MIN_PASSES;
	ret->flags = CRYPT_PBKDF_NO_BENCHMARK;
	ret->time_ms = 0;
	return 0;
}

static int format(struct crypt_device *cd, const struct secret *passphrase)
{
	struct crypt_pbkdf_type pbkdf;
	struct crypt_params_luks2 params = { .pbkdf = &pbkdf, .sector_size = LUKS_SECTOR_BYTES };
	int r = calibrate(cd, &pbkdf);

	if (r == 0)
		r = crypt_set_metadata_size(cd, METADATA_BYTES, KEYSLOTS_BYTES);
	if (r == 0)
		r = crypt_format(cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL, NULL, LUKS_KEY_BYTES,
				 &params);
	if (r == 0)
		r = crypt_keyslot_add_by_volume_key(cd, CRYPT_ANY_SLOT, NULL, 0,
						    (const char *)passphrase->data,
						    passphrase->len);
	return r < 0 ? r : 0;
}

static int get_key(struct crypt_device *cd, const struct secret *passphrase,
		   struct luks_volume *ret)
{
	autosecret struct secret *key = secret_new(LUKS_KEY_BYTES);
	size_t size = LUKS_KEY_BYTES;
	int r;

	if (!key)
		return -ENOMEM;
	r = crypt_volume_key_get(cd, CRYPT_ANY_SLOT, (char *)key->data, &size,
				 (const char *)passphrase->data, passphrase->len);
	if (r < 0)
		return r;
	key->len = size;
	ret->offset_bytes = crypt_get_data_offset(cd) * 512;
	ret->key = take_ptr(&key);
	return 0;
}

int luks_format(int image, const struct secret *passphrase, struct luks_volume *ret)
{
	__attribute__((cleanup(freecd))) struct crypt_device *cd = NULL;
	int r = init(image, &cd);

	if (r == 0)
		r = format(cd, passphrase);
	return r < 0 ? r : get_key(cd, passphrase, ret);
}

static int check_slot(struct crypt_device *cd, int slot)
{
	struct crypt_pbkdf_type kdf;
	size_t key_size;
	const char *cipher = crypt_keyslot_get_encryption(cd, slot, &key_size);

	if (!cipher || strcmp(cipher, "aes-xts-plain64") || key_size != LUKS_KEY_BYTES)
		return -EKEYREJECTED;
	if (crypt_keyslot_get_pbkdf(cd, slot, &kdf) < 0 || strcmp(kdf.type, CRYPT_KDF_ARGON2ID) ||
	    kdf.iterations < KDF_MIN_PASSES || kdf.max_memory_kb < KDF_MIN_KIB ||
	    kdf.max_memory_kb > KDF_MAX_KIB)
		return -EKEYREJECTED;
	return 0;
}

/* What libcryptsetup's getters do not tell. */
static int check_json(struct crypt_device *cd)
{
	static const struct luksjson_limits limits = { .offset_bytes = OFFSET_BYTES,
						       .min_kib = KDF_MIN_KIB,
						       .max_kib = KDF_MAX_KIB,
						       .min_passes = KDF_MIN_PASSES };
	const char *json, *what;
	int r = crypt_dump_json(cd, &json, 0);

	if (r == 0)
		r = luksjson_check(json, &limits, &what);
	if (r == -EKEYREJECTED)
		log_error("the header is none of ours: %s", what);
	return r < 0 ? -EKEYREJECTED : 0;
}

/* What we never made, we never open: every fact that an attacker could have weakened. */
static int check(struct crypt_device *cd)
{
	const char *cipher = crypt_get_cipher(cd), *mode = crypt_get_cipher_mode(cd);
	int slots = 0;

	if (!cipher || strcmp(cipher, "aes") || !mode || strcmp(mode, "xts-plain64") ||
	    crypt_get_volume_key_size(cd) != LUKS_KEY_BYTES ||
	    crypt_get_sector_size(cd) != LUKS_SECTOR_BYTES ||
	    crypt_get_data_offset(cd) * 512 != OFFSET_BYTES)
		return -EKEYREJECTED;
	for (int slot = 0; slot < crypt_keyslot_max(CRYPT_LUKS2); slot++) {
		crypt_keyslot_info info = crypt_keyslot_status(cd, slot);
		int r;

		if (info == CRYPT_SLOT_INACTIVE)
			continue;
		r = check_slot(cd, slot);
		if (r < 0)
			return r;
		slots++;
	}
	return slots ? check_json(cd) : -EKEYREJECTED;
}

int luks_open(int image, const struct secret *passphrase, struct luks_volume *ret)
{
	__attribute__((cleanup(freecd))) struct crypt_device *cd = NULL;
	int r = init(image, &cd);

	if (r == 0 && crypt_load(cd, CRYPT_LUKS2, NULL) < 0)
		r = -EINVAL;
	if (r == 0)
		r = check(cd);
	return r < 0 ? r : get_key(cd, passphrase, ret);
}
