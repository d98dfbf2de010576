#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "enclave/luks.h"

#define HEX64	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define IMAGE_BYTES (16 << 20)
#define RECOVERY    "00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000"

static struct secret *passphrase(const char *text)
{
	struct secret *s = secret_new(SECRET_PASSPHRASE_MAX);

	assert_non_null(s);
	s->len = strlen(text);
	memcpy(s->data, text, s->len);
	return s;
}

static int new_image(char *path)
{
	int fd;

	strcpy(path, "/tmp/test-luks-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
	return fd;
}

static void test_a_new_header_opens_with_its_passphrase_only(void **state)
{
	struct secret *right = passphrase("correct horse"), *wrong = passphrase("correct hors");
	struct luks_volume made = { 0 }, opened = { 0 };
	struct luks_key keys[LUKS_KEYS_MAX];
	uint64_t start, ms;
	char path[32];
	int fd = new_image(path);

	assert_int_equal(luks_format(fd, right, &made), 0);
	assert_int_equal(made.key->len, LUKS_KEY_BYTES);
	assert_int_equal(luks_open(fd, wrong, &opened), -EPERM);
	assert_null(opened.key);
	start = io_boottime_ns();
	assert_int_equal(luks_open(fd, right, &opened), 0);
	ms = (io_boottime_ns() - start) / 1000000;
	assert_memory_equal(made.key->data, opened.key->data, LUKS_KEY_BYTES);
	assert_int_equal(made.offset_bytes, opened.offset_bytes);
	assert_int_equal(luks_list(fd, keys), 1);
	assert_string_equal(keys[0].token.label, "passphrase");
	printf("# KDF calibrated here: Argon2id, %u MiB, %u passes, %u threads; opened in %llu ms\n",
	       keys[0].memory_kib / 1024, keys[0].passes, keys[0].threads, (unsigned long long)ms);
	secret_free(made.key);
	secret_free(opened.key);
	secret_free(right);
	secret_free(wrong);
	close(fd);
	unlink(path);
}

static struct luks_change change(enum luks_what what, const struct secret *current,
				 const struct secret *fresh, const char *which, uint32_t kind)
{
	return (struct luks_change){
		.what = what, .current = current, .fresh = fresh, .which = which, .token.kind = kind
	};
}

static int opens(int fd, const struct secret *key)
{
	struct luks_volume vol = { 0 };
	int r = luks_open(fd, key, &vol);

	secret_free(vol.key);
	return r;
}

/* A vault with the least derivation that is accepted: calibrated ones take a second each. */
static void make_cheap(int fd, const char *path, const struct secret *first, int slots)
{
	const struct crypt_pbkdf_type kdf = { .type = CRYPT_KDF_ARGON2ID,
					      .hash = "sha256",
					      .iterations = 4,
					      .max_memory_kb = 32768,
					      .parallel_threads = 1,
					      .flags = CRYPT_PBKDF_NO_BENCHMARK };
	struct crypt_params_luks2 params = { .pbkdf = &kdf, .sector_size = 4096 };
	struct crypt_device *cd;

	assert_int_equal(crypt_init(&cd, path), 0);
	assert_int_equal(crypt_set_metadata_size(cd, 16384, (2 << 20) - 32768), 0);
	assert_int_equal(
		crypt_format(cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL, NULL, 64, &params), 0);
	for (int i = 0; i < slots; i++)
		assert_int_equal(crypt_keyslot_add_by_volume_key(cd, i, NULL, 0,
								 (char *)first->data, first->len),
				 i);
	crypt_free(cd);
}

static void test_keys_are_added_replaced_and_removed(void **state)
{
	struct secret *old = passphrase("old one"), *fresh = passphrase("new one"),
		      *recovery = passphrase(RECOVERY), *wrong = passphrase("wrong"),
		      *fido2 = passphrase(HEX64);
	struct luks_key keys[LUKS_KEYS_MAX];
	struct luks_change c;
	char path[32];
	int fd = new_image(path);

	make_cheap(fd, path, old, 1);
	assert_int_equal(luks_list(fd, keys), 1);
	assert_string_equal(keys[0].token.label, ""); /* plain cryptsetup made it */

	c = change(LUKS_REMOVE, old, NULL, "0", 0);
	assert_int_equal(luks_change(fd, &c), -EBUSY); /* the last one */
	c = change(LUKS_ADD, wrong, recovery, "", KEY_RECOVERY);
	assert_int_equal(luks_change(fd, &c), -EPERM);
	c.current = old;
	assert_int_equal(luks_change(fd, &c), 1);
	strcpy(c.token.label, "recovery");
	assert_int_equal(luks_change(fd, &c), -EEXIST);
	assert_int_equal(luks_list(fd, keys), 2);
	assert_int_equal(keys[1].token.kind, KEY_RECOVERY);
	assert_string_equal(keys[1].token.label, "recovery");
	assert_int_equal(opens(fd, recovery), 0);

	/* Who forgot the passphrase has the recovery key. */
	c = change(LUKS_REPLACE, recovery, fresh, "", 0);
	assert_int_equal(luks_change(fd, &c), 2);
	assert_int_equal(opens(fd, old), -EPERM);
	assert_int_equal(opens(fd, fresh), 0);
	assert_int_equal(luks_list(fd, keys), 2);
	c = change(LUKS_REPLACE, fresh, fresh, "", 0);
	assert_int_equal(luks_change(fd, &c), -EALREADY);
	c = change(LUKS_REPLACE, fresh, old, "recovery", 0);
	assert_int_equal(luks_change(fd, &c), -ENOENT); /* that is no passphrase */
	c = change(LUKS_REMOVE, fresh, NULL, "nobody", 0);
	assert_int_equal(luks_change(fd, &c), -ENOENT);
	c = change(LUKS_REMOVE, fresh, NULL, "1", 0);
	assert_int_equal(luks_change(fd, &c), 1);
	assert_int_equal(opens(fd, recovery), -EPERM);
	assert_int_equal(opens(fd, fresh), 0);

	/* A FIDO2 key is a text like a key file's; its token says how to have it made again. */
	c = change(LUKS_ADD, fresh, fido2, "", KEY_FIDO2);
	c.token.credential_len = 3;
	memcpy(c.token.credential, "abc", 3);
	strcpy(c.token.rp, "taz");
	assert_true(luks_change(fd, &c) >= 0);
	assert_int_equal(opens(fd, fido2), 0);
	assert_int_equal(luks_list(fd, keys), 2);
	assert_int_equal(keys[0].token.kind, KEY_FIDO2);
	assert_memory_equal(keys[0].token.credential, "abc", 3);

	secret_free(old);
	secret_free(fido2);
	secret_free(fresh);
	secret_free(recovery);
	secret_free(wrong);
	close(fd);
	unlink(path);
}

static void test_seven_keys_are_the_most_and_a_change_still_has_room(void **state)
{
	struct secret *first = passphrase("first"), *other = passphrase("other");
	struct luks_key keys[LUKS_KEYS_MAX];
	struct luks_change c = change(LUKS_ADD, first, other, "", KEY_RECOVERY);
	char path[32];
	int fd = new_image(path);

	make_cheap(fd, path, first, 7);
	assert_int_equal(luks_change(fd, &c), -ENOSPC);
	c = change(LUKS_REPLACE, first, other, "", 0);
	assert_int_equal(luks_change(fd, &c), 7);
	assert_int_equal(luks_list(fd, keys), 7);
	assert_int_equal(keys[0].slot, 1); /* the one that was typed is gone */
	assert_int_equal(keys[6].slot, 7);
	secret_free(first);
	secret_free(other);
	close(fd);
	unlink(path);
}

/* What another program, or an attacker, made weaker than we make it. */
static void test_a_weaker_header_is_refused(void **state)
{
	static const struct {
		const char *cipher, *mode, *kdf;
		uint32_t memory_kib, passes;
		size_t key_bytes;
	} weak[] = {
		{ "aes", "xts-plain64", CRYPT_KDF_PBKDF2, 0, 1000, 64 },
		{ "aes", "xts-plain64", CRYPT_KDF_ARGON2ID, 64, 4, 64 },
		{ "aes", "xts-plain64", CRYPT_KDF_ARGON2I, 65536, 4, 64 },
		{ "aes", "xts-plain64", CRYPT_KDF_ARGON2ID, 65536, 4, 32 },
	};
	struct secret *right = passphrase("correct horse");

	for (size_t i = 0; i < sizeof(weak) / sizeof(*weak); i++) {
		const struct crypt_pbkdf_type kdf = { .type = weak[i].kdf,
						      .hash = "sha256",
						      .iterations = weak[i].passes,
						      .max_memory_kb = weak[i].memory_kib,
						      .parallel_threads =
							      weak[i].memory_kib ? 1 : 0,
						      .flags = CRYPT_PBKDF_NO_BENCHMARK };
		struct crypt_params_luks2 params = { .pbkdf = &kdf, .sector_size = 4096 };
		struct luks_volume vol = { 0 };
		struct crypt_device *cd;
		char path[32];
		int fd = new_image(path);

		assert_int_equal(crypt_init(&cd, path), 0);
		assert_int_equal(crypt_set_metadata_size(cd, 16384, (2 << 20) - 32768), 0);
		assert_int_equal(crypt_format(cd, CRYPT_LUKS2, weak[i].cipher, weak[i].mode, NULL,
					      NULL, weak[i].key_bytes, &params),
				 0);
		assert_true(crypt_keyslot_add_by_volume_key(cd, CRYPT_ANY_SLOT, NULL, 0,
							    (char *)right->data, right->len) >= 0);
		crypt_free(cd);
		assert_int_equal(luks_open(fd, right, &vol), -EKEYREJECTED);
		close(fd);
		unlink(path);
	}
	secret_free(right);
}

static void test_what_is_no_header_is_refused(void **state)
{
	struct secret *any = passphrase("any");
	struct luks_volume vol = { 0 };
	char path[32];
	int fd = new_image(path);

	assert_int_equal(luks_open(fd, any, &vol), -EINVAL);
	secret_free(any);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_header_opens_with_its_passphrase_only),
		cmocka_unit_test(test_keys_are_added_replaced_and_removed),
		cmocka_unit_test(test_seven_keys_are_the_most_and_a_change_still_has_room),
		cmocka_unit_test(test_a_weaker_header_is_refused),
		cmocka_unit_test(test_what_is_no_header_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
