#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/argv.h"
#include "launcher/container.h"
#include "launcher/devices.h"

/* A client that notes how it was called, and answers as the test wants. */
static char dir[64], program[96], noted[96];
static const char *const paths[] = { "/nowhere/client", program, NULL };
static const char *const env[] = { "TAZ_SEEN", NULL };
static const char *const more_build[] = { "--pull=never", NULL };
static const char *const more_run[] = { "--http-proxy=false", NULL };
static const struct client client = {
	.name = "client",
	.paths = paths,
	.env = env,
	.network = "net",
	.build = more_build,
	.run = more_run,
};

static void client_is(const char *body)
{
	FILE *f = fopen(program, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\nprintf '<%%s>' \"$@\" >>%s\necho >>%s\n%s\n", noted, noted, body);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(program, 0700), 0);
}

static const char *calls(void)
{
	static char buf[8192];
	FILE *f = fopen(noted, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	fclose(f);
	return buf;
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/taz-container-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(program, sizeof(program), "%s/client", dir);
	snprintf(noted, sizeof(noted), "%s/noted", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(program);
	unlink(noted);
	snprintf(program, sizeof(program), "%s/pulling-client", dir);
	unlink(program);
	return rmdir(dir);
}

static void test_an_image_is_there_is_not_or_cannot_be_told(void **state)
{
	client_is("exit 0");
	assert_int_equal(container_has_image(&client, "taz/base:0"), 1);
	client_is("echo 'Error response from daemon: No such image: taz/base:0' >&2; exit 1");
	assert_int_equal(container_has_image(&client, "taz/base:0"), 0);
	client_is("echo 'Error: taz/base:0: image not known' >&2; exit 125");
	assert_int_equal(container_has_image(&client, "taz/base:0"), 0);
	client_is("echo 'Error: the store is broken' >&2; exit 125");
	assert_int_equal(container_has_image(&client, "taz/base:0"), -EIO);
	unlink(program);
	assert_int_equal(container_has_image(&client, "taz/base:0"), -ENOENT);
}

static void test_images_are_listed_by_our_names(void **state)
{
	char buf[128];

	client_is("echo localhost/taz/base:1; echo taz/k8s:2; echo localhost/taz-debian:3");
	assert_int_equal(container_list_images(&client, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "taz/base:1\ntaz/k8s:2\nlocalhost/taz-debian:3");
	assert_int_equal(container_list_images(&client, buf, 16), -EMSGSIZE);
}

static void test_a_build_gets_the_clients_own_options_before_the_context(void **state)
{
	const char *const args[] = { "BASE=taz/base:0", NULL };

	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("no_proxy");
	client_is("exit 0");
	assert_int_equal(container_build(&client, "taz/x:1", "/f", "/c", args), 0);
	assert_string_equal(calls(), "<build><--network=host><-t><taz/x:1><-f></f><--build-arg>"
				     "<BASE=taz/base:0><--pull=never></c>\n");
}

static void test_the_client_sees_of_the_environment_what_is_its_own(void **state)
{
	static const char *const args[] = { "env", NULL };
	char out[64];

	setenv("TAZ_SEEN", "yes", 1);
	setenv("CONTAINER_HOST", "ssh://elsewhere", 1);
	client_is("echo \"$TAZ_SEEN:$CONTAINER_HOST\"");
	assert_int_equal(client_call(&client, args, out, sizeof(out), NULL, 0), 0);
	assert_string_equal(out, "yes:");
	unsetenv("CONTAINER_HOST");
}

/* Such as a no_proxy that names a company's networks. */
static void test_a_long_value_of_the_environment_reaches_the_client(void **state)
{
	static const char *const args[] = { "env", NULL };
	char value[2001], out[2048];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	setenv("TAZ_SEEN", value, 1);
	client_is("echo \"$TAZ_SEEN\"");
	assert_int_equal(client_call(&client, args, out, sizeof(out), NULL, 0), 0);
	assert_string_equal(out, value);
}

static void test_a_line_that_is_too_long_is_refused_and_not_cut(void **state)
{
	const char *args[ARGV_MAX + 1];

	for (size_t i = 0; i < ARGV_MAX; i++)
		args[i] = "A=b";
	args[ARGV_MAX] = NULL;
	client_is("exit 0");
	assert_int_equal(client_call(&client, args, NULL, 0, NULL, 0), -E2BIG);
	assert_int_equal(container_build(&client, "taz/x:1", "/f", "/c", args), -E2BIG);
	assert_int_equal(access(noted, F_OK), -1);
}

/* Standard error is no fancy terminal here, so it is shown when it failed. */
static void test_what_a_client_said_is_shown_as_plain_text(void **state)
{
	static const char *const args[] = { "build", NULL };
	int mem = memfd_create("err", MFD_CLOEXEC), before = dup(STDERR_FILENO), r;
	char text[128] = "";

	client_is("printf 'a\\033[2Jb\\000\\n\\tc\\302\\233\\303\\274\\n'; exit 3");
	dup2(mem, STDERR_FILENO);
	r = client_show(&client, args, -1);
	dup2(before, STDERR_FILENO);
	close(before);
	assert_int_equal(r, 3);
	assert_true(pread(mem, text, sizeof(text) - 1, 0) > 0);
	close(mem);
	assert_string_equal(text, "a?[2Jb?\n\tc??\303\274\n");
}

static void test_a_container_is_started_with_the_clients_own_options(void **state)
{
	struct workshop w = { .name = "one",
			      .state_dir = dir,
			      .workspace = "/home/u/a, \"b\"",
			      .image = "taz/base:0",
			      .instance = "one-1",
			      .durability = "fsync",
			      .seen_vault = "",
			      .view_memory = "cached" };
	const char *line;

	client_is("case $1 in container) echo 'Error: no such container' >&2; exit 125 ;;\n"
		  "run) exit 125 ;; esac");
	assert_int_equal(container_up(&client, &w), -EIO);
	assert_non_null(strstr(calls(), "<network><inspect><--format><{{.Driver}}><net>\n"));
	line = strstr(calls(), "<run>");
	assert_non_null(line);
	assert_non_null(
		strstr(line, "<type=bind,\"source=/home/u/a, \"\"b\"\"\",target=/workspace>"));
	assert_non_null(strstr(line, "<--http-proxy=false><--entrypoint></usr/bin/tazlaunch>"
				     "<taz/base:0><first-process>"));
	assert_non_null(strstr(line, "<--privileged>"));
	/* There is such a network, so nothing is said of it. */
	assert_null(strstr(line, "<none>"));
	/* What did not start is not left behind. */
	assert_non_null(strstr(line, "<rm><--force><taz-one>\n"));
}

/* What is left of "run" with --least: nothing of the host but what is named. */
static void test_with_least_it_is_started_with_what_is_named_and_no_more(void **state)
{
	struct workshop w = { .name = "one",
			      .state_dir = dir,
			      .workspace = "/home/u",
			      .image = "taz/base:0",
			      .instance = "one-1",
			      .durability = "fsync",
			      .seen_vault = "",
			      .least = true,
			      .view_memory = "cached" };
	char profile[96], want[160], missing[160];
	const char *line;
	struct stat st;

	client_is("case $1 in container) echo 'Error: no such container' >&2; exit 125 ;;\n"
		  "run) exit 125 ;; esac");
	snprintf(profile, sizeof(profile), "%s/seccomp.json", dir);
	if (devices_kernel_has(missing, sizeof(missing)) == 1) {
		assert_int_equal(container_up(&client, &w), -EIO);
		line = strstr(calls(), "<run>");
		assert_non_null(line);
		assert_null(strstr(line, "privileged"));
		snprintf(want, sizeof(want), "<--security-opt=seccomp=%s>", profile);
		assert_non_null(strstr(line, want));
		assert_non_null(strstr(line, "<--cap-drop=ALL><--cap-add="));
		assert_non_null(strstr(line, "<--device-cgroup-rule=b 7:* rwm>"));
		assert_int_equal(stat(profile, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	} else {
		assert_int_equal(container_up(&client, &w), -ENODEV);
		assert_null(strstr(calls(), "<run>"));
	}
	unlink(profile);
}

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct reference far = { .name = "r.example/a", .digest = DIGEST };
static const struct reference near = { .name = "[::1]:5/a", .digest = DIGEST, .loopback = true };

/* As docker has it: by a name for a while, and the digest is in the last of many lines. */
static void test_an_image_is_pushed_by_a_name_that_is_gone_afterwards(void **state)
{
	char digest[REFERENCE_DIGEST_MAX] = "";

	client_is("case $1 in image) echo 'no such image' >&2; exit 1 ;; push)\n"
		  "echo 'digest: of nothing'; echo '1: digest: " DIGEST " size: 5' ;; esac");
	assert_int_equal(container_push(&client, "taz/x:1", &near, digest), 0);
	assert_string_equal(digest, DIGEST);
	assert_non_null(strstr(calls(), "<tag><--><taz/x:1><[::1]:5/a:1>\n"
					"<push><--><[::1]:5/a:1>\n<rmi><--><[::1]:5/a:1>\n"));
	/* A name that somebody had given before stays. */
	unlink(noted);
	client_is("case $1 in push) exit 1 ;; esac");
	assert_int_equal(container_push(&client, "taz/x:1", &near, digest), -EIO);
	assert_null(strstr(calls(), "<rmi>"));
}

/* As podman has it: TLS is left out on this machine's loopback, and nowhere else. */
static void test_a_client_with_options_is_told_where_to_and_with_tls(void **state)
{
	struct client podman = client;
	char digest[REFERENCE_DIGEST_MAX] = "";

	podman.registry_options = true;
	client_is("echo " DIGEST);
	assert_int_equal(container_push(&podman, "taz/x:1", &far, digest), 0);
	assert_string_equal(digest, DIGEST);
	assert_string_equal(calls(), "<--log-level=error><push><--quiet><--digestfile></dev/stdout>"
				     "<--><taz/x:1><docker://r.example/a:1>\n");
	unlink(noted);
	assert_int_equal(container_push(&podman, "taz/x:1", &near, digest), 0);
	assert_non_null(strstr(calls(), "</dev/stdout><--tls-verify=false><-->"));
}

/* The note, and what a pull before this one has left. */
static void pulling_is(const char *text)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/pulling-client", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

#define OWN                                                                                  \
	"a=$(uname -m); case $a in x86_64) a=amd64 ;; aarch64) a=arm64 ;; armv7l) a=arm ;; " \
	"i686) a=386 ;; loongarch64) a=loong64 ;; esac; "
#define PULLS_FOR(has, platform)                                          \
	OWN "case \"$1 $5 $4\" in 'image -- {{.Os}}/'*) echo \"" platform \
	    "\" ;; 'image --'*) echo '\"" has                             \
	    "\"' ;; image*) echo 'no such image' >&2; exit 1 ;; "         \
	    "esac"
#define PULLS(has) PULLS_FOR(has, "linux/$a")

static int pull(const char *body, char label[64])
{
	int r;

	setenv("TAZ_CACHE", dir, 1);
	client_is(body);
	r = container_pull(&client, &far, "taz/x:1", label, 64);
	unsetenv("TAZ_CACHE");
	return r;
}

static void test_what_is_pulled_gets_its_tag_only_with_the_right_label(void **state)
{
	static const char tagged[] = "<pull><--quiet><--><r.example/a@" DIGEST ">\n",
			  kept[] = "<tag><--><r.example/a@" DIGEST "><taz/x:1>\n",
			  gone[] = "<rmi><--><r.example/a@" DIGEST ">\n";
	char label[64] = "";

	/* No name is there; what is asked for its label by "--" has the one that BODY says, and is
	 * for this machine. */
	assert_int_equal(pull(PULLS("taz/x:1"), label), 0);
	assert_non_null(strstr(calls(), tagged));
	assert_non_null(strstr(calls(), kept));
	assert_non_null(strstr(strstr(calls(), kept), gone));
	unlink(noted);
	assert_int_equal(pull(PULLS("taz/x:2"), label), -EBADMSG);
	assert_string_equal(label, "\"taz/x:2\"");
	assert_null(strstr(calls(), "<tag>"));
	assert_non_null(strstr(calls(), gone));
	/* Of one that was killed: it goes before anything else is fetched. */
	unlink(noted);
	pulling_is("r.example/left@" DIGEST);
	assert_int_equal(
		pull(OWN
		     "case \"$1 $5 $4\" in 'image taz/x:1 '*) echo 'no such image' >&2; exit 1 ;; "
		     "'image -- {{.Os}}/'*) echo linux/$a ;; 'image --'*) echo '\"taz/x:1\"' ;; esac",
		     label),
		0);
	assert_non_null(strstr(calls(), "<rmi><--><r.example/left@" DIGEST ">\n"));
	/* It was there before we came: it stays. */
	assert_null(strstr(calls(), gone));
}

/* It has the very tag: the same sources have it on every kind of processor. */
static void test_what_is_for_another_machine_is_not_kept(void **state)
{
	static const char *const bodies[] = { PULLS_FOR("taz/x:1", "linux/z80"),
					      PULLS_FOR("taz/x:1", "windows/$a"),
					      PULLS_FOR("taz/x:1", "linux/$a ") };
	char label[64];

	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		assert_int_equal(pull(bodies[i], label), -ENOEXEC);
		assert_null(strstr(calls(), "<tag>"));
		assert_int_equal(pull(PULLS("taz/x:1"), label), 0);
		unlink(noted);
	}
}

int main(void)
{
#define WITH_CLIENT(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_CLIENT(test_an_image_is_there_is_not_or_cannot_be_told),
		WITH_CLIENT(test_images_are_listed_by_our_names),
		WITH_CLIENT(test_a_build_gets_the_clients_own_options_before_the_context),
		WITH_CLIENT(test_the_client_sees_of_the_environment_what_is_its_own),
		WITH_CLIENT(test_a_long_value_of_the_environment_reaches_the_client),
		WITH_CLIENT(test_a_line_that_is_too_long_is_refused_and_not_cut),
		WITH_CLIENT(test_what_a_client_said_is_shown_as_plain_text),
		WITH_CLIENT(test_a_container_is_started_with_the_clients_own_options),
		WITH_CLIENT(test_an_image_is_pushed_by_a_name_that_is_gone_afterwards),
		WITH_CLIENT(test_a_client_with_options_is_told_where_to_and_with_tls),
		WITH_CLIENT(test_what_is_pulled_gets_its_tag_only_with_the_right_label),
		WITH_CLIENT(test_what_is_for_another_machine_is_not_kept),
		WITH_CLIENT(test_with_least_it_is_started_with_what_is_named_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
