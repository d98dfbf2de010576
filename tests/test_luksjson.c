#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/luksjson.h"

/* As libcryptsetup 2.6 writes it for us. */
static const char ours[] =
	"{\"keyslots\":{\"0\":{\"type\":\"luks2\",\"key_size\":64,"
	"\"af\":{\"type\":\"luks1\",\"stripes\":4000,\"hash\":\"sha256\"},"
	"\"area\":{\"type\":\"raw\",\"offset\":\"32768\",\"size\":\"258048\","
	"\"encryption\":\"aes-xts-plain64\",\"key_size\":64},"
	"\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":65536,\"cpus\":2,\"salt\":\"AA==\"}}},"
	"\"tokens\":{},"
	"\"segments\":{\"0\":{\"type\":\"crypt\",\"offset\":\"2097152\",\"size\":\"dynamic\","
	"\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain64\",\"sector_size\":4096}},"
	"\"digests\":{\"0\":{\"type\":\"pbkdf2\",\"keyslots\":[\"0\"],\"segments\":[\"0\"],"
	"\"hash\":\"sha256\",\"iterations\":1000,\"salt\":\"AA==\",\"digest\":\"AA==\"}},"
	"\"config\":{\"json_size\":\"12288\",\"keyslots_size\":\"2064384\"}}";

static const struct luksjson_limits limits = {
	.offset_bytes = 2 << 20, .min_kib = 32768, .max_kib = 1 << 20, .min_passes = 4
};

/* The sample with the first @from replaced by @to. */
static int check(const char *from, const char *to)
{
	static char text[sizeof(ours) + 512];
	const char *at = strstr(ours, from), *what = NULL;
	int r;

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - ours), ours, to, at + strlen(from));
	r = luksjson_check(text, &limits, &what);
	assert_int_equal(r < 0, what != NULL);
	return r;
}

static void test_what_we_make_is_accepted(void **state)
{
	assert_int_equal(check("{", "{"), 0);
	/* Several keys, tokens and labels are a user's. */
	assert_int_equal(
		check("\"tokens\":{}", "\"tokens\":{\"0\":{\"type\":\"x\",\"keyslots\":[\"0\"]}}"),
		0);
	assert_int_equal(check("\"memory\":65536", "\"memory\":1048576"), 0);
}

static void test_what_weakens_costs_too_much_or_asks_for_more_is_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} wrong[] = {
		{ "argon2id", "pbkdf2" },
		{ "argon2id", "argon2i" },
		{ "\"time\":4", "\"time\":3" },
		{ "\"time\":4", "\"time\":0" },
		{ "\"time\":4", "\"time\":-1" },
		{ "\"time\":4", "\"time\":1000" },
		{ "\"time\":4", "\"time\":4294967295" },
		{ "\"time\":4", "\"time\":99999999999999999999" },
		{ "\"time\":4", "\"time\":\"x\"" },
		{ "\"time\":4,", "" },
		{ "\"memory\":65536", "\"memory\":32" },
		{ "\"memory\":65536", "\"memory\":2097152" },
		{ "\"memory\":65536", "\"memory\":4294967295" },
		{ "\"cpus\":2", "\"cpus\":0" },
		{ "\"cpus\":2", "\"cpus\":64" },
		{ "\"stripes\":4000", "\"stripes\":1" },
		{ "\"type\":\"luks2\"", "\"type\":\"reencrypt\"" },
		{ "\"key_size\":64", "\"key_size\":32" },
		{ "\"encryption\":\"aes-xts-plain64\",\"key_size\":64",
		  "\"encryption\":\"cipher_null-ecb\",\"key_size\":64" },
		{ "\"encryption\":\"aes-xts-plain64\",\"key_size\":64",
		  "\"encryption\":\"aes-xts-plain64\",\"key_size\":32" },
		{ "\"encryption\":\"aes-xts-plain64\",\"sector",
		  "\"encryption\":\"cipher_null-ecb\",\"sector" },
		{ "\"encryption\":\"aes-xts-plain64\",\"sector",
		  "\"encryption\":\"aes-ecb\",\"sector" },
		{ "\"offset\":\"2097152\"", "\"offset\":\"0\"" },
		{ "\"offset\":\"2097152\"", "\"offset\":\"4194304\"" },
		{ "\"offset\":\"2097152\"", "\"offset\":\"-2097152\"" },
		{ "\"size\":\"dynamic\"", "\"size\":\"4096\"" },
		{ "\"iv_tweak\":\"0\"", "\"iv_tweak\":\"8\"" },
		{ "\"sector_size\":4096", "\"sector_size\":512" },
		{ "\"sector_size\":4096", "\"sector_size\":4096,\"flags\":[\"in-reencryption\"]" },
		{ "\"sector_size\":4096",
		  "\"sector_size\":4096,\"integrity\":{\"type\":\"none\"}" },
		{ "\"type\":\"crypt\"", "\"type\":\"linear\"" },
		{ "\"segments\":{", "\"segments\":{\"1\":{\"type\":\"linear\"}," },
		{ "\"segments\":{\"0\"", "\"segments\":{\"1\"" },
		{ "\"iterations\":1000", "\"iterations\":1" },
		{ "\"iterations\":1000", "\"iterations\":4294967295" },
		{ "\"type\":\"pbkdf2\"", "\"type\":\"none\"" },
		{ "\"digests\":{", "\"digests\":{\"1\":{\"type\":\"pbkdf2\"}," },
		{ "\"config\":{", "\"config\":{\"flags\":[\"allow-discards\"]," },
		{ "\"config\":{",
		  "\"config\":{\"requirements\":{\"mandatory\":[\"online-reencrypt\"]}," },
		{ "\"config\"", "\"confi\"" },
		{ "\"keyslots\":{\"0\"", "\"keyslot\":{\"0\"" },
		{ "{", "" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (check(wrong[i].from, wrong[i].to) != -EKEYREJECTED)
			fail_msg("accepted: %s", wrong[i].to);
	print_message("# edits of the header's JSON that were refused: %zu of %zu\n",
		      sizeof(wrong) / sizeof(*wrong), sizeof(wrong) / sizeof(*wrong));
}

static void test_an_empty_or_foreign_text_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "{}", "[]", "null", "1", "{\"segments\":null}", "{\"segments\":[]}"
	};
	const char *what;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(luksjson_check(texts[i], &limits, &what), -EKEYREJECTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_we_make_is_accepted),
		cmocka_unit_test(test_what_weakens_costs_too_much_or_asks_for_more_is_refused),
		cmocka_unit_test(test_an_empty_or_foreign_text_is_refused),
	};

	return cmocka_run_group_tests_name("luksjson", tests, NULL, NULL);
}
