#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/base/keytoken.h"

static struct keytoken fido2(void)
{
	struct keytoken t = { .kind = KEY_FIDO2,
			      .label = "stick",
			      .made_sec = 1764098000,
			      .flags = KEYTOKEN_PIN | KEYTOKEN_PRESENCE,
			      .rp = "taz",
			      .credential_len = KEYTOKEN_CREDENTIAL };

	for (int i = 0; i < KEYTOKEN_CREDENTIAL; i++)
		t.credential[i] = i;
	for (int i = 0; i < KEYTOKEN_SALT; i++)
		t.salt[i] = 255 - i;
	return t;
}

static void test_a_token_comes_back_as_it_was(void **state)
{
	struct keytoken all[] = { { .kind = KEY_PASSPHRASE, .label = "laptop", .made_sec = 1 },
				  { .kind = KEY_FILE, .label = "a.b_c@d+e-f" },
				  { .kind = KEY_RECOVERY },
				  fido2() };
	char json[KEYTOKEN_JSON];

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct keytoken back;

		assert_true(keytoken_format(&all[i], 3, json, sizeof(json)) > 0);
		assert_non_null(strstr(json, "\"keyslots\":[\"3\"]"));
		assert_int_equal(keytoken_parse(json, &back), 0);
		assert_memory_equal(&back, &all[i], sizeof(back));
	}
}

static void test_a_label_is_never_a_slot_s_number_nor_needs_escaping(void **state)
{
	static const char *const bad[] = {
		"",	"1",
		"1a",	"-a",
		"a b",	"a\"b",
		"a\\b", "\u00e4",
		"a\nb", "x123456789012345678901234567890123456789012345678"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(keytoken_label_ok(bad[i]));
	assert_true(keytoken_label_ok("x12345678901234567890123456789012345678901234567"));
}

static void test_what_is_out_of_range_is_no_token(void **state)
{
	static const char *const bad[] = {
		"{\"type\":\"taz-key\"}",
		"{\"type\":\"taz-key\",\"kind\":\"magic\",\"label\":\"\",\"made\":0}",
		"{\"type\":\"taz-key\",\"kind\":\"recovery\",\"label\":\"a b\",\"made\":0}",
		"{\"type\":\"taz-key\",\"kind\":\"recovery\",\"label\":7,\"made\":0}",
		"{\"type\":\"taz-key\",\"kind\":\"recovery\",\"label\":\"a\",\"made\":-1}",
		"{\"type\":\"taz-key\",\"kind\":\"recovery\",\"label\":\"a\",\"made\":\"0\"}",
		"{\"type\":\"taz-key\",\"kind\":\"recovery\",\"label\":\"a\\u0000b\",\"made\":0}",
		"{\"type\":\"taz-key\",\"kind\":\"fido2\",\"label\":\"a\",\"made\":0}",
		"{\"type\":\"taz-key\",\"kind\":\"fido2\",\"label\":\"a\",\"made\":0,\"rp\":\"taz\","
		"\"flags\":3,\"credential\":\"\",\"salt\":\"00\"}",
		"{\"type\":\"taz-key\",\"kind\":\"fido2\",\"label\":\"a\",\"made\":0,\"rp\":\"taz\","
		"\"flags\":3,\"credential\":\"0g\",\"salt\":\"00\"}",
		"{\"type\":\"taz-key\",\"kind\":\"fido2\",\"label\":\"a\",\"made\":0,\"rp\":\"taz\","
		"\"flags\":4,\"credential\":\"00\",\"salt\":\"00\"}",
	};
	struct keytoken t = { .kind = 77 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(keytoken_parse(bad[i], &t), -EBADMSG);
	assert_int_equal(keytoken_parse("", &t), -ENOENT);
	assert_int_equal(keytoken_parse("[1]", &t), -ENOENT);
	assert_int_equal(keytoken_parse("null", &t), -ENOENT);
	assert_int_equal(keytoken_parse("{\"type\":\"systemd-fido2\"}", &t), -ENOENT);
	assert_int_equal(t.kind, 77);
}

static void test_what_came_over_a_socket_is_checked_too(void **state)
{
	struct keytoken t = fido2();

	assert_int_equal(keytoken_check(&t), 0);
	memset(t.label, 'x', sizeof(t.label)); /* no NUL */
	assert_int_equal(keytoken_check(&t), -EINVAL);
	t = fido2();
	t.credential_len = KEYTOKEN_CREDENTIAL + 1;
	assert_int_equal(keytoken_check(&t), -EINVAL);
	t = fido2();
	strcpy(t.rp, "a\"b");
	assert_int_equal(keytoken_check(&t), -EINVAL);
	t.kind = KEY_KINDS;
	assert_int_equal(keytoken_check(&t), -EINVAL);
}

/* The host reads it from a workshop, which may say anything. */
static void test_the_tokens_of_a_list_are_those_that_are_in_range(void **state)
{
	struct keytoken t = fido2(), found[4];
	char json[KEYTOKEN_JSON], list[3 * KEYTOKEN_JSON];

	assert_true(keytoken_format(&t, 1, json, sizeof(json)) > 0);
	snprintf(list, sizeof(list),
		 "{\"keys\":[{\"slot\":0},7,{\"token\":{\"type\":\"taz-key\"}},{\"token\":%s},"
		 "{\"token\":%s}]}",
		 json, json);
	assert_int_equal(keytoken_parse_list(list, found, 4), 2);
	assert_memory_equal(&found[1], &t, sizeof(t));
	assert_int_equal(keytoken_parse_list(list, found, 1), 1);
	assert_int_equal(keytoken_parse_list("{\"keys\":7}", found, 4), -EBADMSG);
	assert_int_equal(keytoken_parse_list("", found, 4), -EBADMSG);
	assert_int_equal(keytoken_parse_list("[]", found, 4), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_comes_back_as_it_was),
		cmocka_unit_test(test_a_label_is_never_a_slot_s_number_nor_needs_escaping),
		cmocka_unit_test(test_what_is_out_of_range_is_no_token),
		cmocka_unit_test(test_the_tokens_of_a_list_are_those_that_are_in_range),
		cmocka_unit_test(test_what_came_over_a_socket_is_checked_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
