#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/run.h"
#include "launcher/first.h"
#include "launcher/manifest.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LOCAL "localhost/taz/dotfiles:0123456789abcdef0123456789abcdef"

static const struct workshop plain = { .name = "work",
				       .image = "reg.example/taz@sha256:" HEX64,
				       .vault_bytes = 64 << 20,
				       .idle_sec = 900,
				       .keep = 2,
				       .durability = "fsync",
				       .seen_vault = "",
				       .view_memory = "cached" };

static char *printed(const struct workshop *w)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(manifest_print(f, w), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* What a parser of YAML that is not ours reads: an array with an object for each document. */
static struct json_object *parsed(const char *text)
{
	char in[] = "/tmp/taz-manifest-XXXXXX", *out = malloc(65536);
	char *argv[] = { (char *)"python3", (char *)"-c",
			 (char *)"import json, sys, yaml\n"
				 "print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))",
			 in, NULL };
	int fd = mkstemp(in);
	struct json_object *all;
	int r;

	assert_true(fd >= 0 && out);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	r = run_output("/usr/bin/python3", argv, environ, out, 65536);
	unlink(in);
	assert_int_equal(r, 0);
	all = json_tokener_parse(out);
	free(out);
	assert_non_null(all);
	return all;
}

/* at - what lies at a JSON pointer, as text */
static const char *at(struct json_object *all, const char *path)
{
	struct json_object *o;

	if (json_pointer_get(all, path, &o) != 0)
		return NULL;
	return json_object_get_string(o);
}

static void test_there_are_two_claims_and_a_pod_that_has_them(void **state)
{
	autofree char *text = printed(&plain);
	struct json_object *all = parsed(text);

	assert_int_equal(json_object_array_length(all), 3);
	assert_string_equal(at(all, "/0/kind"), "PersistentVolumeClaim");
	assert_string_equal(at(all, "/0/metadata/name"), "taz-work-vault");
	/* 64M for the current one, its spare and two more; and 64M. */
	assert_string_equal(at(all, "/0/spec/resources/requests/storage"), "320Mi");
	assert_string_equal(at(all, "/1/kind"), "PersistentVolumeClaim");
	assert_string_equal(at(all, "/1/metadata/name"), "taz-work-workspace");
	assert_string_equal(at(all, "/2/kind"), "Pod");
	assert_string_equal(at(all, "/2/metadata/name"), "taz-work");
	assert_string_equal(at(all, "/2/metadata/labels/io.taz.workshop"), "work");
	assert_string_equal(at(all, "/2/spec/volumes/0/persistentVolumeClaim/claimName"),
			    "taz-work-vault");
	assert_string_equal(at(all, "/2/spec/volumes/1/persistentVolumeClaim/claimName"),
			    "taz-work-workspace");
	assert_string_equal(at(all, "/2/spec/containers/0/volumeMounts/0/name"), "vault");
	assert_string_equal(at(all, "/2/spec/containers/0/volumeMounts/0/mountPath"),
			    "/var/lib/taz");
	json_object_put(all);
}

static void test_the_pod_has_what_the_stack_needs_and_nothing_of_the_cluster(void **state)
{
	autofree char *text = printed(&plain);
	struct json_object *all = parsed(text);

	assert_string_equal(at(all, "/2/spec/containers/0/securityContext/privileged"), "true");
	assert_string_equal(at(all, "/2/spec/containers/0/securityContext/runAsUser"), "0");
	assert_string_equal(at(all, "/2/spec/automountServiceAccountToken"), "false");
	assert_string_equal(at(all, "/2/spec/enableServiceLinks"), "false");
	assert_string_equal(at(all, "/2/spec/terminationGracePeriodSeconds"), "30");
	assert_string_equal(at(all, "/2/spec/restartPolicy"), "Always");
	assert_null(at(all, "/2/spec/hostNetwork"));
	assert_null(at(all, "/2/spec/hostPID"));
	assert_null(at(all, "/2/spec/hostIPC"));
	assert_null(at(all, "/2/spec/containers/0/resources"));
	json_object_put(all);
}

static void test_the_words_are_those_of_a_container_but_for_the_instance(void **state)
{
	autofree char *text = NULL;
	struct workshop w = plain;
	struct json_object *all, *args;
	autoargv struct argv words = { 0 };

	w.seen_generation = 7;
	w.seen_vault = "00112233445566778899aabbccddeeff";
	text = printed(&w);
	all = parsed(text);
	assert_string_equal(at(all, "/2/spec/containers/0/command/0"), "/usr/bin/tazlaunch");
	assert_int_equal(json_pointer_get(all, "/2/spec/containers/0/args", &args), 0);
	w.instance = "work-1a2b3c4d";
	first_add_words(&words, &w);
	assert_false(words.failed);
	assert_int_equal(json_object_array_length(args), words.n);
	for (size_t i = 0; i < words.n; i++) {
		const char *is = json_object_get_string(json_object_array_get_idx(args, i));
		const char *want = words.v[i];

		if (i == 1 || i == 2)
			want = i == 1 ? "--pod" : "work";
		assert_string_equal(is, want);
	}
	assert_non_null(strstr(text, "\"7:00112233445566778899aabbccddeeff\""));
	json_object_put(all);
}

static void test_an_image_of_this_host_is_never_pulled_and_a_digest_is(void **state)
{
	autofree char *remote = printed(&plain), *text = NULL;
	struct workshop w = plain;

	assert_non_null(strstr(remote, "imagePullPolicy: \"IfNotPresent\"\n"));
	assert_null(strstr(remote, "of this host's own"));
	w.image = LOCAL;
	text = printed(&w);
	assert_non_null(strstr(text, "image: \"" LOCAL "\"\n      imagePullPolicy: \"Never\"\n"));
	assert_non_null(strstr(text, "of this host's own"));
}

static void test_limits_are_there_when_they_were_asked_for(void **state)
{
	struct workshop w = plain;
	autofree char *text = NULL;
	struct json_object *all;

	w.memory_bytes = 2ULL << 30;
	w.cpus = 3;
	text = printed(&w);
	all = parsed(text);
	assert_string_equal(at(all, "/2/spec/containers/0/resources/limits/memory"), "2147483648");
	assert_string_equal(at(all, "/2/spec/containers/0/resources/limits/cpu"), "3");
	json_object_put(all);
}

/* Each would end the scalar, or be something else, if it stood there as it is. */
static void test_no_value_breaks_out_of_its_quotes(void **state)
{
	static const char *const values[] = {
		"plain",
		"a\" #",
		"\"\nhostPID: true\n\"",
		"back\\slash\\",
		"tab\tcr\rbell\a",
		"---\n...\n",
		"null",
		"{{ template }} *alias &anchor !!tag % @ `",
		"next\302\205line \342\200\250 \303\274 \360\237\224\221",
		"",
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);
		struct json_object *all;

		assert_non_null(f);
		fprintf(f, "value: ");
		assert_int_equal(manifest_quote(f, values[i]), 0);
		fprintf(f, "\nafter: true\n");
		fclose(f);
		all = parsed(text);
		assert_int_equal(json_object_array_length(all), 1);
		assert_string_equal(at(all, "/0/value"), values[i]);
		assert_string_equal(at(all, "/0/after"), "true");
		json_object_put(all);
		free(text);
	}
}

static void test_what_is_no_text_is_refused(void **state)
{
	struct workshop w = plain;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(manifest_quote(f, "a\377b"), -EILSEQ);
	w.durability = "a\377b";
	assert_int_equal(manifest_print(f, &w), -EILSEQ);
	fclose(f);
	free(text);
}

/* The cluster puts its own variables in the place of $(NAME), so a '$' is doubled. */
static void test_a_variable_of_the_cluster_is_none_in_a_word(void **state)
{
	struct workshop w = plain;
	autofree char *text = NULL;
	struct json_object *all;

	w.durability = "$(HOME)";
	text = printed(&w);
	all = parsed(text);
	assert_string_equal(at(all, "/2/spec/containers/0/args/4"), "$$(HOME)");
	json_object_put(all);
}

static void test_an_image_has_a_digest_or_is_of_this_host(void **state)
{
	static const char *const good[] = {
		"reg.example/taz@sha256:" HEX64,    "reg.example:5000/a/b-c_d.e@sha256:" HEX64,
		"localhost:5000/taz@sha256:" HEX64, "localhost/taz@sha256:" HEX64,
		"[::1]:5000/taz@sha256:" HEX64,
	};
	static const char *const bad[] = {
		"",
		"reg.example/taz",
		"reg.example/taz:latest",
		"taz@sha256:" HEX64,
		"team/taz@sha256:" HEX64,
		"reg.example@sha256:" HEX64,
		"reg.example/@sha256:" HEX64,
		"reg.example//x@sha256:" HEX64,
		"-reg.example/x@sha256:" HEX64,
		"reg.example/x y@sha256:" HEX64,
		"reg.example/x\"@sha256:" HEX64,
		"reg.example/x\n@sha256:" HEX64,
		"reg.example/\303\274@sha256:" HEX64,
		"reg.example/x@sha256:" HEX64 "0",
		"reg.example/x@sha256:0123",
		"reg.example/x@sha512:" HEX64,
		"reg.example/x@sha256:" HEX64 "@sha256:" HEX64,
		"taz/dotfiles:latest",
		"taz/dotfiles:0123456789abcdef0123456789abcdeg",
		"taz/:0123456789abcdef0123456789abcdef",
		"taz/../x:0123456789abcdef0123456789abcdef",
		"localhost/other/x:0123456789abcdef0123456789abcdef",
	};
	char buf[MANIFEST_IMAGE_MAX], why[500], *longer = malloc(1000);

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(manifest_image(good[i], buf, why, sizeof(why)), 1);
		assert_string_equal(buf, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		*why = '\0';
		if (manifest_image(bad[i], buf, why, sizeof(why)) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(*why);
	}
	assert_int_equal(manifest_image(LOCAL, buf, why, sizeof(why)), 0);
	assert_string_equal(buf, LOCAL);
	assert_int_equal(manifest_image(&LOCAL[strlen("localhost/")], buf, why, sizeof(why)), 0);
	assert_string_equal(buf, LOCAL);
	assert_non_null(longer);
	memset(longer, 'a', 999);
	memcpy(longer, "r.e/", 4);
	strcpy(longer + 900, "@sha256:" HEX64);
	assert_int_equal(manifest_image(longer, buf, why, sizeof(why)), -EINVAL);
	memcpy(longer, "taz/", 4);
	strcpy(longer + 900, ":0123456789abcdef0123456789abcdef");
	assert_int_equal(manifest_image(longer, buf, why, sizeof(why)), -EINVAL);
	free(longer);
}

static void test_a_pods_name_ends_as_the_cluster_wants_it(void **state)
{
	char why[200];

	assert_int_equal(manifest_name("work-1", why, sizeof(why)), 0);
	assert_int_equal(manifest_name("work-", why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "'work-'"));
	assert_int_equal(manifest_name("", why, sizeof(why)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_are_two_claims_and_a_pod_that_has_them),
		cmocka_unit_test(test_the_pod_has_what_the_stack_needs_and_nothing_of_the_cluster),
		cmocka_unit_test(test_the_words_are_those_of_a_container_but_for_the_instance),
		cmocka_unit_test(test_an_image_of_this_host_is_never_pulled_and_a_digest_is),
		cmocka_unit_test(test_limits_are_there_when_they_were_asked_for),
		cmocka_unit_test(test_no_value_breaks_out_of_its_quotes),
		cmocka_unit_test(test_what_is_no_text_is_refused),
		cmocka_unit_test(test_a_variable_of_the_cluster_is_none_in_a_word),
		cmocka_unit_test(test_an_image_has_a_digest_or_is_of_this_host),
		cmocka_unit_test(test_a_pods_name_ends_as_the_cluster_wants_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
