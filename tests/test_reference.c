#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "launcher/reference.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int parse(const char *text, bool wants_digest, struct reference *ret)
{
	char why[160] = "";
	int r = reference_parse(text, wants_digest, ret, why, sizeof(why));

	/* What is wrong is always said, and in the program's own words only. */
	assert_int_equal(r == 0, !*why);
	return r;
}

static void test_names_with_a_host_and_a_path_are_taken(void **state)
{
	static const char *const good[] = {
		"registry.example/a",
		"registry.example:5000/team/work-shop",
		"localhost/a",
		"localhost:1/a",
		"LocalHost.Example/a",
		"10.0.0.1/a_b/c__d/e.f/g---h/0",
		"host:65535/a",
		"[2001:db8::1]/a",
		"[2001:db8::1]:5000/a/b",
		"xn--4ca.example/a",
	};
	struct reference ref;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char with[256];

		assert_int_equal(parse(good[i], false, &ref), 0);
		assert_string_equal(ref.name, good[i]);
		assert_string_equal(ref.digest, "");
		snprintf(with, sizeof(with), "%s@" DIGEST, good[i]);
		assert_int_equal(parse(with, true, &ref), 0);
		assert_string_equal(ref.name, good[i]);
		assert_string_equal(ref.digest, DIGEST);
	}
}

/* None of them reaches a client, where it could be an option, another name, or another registry's.
 */
static void test_everything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"a",
		"/a",
		"//a",
		"team/a", /* docker.io's */
		"registry.example",
		"registry.example/",
		"registry.example//a",
		"registry.example/a/",
		"registry.example/../a",
		"registry.example/a/../b",
		"registry.example/./a",
		"registry.example/A",
		"registry.example/-a",
		"registry.example/a-",
		"registry.example/a..b",
		"registry.example/a___b",
		"registry.example/a._b",
		"registry.example/a b",
		" registry.example/a",
		"registry.example/a ",
		"registry.example/a\n",
		"registry.example/a\033[2J",
		"registry.example/\303\274",
		"registry.example/a:1",
		"registry.example/a:",
		"registry.example:/a",
		"registry.example:0/a",
		"registry.example:65536/a",
		"registry.example:+1/a",
		"registry.example: 1/a",
		"registry.example:5x/a",
		"registry.example:99999999999999999999/a",
		"-registry.example/a",
		"--tls-verify=false",
		"--log-level=debug/a",
		"registry-.example/a",
		"registry..example/a",
		".registry.example/a",
		"registry.example./a",
		"user:pw@registry.example/a",
		"https://registry.example/a",
		"docker://registry.example/a",
		"[::1/a",
		"[::1]x/a",
		"[::1]:/a",
		"[]/a",
		"[::1%lo]/a",
		"[127.0.0.1]/a",
		"re%67istry.example/a",
		"registry.example/a?b",
		"registry.example/a#b",
		"registry.example/a@" DIGEST "@" DIGEST,
	};
	struct reference ref;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char with[256];

		if (parse(bad[i], false, &ref) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
		snprintf(with, sizeof(with), "%s@" DIGEST, bad[i]);
		if (parse(with, true, &ref) != -EINVAL)
			fail_msg("taken: '%s'", with);
	}
}

static void test_a_digest_is_wanted_or_it_is_refused(void **state)
{
	static const char *const bad[] = {
		"h.x/a",
		"h.x/a@",
		"h.x/a@latest",
		"h.x/a:latest@" DIGEST,
		"h.x/a@" DIGEST "0",
		"h.x/a@" DIGEST " ",
		"h.x/a@sha256:0123",
		"h.x/a@sha512:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"h.x/a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		"h.x/a@SHA256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	};
	struct reference ref;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (parse(bad[i], true, &ref) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
	assert_int_equal(parse("h.x/a@" DIGEST, false, &ref), -EINVAL);
}

static void test_a_name_has_at_most_255_bytes(void **state)
{
	char text[400];
	struct reference ref;

	memset(text, 'a', sizeof(text));
	memcpy(text, "h.x/", 4);
	text[255] = '\0';
	assert_int_equal(parse(text, false, &ref), 0);
	strcpy(text + 255, "@" DIGEST);
	assert_int_equal(parse(text, true, &ref), 0);
	strcpy(text + 255, "a");
	assert_int_equal(parse(text, false, &ref), -EINVAL);
	strcpy(text + 256, "@" DIGEST);
	assert_int_equal(parse(text, true, &ref), -EINVAL);
	memset(text, 'a', sizeof(text));
	text[300] = '/';
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse(text, false, &ref), -EINVAL);
}

/* Without TLS only what can't leave the machine: not what begins like it. */
static void test_only_this_machines_loopback_is_loopback(void **state)
{
	static const struct {
		const char *name;
		bool loopback;
	} hosts[] = {
		{ "localhost/a", true },
		{ "localhost:5000/a", true },
		{ "127.0.0.1:5000/a", true },
		{ "127.255.0.3/a", true },
		{ "[::1]/a", true },
		{ "[::1]:5000/a", true },
		{ "[0:0:0:0:0:0:0:1]/a", true },
		{ "localhost.example/a", false },
		{ "127.0.0.1.example/a", false },
		{ "127.1:5000/a", false },
		{ "127.0.0.1x:1/a", false },
		{ "128.0.0.1/a", false },
		{ "0.0.0.0:5000/a", false },
		{ "[::]/a", false },
		{ "[::ffff:127.0.0.1]/a", false },
		{ "Localhost:5000/a", false },
		{ "registry.example/localhost", false },
	};
	struct reference ref;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		assert_int_equal(parse(hosts[i].name, false, &ref), 0);
		if (ref.loopback != hosts[i].loopback)
			fail_msg("%s", hosts[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_with_a_host_and_a_path_are_taken),
		cmocka_unit_test(test_everything_else_is_refused),
		cmocka_unit_test(test_a_digest_is_wanted_or_it_is_refused),
		cmocka_unit_test(test_a_name_has_at_most_255_bytes),
		cmocka_unit_test(test_only_this_machines_loopback_is_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
