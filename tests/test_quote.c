#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "enclave/base/run.h"
#include "enclave/quote.h"

#define ROUNDS 256

/* What a real shell makes of "X=<quoted>; printf %s "$X"". */
static void eval(const char *shell, const char *value, char *out, size_t size)
{
	char script[4096], *quoted = quote_shell(value);
	char *const argv[] = { (char *)shell, "-c",   "eval \"$1\"; printf %s \"$X\"",
			       "sh",	      script, NULL };

	assert_non_null(quoted);
	snprintf(script, sizeof(script), "export X=%s", quoted);
	free(quoted);
	assert_int_equal(run_output(shell, argv, NULL, out, size), 0);
}

static void test_eval_of_every_byte_gives_that_byte_and_runs_nothing(void **state)
{
	static const char *const shells[] = { "/bin/bash", "/bin/sh" };
	char all[256], out[600];

	for (int i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = '\0';
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		eval(shells[i], all, out, sizeof(out));
		assert_string_equal(out, all);
	}
}

static void test_eval_of_hostile_values_gives_them_back(void **state)
{
	static const char *const hostile[] = {
		"$(touch /tmp/taz-quote-evil)",
		"`touch /tmp/taz-quote-evil`",
		"'; touch /tmp/taz-quote-evil; '",
		"'\\''; touch /tmp/taz-quote-evil; '\\''",
		"\"; touch /tmp/taz-quote-evil; \"",
		"a\nexport PATH=/evil",
		"${IFS}$HOME",
		"!!",
		"\\",
		"'",
		"",
		"-n",
		"*",
		"~root",
		"x' y",
	};
	char out[600];

	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		eval("/bin/bash", hostile[i], out, sizeof(out));
		assert_string_equal(out, hostile[i]);
	}
	assert_int_equal(access("/tmp/taz-quote-evil", F_OK), -1);
}

static void test_eval_of_random_bytes_gives_them_back(void **state)
{
	char value[120], out[600];
	unsigned seed = 7;

	for (int round = 0; round < ROUNDS / 4; round++) {
		size_t len = rand_r(&seed) % (sizeof(value) - 1);

		for (size_t i = 0; i < len; i++)
			value[i] = (char)(1 + rand_r(&seed) % 255);
		value[len] = '\0';
		eval("/bin/bash", value, out, sizeof(out));
		assert_string_equal(out, value);
	}
}

static void test_what_is_shown_is_printable_and_unambiguous(void **state)
{
	static const char *const pairs[][2] = {
		{ "plain", "'plain'" },		  { "it's", "'it\\x27s'" },
		{ "a\\x41", "'a\\x5cx41'" },	  { "\033[2K\r$ ls", "'\\x1b[2K\\x0d$ ls'" },
		{ "p\xc3\xa9", "'p\\xc3\\xa9'" }, { "", "''" },
	};
	char byte[2] = { 0 };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		char *shown = quote_show(pairs[i][0]);

		assert_string_equal(shown, pairs[i][1]);
		free(shown);
	}
	for (int c = 1; c < 256; c++) {
		char *shown;

		byte[0] = (char)c;
		shown = quote_show(byte);
		for (const char *p = shown; *p; p++)
			assert_in_range((unsigned char)*p, 0x20, 0x7e);
		free(shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eval_of_every_byte_gives_that_byte_and_runs_nothing),
		cmocka_unit_test(test_eval_of_hostile_values_gives_them_back),
		cmocka_unit_test(test_eval_of_random_bytes_gives_them_back),
		cmocka_unit_test(test_what_is_shown_is_printable_and_unambiguous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
