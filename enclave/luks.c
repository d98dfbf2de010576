#include "enclave/luks.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/kdf.h"
#include "enclave/keychoice.h"
#include "enclave/luksjson.h"

#define KDF_TIME_MS    1000
#define KDF_MAX_KIB    (1024 * 1024) /* libcryptsetup's own default */
/* The floor, above OWASP's for Argon2id: what a slow machine's calibration is raised to, and below
 * which we open nothing. */
#define KDF_MIN_KIB    (32 * 1024)
#define KDF_MIN_PASSES 4
#define KDF_SLACK_KIB  (2 * 1024)
#define METADATA_BYTES (16 * 1024)
/* libcryptsetup aligns the data to 1 MiB; the default of 16 MiB would be random bytes in RAM. */
#define OFFSET_BYTES   LUKS_HEADER_BYTES
/* Room for eight keys of 252 KiB; the eighth is the one that a change of passphrase passes through.
 */
#define KEYSLOTS_BYTES (OFFSET_BYTES - 2 * METADATA_BYTES)
#define SLOTS_TO_ADD   7

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

#define autocd __attribute__((cleanup(freecd)))

static int init(int image, struct crypt_device **ret)
{
	char path[40];
	int r;

	crypt_set_log_callback(NULL, on_log, NULL);
	/* The image is in a file system that only we see: nobody to lock out. */
	crypt_metadata_locking(NULL, 0);
	/* Tokens of ours are data; no file of this machine is loaded to handle them. */
	crypt_token_external_disable();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	r = crypt_init(ret, path);
	return r < 0 ? r : 0;
}

/* Half of what is free, so that what else grows meanwhile, the image among it, finds room. */
static uint32_t kdf_max_kib(void)
{
	uint64_t kib = kdf_free_here_kib() / 2;

	if (kib < KDF_MIN_KIB)
		kib = KDF_MIN_KIB;
	return kib > KDF_MAX_KIB ? KDF_MAX_KIB : kib;
}

/* The kernel kills for what it cannot give: so it is asked for before. */
static int has_room(uint64_t kib)
{
	uint64_t left = kdf_free_here_kib();

	if (kib + KDF_SLACK_KIB <= left)
		return 0;
	log_error("a key derivation of %llu MiB does not fit: %llu MiB of memory are left here",
		  (unsigned long long)kib / 1024, (unsigned long long)left / 1024);
	return -ENOMEM;
}

/* Argon2id's cost on this machine for about a second, never below the floor. */
static int calibrate(struct crypt_device *cd, struct crypt_pbkdf_type *ret)
{
	int r = has_room(KDF_MIN_KIB);

	if (r < 0)
		return r;
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

/*
 * The cost of a new slot. What 256 random bits are behind needs no hard derivation: the floor,
 * which also opens the vault where there is little memory. A passphrase, or a file that may be
 * anything, is calibrated.
 */
static int set_cost(struct crypt_device *cd, uint32_t kind)
{
	struct crypt_pbkdf_type kdf = { .type = CRYPT_KDF_ARGON2ID,
					.hash = "sha256",
					.iterations = KDF_MIN_PASSES,
					.max_memory_kb = KDF_MIN_KIB,
					.parallel_threads = 1,
					.flags = CRYPT_PBKDF_NO_BENCHMARK };
	int r;

	if (kind == KEY_RECOVERY || kind == KEY_FIDO2)
		r = has_room(KDF_MIN_KIB);
	else
		r = calibrate(cd, &kdf);
	return r < 0 ? r : crypt_set_pbkdf_type(cd, &kdf);
}

static int set_token(struct crypt_device *cd, int slot, const struct keytoken *t)
{
	char json[KEYTOKEN_JSON];
	int r = keytoken_format(t, slot, json, sizeof(json));

	if (r >= 0)
		r = crypt_token_json_set(cd, CRYPT_ANY_TOKEN, json);
	return r < 0 ? r : 0;
}

/* Adds a slot and its token. Returns the slot or -errno. */
static int add_slot(struct crypt_device *cd, const struct secret *key, const struct secret *text,
		    const struct keytoken *t)
{
	int slot, r = set_cost(cd, t->kind);

	if (r < 0)
		return r;
	slot = crypt_keyslot_add_by_volume_key(cd, CRYPT_ANY_SLOT, (const char *)key->data,
					       key->len, (const char *)text->data, text->len);
	if (slot < 0)
		return slot;
	r = set_token(cd, slot, t);
	return r < 0 ? r : slot;
}

static int format(struct crypt_device *cd, const struct secret *key,
		  const struct secret *passphrase)
{
	/* Every slot's own cost is set before it is added. */
	struct crypt_params_luks2 params = { .sector_size = LUKS_SECTOR_BYTES };
	struct keytoken token = { .kind = KEY_PASSPHRASE,
				  .label = "passphrase",
				  .made_sec = time(NULL) };
	int r = set_cost(cd, KEY_PASSPHRASE);

	if (r == 0)
		r = crypt_set_metadata_size(cd, METADATA_BYTES, KEYSLOTS_BYTES);
	if (r == 0)
		r = crypt_format(cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL,
				 (const char *)key->data, key->len, &params);
	if (r == 0)
		r = add_slot(cd, key, passphrase, &token);
	return r < 0 ? r : 0;
}

static bool is_active(struct crypt_device *cd, int slot)
{
	crypt_keyslot_info info = crypt_keyslot_status(cd, slot);

	return info == CRYPT_SLOT_ACTIVE || info == CRYPT_SLOT_ACTIVE_LAST;
}

/* Tries one slot; returns it, or -EPERM, -ENOMEM (it takes more than there is), -errno. */
static int try_slot(struct crypt_device *cd, int slot, const struct secret *text,
		    struct secret *key)
{
	struct crypt_pbkdf_type kdf;
	size_t size = key->size;
	int r = crypt_keyslot_get_pbkdf(cd, slot, &kdf);

	if (r == 0)
		r = has_room(kdf.max_memory_kb);
	if (r == 0)
		r = crypt_volume_key_get(cd, slot, (char *)key->data, &size,
					 (const char *)text->data, text->len);
	if (r >= 0)
		key->len = size;
	return r;
}

/* The token of ours that belongs to a slot; returns its number, or -ENOENT with @ret zeroed. */
static int find_token(struct crypt_device *cd, int slot, struct keytoken *ret)
{
	*ret = (struct keytoken){ 0 };
	for (int i = 0; i < crypt_token_max(CRYPT_LUKS2); i++) {
		const char *json;

		if (crypt_token_is_assigned(cd, i, slot) == 0 &&
		    crypt_token_json_get(cd, i, &json) == i && keytoken_parse(json, ret) == 0)
			return i;
	}
	return -ENOENT;
}

/* Tries the slots of passphrases, or those of the other kinds that this text may belong to. */
static int try_slots(struct crypt_device *cd, const struct secret *text, struct secret *key,
		     bool passphrases, int worst)
{
	for (int slot = 0; slot < crypt_keyslot_max(CRYPT_LUKS2); slot++) {
		struct keytoken t;
		int r;

		if (!is_active(cd, slot))
			continue;
		find_token(cd, slot, &t);
		if (passphrases != (t.kind == KEY_PASSPHRASE) ||
		    !keytoken_may_be(t.kind, (const char *)text->data, text->len))
			continue;
		r = try_slot(cd, slot, text, key);
		if (r >= 0)
			return r;
		if (r != -EPERM)
			worst = r;
	}
	return worst;
}

/* The volume key, by whichever slot opens. Returns the slot or -errno; -EPERM: none does. */
static int get_key(struct crypt_device *cd, const struct secret *text, struct secret **ret)
{
	autosecret struct secret *key = secret_new(LUKS_KEY_BYTES);
	int r;

	if (!key)
		return -ENOMEM;
	r = try_slots(cd, text, key, false, -EPERM);
	if (r < 0)
		r = try_slots(cd, text, key, true, r);
	if (r >= 0)
		*ret = take_ptr(&key);
	return r;
}

int luks_format(int image, const struct secret *passphrase, struct luks_volume *ret)
{
	autocd struct crypt_device *cd = NULL;
	autosecret struct secret *key = secret_new(LUKS_KEY_BYTES);
	int r = key ? init(image, &cd) : -ENOMEM;

	if (r < 0)
		return r;
	secret_random(key->data, key->size);
	key->len = key->size;
	r = format(cd, key, passphrase);
	if (r < 0)
		return r;
	ret->offset_bytes = crypt_get_data_offset(cd) * 512;
	ret->key = take_ptr(&key);
	return 0;
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
	const char *json, *what = NULL;
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

static int load(int image, struct crypt_device **ret)
{
	int r = init(image, ret);

	if (r == 0 && crypt_load(*ret, CRYPT_LUKS2, NULL) < 0)
		r = -EINVAL;
	return r == 0 ? check(*ret) : r;
}

int luks_open(int image, const struct secret *passphrase, struct luks_volume *ret)
{
	autocd struct crypt_device *cd = NULL;
	int r = load(image, &cd);

	if (r == 0)
		r = get_key(cd, passphrase, &ret->key);
	if (r < 0)
		return r;
	ret->offset_bytes = crypt_get_data_offset(cd) * 512;
	return 0;
}

/* --- keys ------------------------------------------------------------------------------------ */

static int list(struct crypt_device *cd, struct luks_key keys[LUKS_KEYS_MAX])
{
	struct crypt_pbkdf_type kdf;
	int n = 0;

	for (int slot = 0; slot < crypt_keyslot_max(CRYPT_LUKS2) && n < LUKS_KEYS_MAX; slot++) {
		if (!is_active(cd, slot) || crypt_keyslot_get_pbkdf(cd, slot, &kdf) < 0)
			continue;
		keys[n].slot = slot;
		keys[n].memory_kib = kdf.max_memory_kb;
		keys[n].passes = kdf.iterations;
		keys[n].threads = kdf.parallel_threads;
		find_token(cd, slot, &keys[n].token);
		n++;
	}
	return n;
}

int luks_list(int header, struct luks_key keys[LUKS_KEYS_MAX])
{
	autocd struct crypt_device *cd = NULL;
	int r = load(header, &cd);

	return r < 0 ? r : list(cd, keys);
}

static int drop_slot(struct crypt_device *cd, int slot)
{
	struct keytoken t;
	int token = find_token(cd, slot, &t), r = crypt_keyslot_destroy(cd, slot);

	if (r == 0 && token >= 0)
		r = crypt_token_json_set(cd, token, NULL);
	return r < 0 ? r : 0;
}

static int change_add(struct crypt_device *cd, const struct luks_change *c, struct secret *key,
		      const struct luks_key *keys, int n)
{
	struct keytoken token = c->token;

	if (n >= SLOTS_TO_ADD)
		return -ENOSPC;
	if (*token.label && keychoice_find(keys, n, token.label) >= 0)
		return -EEXIST;
	if (!*token.label)
		keychoice_name(keys, n, &token);
	return add_slot(cd, key, c->fresh, &token);
}

/* The new one first: at no instant is there none. */
static int change_replace(struct crypt_device *cd, const struct luks_change *c, struct secret *key,
			  const struct luks_key *keys, int n, int typed)
{
	int old = keychoice_replaced(keys, n, typed, c->which), slot, r;
	struct keytoken t;

	if (old < 0)
		return old;
	if (c->current->len == c->fresh->len &&
	    !memcmp(c->current->data, c->fresh->data, c->fresh->len))
		return -EALREADY;
	find_token(cd, old, &t);
	t.made_sec = c->token.made_sec;
	slot = add_slot(cd, key, c->fresh, &t);
	if (slot < 0)
		return slot;
	r = drop_slot(cd, old);
	return r < 0 ? r : slot;
}

static int change_remove(struct crypt_device *cd, const struct luks_change *c,
			 const struct luks_key *keys, int n)
{
	int slot = keychoice_find(keys, n, c->which), r;

	if (slot < 0)
		return slot;
	if (n < 2)
		return -EBUSY;
	r = drop_slot(cd, slot);
	return r < 0 ? r : slot;
}

int luks_change(int header, const struct luks_change *c)
{
	autocd struct crypt_device *cd = NULL;
	autosecret struct secret *key = NULL;
	struct luks_key keys[LUKS_KEYS_MAX];
	int r = load(header, &cd), typed, n;

	if (r < 0)
		return r;
	typed = get_key(cd, c->current, &key);
	if (typed < 0)
		return typed;
	n = list(cd, keys);
	switch (c->what) {
	case LUKS_ADD:
		return change_add(cd, c, key, keys, n);
	case LUKS_REPLACE:
		return change_replace(cd, c, key, keys, n, typed);
	case LUKS_REMOVE:
		return change_remove(cd, c, keys, n);
	default:
		return -EBADMSG;
	}
}
