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

#include "enclave/luks.h"

#define IMAGE_BYTES (16 << 20)

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
	char path[32];
	int fd = new_image(path);

	assert_int_equal(luks_format(fd, right, &made), 0);
	assert_int_equal(made.key->len, LUKS_KEY_BYTES);
	assert_int_equal(luks_open(fd, wrong, &opened), -EPERM);
	assert_null(opened.key);
	assert_int_equal(luks_open(fd, right, &opened), 0);
	assert_memory_equal(made.key->data, opened.key->data, LUKS_KEY_BYTES);
	assert_int_equal(made.offset_bytes, opened.offset_bytes);
	secret_free(made.key);
	secret_free(opened.key);
	secret_free(right);
	secret_free(wrong);
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
		cmocka_unit_test(test_a_weaker_header_is_refused),
		cmocka_unit_test(test_what_is_no_header_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
