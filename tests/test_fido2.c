/* As far as a machine without a token goes; also built against the stand-in of a build without. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/base/fido2.h"

#ifdef WITHOUT_FIDO2
#define NO_DEVICE -EOPNOTSUPP
#define NO_KEY	  -EOPNOTSUPP
#else
#define NO_DEVICE -ENODEV
#define NO_KEY	  -ENOKEY
#endif

static const struct keytoken stick = {
	.kind = KEY_FIDO2, .label = "stick", .rp = "taz", .credential_len = 16
};

static void test_without_a_token_each_call_says_why_and_makes_no_key(void **state)
{
	struct keytoken t = { .kind = 77 };
	struct secret *key = NULL;
	int r = fido2_enroll(&t, &key);

#ifndef WITHOUT_FIDO2
	if (r == -EPERM || r == -ETIME || r == 0)
		skip(); /* somebody's own token is plugged in here */
#endif
	assert_int_equal(r, NO_DEVICE);
	assert_int_equal(fido2_open(&stick, 1, &key), NO_DEVICE);
	assert_null(key);
	assert_int_equal(t.kind, 77);
}

static void test_a_vault_without_a_fido2_key_asks_no_token(void **state)
{
	const struct keytoken others[] = { { .kind = KEY_PASSPHRASE }, { .kind = KEY_RECOVERY } };
	struct secret *key = NULL;

	assert_int_equal(fido2_open(others, 2, &key), NO_KEY);
	assert_int_equal(fido2_open(NULL, 0, &key), NO_KEY);
	assert_null(key);
}

static void test_every_error_says_what_to_do(void **state)
{
	assert_non_null(strstr(fido2_why(-EOPNOTSUPP), "-Dfido2=enabled"));
	assert_non_null(strstr(fido2_why(-ENODEV), "plugged in"));
	assert_non_null(strstr(fido2_why(-ENOKEY), "no FIDO2 key"));
	assert_non_null(strstr(fido2_why(-EPERM), "PIN"));
	assert_non_null(strstr(fido2_why(-ENOSYS), "hmac-secret"));
	assert_non_null(strstr(fido2_why(-ENOTUNIQ), "several"));
	assert_non_null(strstr(fido2_why(-EBUSY), "unplug"));
	assert_non_null(strstr(fido2_why(-ENOTTY), "PIN"));
	assert_non_null(strstr(fido2_why(-ENODATA), "PIN"));
	assert_non_null(strstr(fido2_why(-EKEYEXPIRED), "three wrong"));
	assert_non_null(strstr(fido2_why(-EKEYREVOKED), "another key"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_token_each_call_says_why_and_makes_no_key),
		cmocka_unit_test(test_a_vault_without_a_fido2_key_asks_no_token),
		cmocka_unit_test(test_every_error_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
