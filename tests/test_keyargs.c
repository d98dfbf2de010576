#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/keyargs.h"
#include "enclave/base/keyfile.h"

static int parse(const char *line, struct keyargs *a, char why[160])
{
	static char words[300];
	char *argv[20], *save, *word;
	int argc = 0;

	snprintf(words, sizeof(words), "%s", line);
	for (word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return keyargs_parse(argc, argv, a, why, 160);
}

static void test_a_command_line_is_understood(void **state)
{
	struct keyargs a;
	char why[160];

	assert_int_equal(
		parse("passwd --slot laptop --passphrase-fd 3 --new-passphrase-fd 4", &a, why), 0);
	assert_int_equal(a.what, KEYARGS_PASSWD);
	assert_string_equal(a.which, "laptop");
	assert_int_equal(a.passphrase_fd, 3);
	assert_int_equal(a.new_passphrase_fd, 4);
	assert_int_equal(parse("key add --key-file /f --label x", &a, why), 0);
	assert_int_equal(a.what, KEYARGS_ADD);
	assert_string_equal(a.kind, "key-file");
	assert_string_equal(a.key_file, "/f");
	assert_string_equal(a.label, "x");
	assert_int_equal(parse("key remove 3", &a, why), 0);
	assert_string_equal(a.which, "3");
	assert_int_equal(parse("key list --json", &a, why), 0);
	assert_true(a.json);
	/* As a relay puts it. */
	assert_int_equal(parse("key --seal-fd 3 add --kind passphrase --label x", &a, why), 0);
	assert_int_equal(a.what, KEYARGS_ADD);
	assert_int_equal(a.seal_fd, 3);
	assert_int_equal(parse("key add --fido2", &a, why), 0);
	assert_string_equal(a.kind, "fido2");
	assert_int_equal(parse("key recovery", &a, why), 0);
	assert_string_equal(a.kind, "recovery");
}

static void test_a_wrong_one_is_refused_with_the_word_that_is_wrong(void **state)
{
	static const char *const bad[][2] = {
		{ "key", "" },
		{ "key frobnicate", "frobnicate" },
		{ "key add --nonsense", "--nonsense" },
		{ "key add --json", "--json" },
		{ "key list --label x", "--label" },
		{ "key add --label", "--label" },
		{ "key add --passphrase-fd x", "'x'" },
		{ "key add --passphrase-fd 5x", "'5x'" },
		{ "key add extra", "extra" },
		{ "key remove", "which" },
		{ "key remove a b", "b" },
		{ "key add --fido2 --key-file f", "FIDO2" },
		{ "key add --with-fido2 --with-key-file f", "one place" },
		{ "key add --token {} --fido2", "a token" },
		{ "key add --key-file f --new-passphrase-fd 3", "both" },
		{ "passwd --passphrase-fd 3 --new-passphrase-fd 3", "two" },
		{ "passwd more", "more" },
		{ "passwd --key-file x", "--key-file" },
	};
	struct keyargs a;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char why[160];

		assert_int_equal(parse(bad[i][0], &a, why), -EINVAL);
		assert_non_null(strstr(why, bad[i][1]));
	}
}

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

/* The manual tells how to do it with b2sum: that must stay true. */
static void test_a_key_file_is_the_hash_that_the_manual_says(void **state)
{
	char path[] = "/tmp/test-keyfile-XXXXXX", cmd[300], hex[80] = "";
	struct secret *s;
	FILE *p;

	close(mkstemp(path));
	write_file(path, "a\0b\n", 4);
	assert_int_equal(keyfile_read(path, &s), 0);
	snprintf(cmd, sizeof(cmd), "{ echo taz key file 1; cat %s; } | b2sum -l 256 | cut -c1-64",
		 path);
	p = popen(cmd, "r");
	assert_non_null(fgets(hex, sizeof(hex), p));
	pclose(p);
	assert_int_equal(s->len, 64);
	assert_memory_equal(s->data, hex, 64);
	secret_free(s);
	unlink(path);
}

static void test_what_is_no_key_file_is_refused(void **state)
{
	char path[] = "/tmp/test-keyfile-XXXXXX";
	struct secret *s = NULL;

	close(mkstemp(path));
	assert_int_equal(keyfile_read(path, &s), -ENODATA);
	assert_int_equal(truncate(path, KEYFILE_MAX + 1), 0);
	assert_int_equal(keyfile_read(path, &s), -EFBIG);
	assert_int_equal(truncate(path, KEYFILE_MAX), 0);
	assert_int_equal(keyfile_read(path, &s), 0);
	secret_free(s);
	unlink(path);
	assert_int_equal(keyfile_read(path, &s), -ENOENT);
	assert_int_equal(keyfile_read("/tmp", &s), -EISDIR);
	assert_int_equal(keyfile_read("/dev/zero", &s), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_command_line_is_understood),
		cmocka_unit_test(test_a_wrong_one_is_refused_with_the_word_that_is_wrong),
		cmocka_unit_test(test_a_key_file_is_the_hash_that_the_manual_says),
		cmocka_unit_test(test_what_is_no_key_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
