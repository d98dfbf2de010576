/* "tazfs policy suggest" on a running view: a day with audit-only, and the rules that come of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/run.h"
#include "tool.h"

static struct view_fixture f;

static int make_files(void *arg)
{
	if (mkdir(path_in(&f, "ssh"), 0755) < 0 || mkdir(path_in(&f, "my files"), 0755) < 0)
		return -errno;
	return write_file(path_in(&f, "ssh/id"), "private\n") |
	       write_file(path_in(&f, "my files/*"), "starred\n") |
	       write_file(path_in(&f, "note"), "note\n");
}

static int setup(void **state)
{
	f.policy = NULL;
	f.no_audit = false;
	fixture_start(&f, CACHED);
	return as(MEMBER, make_files, NULL);
}

static int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

static struct call *suggest(int expected, const char *option)
{
	static struct call c;

	c = (struct call){ .argv = { "tazfs", "policy", "suggest", (char *)option, f.mnt } };
	tool_call(&c, MEMBER, expected);
	return &c;
}

static void in_force(const char *policy)
{
	assert_int_equal(fixture_policy(&f, policy), 0);
}

/* A program and its arguments, and whether it did what it was told. */
static int run_program(void *arg)
{
	char **argv = arg;
	pid_t pid;
	int r = run_start(argv[0], argv, NULL, NULL, 0, &pid);

	return r < 0 ? r : run_wait(pid);
}

#define RUN(...) as(MEMBER, run_program, (char *[]){ __VA_ARGS__, NULL })

static char *in_view(const char *name)
{
	return (char *)path_in(&f, name);
}

static void test_what_ran_with_audit_only_is_allowed_by_the_suggested_rules(void **state)
{
	struct call *c;

	in_force("audit-only\n");
	assert_int_equal(RUN("/usr/bin/cat", in_view("ssh/id")), 0);
	assert_int_equal(RUN("/usr/bin/cat", in_view("my files/*")), 0);
	assert_int_equal(RUN("/usr/bin/head", in_view("note")), 0);
	c = suggest(0, "--since=1h");
	shows(c, "\nallow  session exe=/usr/bin/cat  r  \"my files/\\*\" ssh/id\n");
	shows(c, "\nallow  session exe=/usr/bin/head  r  note\n");

	in_force(c->text);
	assert_int_equal(RUN("/usr/bin/cat", in_view("ssh/id")), 0);
	assert_int_equal(RUN("/usr/bin/cat", in_view("my files/*")), 0);
	assert_int_equal(RUN("/usr/bin/head", in_view("note")), 0);
	assert_int_not_equal(RUN("/usr/bin/head", in_view("ssh/id")), 0);
	assert_int_not_equal(RUN("/usr/bin/cat", in_view("note")), 0);
	assert_int_not_equal(RUN("/usr/bin/tail", in_view("note")), 0);
}

static void test_a_script_is_allowed_and_its_interpreter_is_not(void **state)
{
	char script[128], rule[256];
	struct call *c;

	snprintf(script, sizeof(script), "%s/script", f.dir);
	assert_int_equal(write_file(script, "exec 3>>\"$1\"\n"), 0);
	assert_int_equal(chmod(script, 0755), 0);
	in_force("audit-only\n");
	assert_int_equal(RUN("/bin/sh", script, in_view("note")), 0);
	assert_int_equal(RUN("/bin/sh", "-c", ": <\"$0\"", in_view("ssh/id")), 0);
	c = suggest(0, "--since=1h");
	snprintf(rule, sizeof(rule), " script=%s  w  note\n", script);
	shows(c, rule);
	shows(c, "interpreter-ok  r  ssh/id\n");

	in_force(c->text);
	assert_int_equal(RUN("/bin/sh", script, in_view("note")), 0);
	assert_int_not_equal(RUN("/bin/sh", "-c", ": <\"$0\"", in_view("ssh/id")), 0);
	assert_int_not_equal(RUN("/bin/sh", "-c", ": >>\"$0\"", in_view("note")), 0);
}

static void test_what_the_policy_refuses_on_purpose_stays_refused(void **state)
{
	struct call *c;

	in_force("hide session r ssh/**\nallow session - **\n");
	assert_int_not_equal(RUN("/usr/bin/cat", in_view("ssh/id")), 0);
	c = suggest(0, "--since=1h");
	shows(c, "# line 1: hide session r ssh/**\n");
	shows(c, "\n# allow  session exe=/usr/bin/cat  r  ssh/id\n");
	c = suggest(0, "--json");
	shows(c, "\"kind\":\"on-purpose\",\"rule\":\"allow  session exe=/usr/bin/cat  r  ssh/id\"");
}

static void test_who_may_not_read_the_audit_is_suggested_nothing(void **state)
{
	in_force("deny session - .tazfs/audit\nallow session - **\n");
	shows(suggest(1, "--since=1h"), "the policy does not let");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_what_ran_with_audit_only_is_allowed_by_the_suggested_rules),
		T(test_a_script_is_allowed_and_its_interpreter_is_not),
		T(test_what_the_policy_refuses_on_purpose_stays_refused),
		T(test_who_may_not_read_the_audit_is_suggested_nothing),
	};

	return tool_open() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
