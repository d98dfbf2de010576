/* "tazfs audit" on a running view: who may, what it shows, and that a change of the log is found.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "help.h"
#include "tazfs/control.h"
#include "tool.h"

static struct view_fixture f;

static int make_files(void *arg)
{
	if (mkdir(path_in(&f, "ssh"), 0755) < 0 || mkdir(path_in(&f, "kube"), 0755) < 0)
		return -errno;
	return write_file(path_in(&f, "ssh/id"), "private") |
	       write_file(path_in(&f, "kube/config"), "token") |
	       write_file(path_in(&f, "note"), "note");
}

static int setup(void **state)
{
	f.policy = NULL;
	f.no_audit = false;
	fixture_start(&f, CACHED);
	assert_int_equal(as(MEMBER, make_files, NULL), 0);
	return fixture_policy(&f, "deny session w ssh/**\nallow session - **\n");
}

static int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

static struct call *audit(enum role role, int expected, const char *const *args)
{
	static struct call c;

	c = (struct call){ .argv = { "tazfs", "audit" } };
	for (int i = 0; args[i]; i++)
		c.argv[i + 2] = (char *)args[i];
	tool_call(&c, role, expected);
	return &c;
}

#define AUDIT(role, expected, ...) audit(role, expected, (const char *const[]){ __VA_ARGS__, NULL })

static int write_it(void *path)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

static int read_it(void *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	return fd < 0 || read(fd, &c, 1) != 1 ? -errno : 0;
}

static int create_it(void *path)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

static int member(int (*fn)(void *), const char *name)
{
	return as(MEMBER, fn, (void *)path_in(&f, name));
}

static void in_force(const char *policy)
{
	assert_int_equal(fixture_policy(&f, policy), 0);
}

static void be_refused(void)
{
	assert_int_equal(member(write_it, "ssh/id"), -EACCES);
}

static void test_a_member_is_shown_what_was_refused_at_once(void **state)
{
	be_refused();
	shows(AUDIT(MEMBER, 0, f.mnt), "ssh/id  ");
	shows(AUDIT(MEMBER, 0, "--denied", "--since", "1m", f.mnt), "(rule 1");
	shows(AUDIT(MEMBER, 0, "--json", f.mnt), "\"verdict\":\"deny\",\"rule\":1,\"op\":\"w\"");
}

/* Refused, and refused again as another program. */
static int refused_twice(void *path)
{
	char command[256];
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		snprintf(command, sizeof(command), ": > %s", (const char *)path);
		if (write_it(path) != -EACCES)
			_exit(1);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(1);
	}
	return waitpid(pid, &status, 0) == pid ? 0 : -errno;
}

static void test_what_a_process_does_as_another_program_is_another_line(void **state)
{
	assert_int_equal(as(MEMBER, refused_twice, (void *)path_in(&f, "ssh/id")), 0);
	shows(AUDIT(MEMBER, 0, f.mnt), "/view_audit[");
	shows(AUDIT(MEMBER, 0, f.mnt), "sh[");
}

static void test_the_view_checks_its_own_log(void **state)
{
	shows(AUDIT(MEMBER, 0, "verify", f.mnt), "whole: nothing has been written yet");
	be_refused();
	AUDIT(MEMBER, 0, f.mnt);
	shows(AUDIT(MEMBER, 0, "verify", f.mnt), "whole: 4 lines, number 1 to 4");
	shows(AUDIT(MEMBER, 0, "verify", "--json", f.mnt), "{\"whole\":true,");
	shows(AUDIT(MEMBER, 1, "verify", "--until", "9", f.mnt), "ends too early");
}

static void test_a_change_below_the_view_is_found(void **state)
{
	static char text[65536];
	autoclose int fd = -EBADF;
	char *at;

	be_refused();
	AUDIT(MEMBER, 0, f.mnt);
	fd = open(path_below(&f, ".tazfs/audit.log"), O_RDWR | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	at = strstr(text, "ssh/id");
	assert_non_null(at);
	assert_int_equal(pwrite(fd, "k", 1, at - text), 1);
	shows(AUDIT(MEMBER, 1, "verify", f.mnt), "line 4: it was changed");
}

/* CLOCK_BOOTTIME of the last use, as the keeper asks for it. */
static uint64_t last_use(void)
{
	struct view_idle msg = { 0 };

	fixture_send(&f, VIEW_ASK_IDLE);
	while (msg.op != VIEW_IDLE)
		assert_true(msg_recv(f.keeper, &msg, sizeof(msg), NULL, 0) > 0);
	return msg.last_ns;
}

/* As --follow does, all day long; @arg gets the time when the root had been opened. */
static int follow(void *arg)
{
	autoclose int root = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timespec a_while = { .tv_nsec = 10000000 };
	uint64_t *opened = arg;

	*opened = io_boottime_ns();
	for (int i = 0; i < 3; i++) {
		struct control c = { .op = CONTROL_AUDIT };

		nanosleep(&a_while, NULL);
		if (root < 0 || ioctl(root, CONTROL_ASK, &c) < 0 || !c.size)
			return -errno;
	}
	return 0;
}

static void test_who_follows_the_audit_does_not_keep_the_vault_open(void **state)
{
	uint64_t *opened = mmap(NULL, sizeof(*opened), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	be_refused();
	assert_int_equal(as(MEMBER, follow, opened), 0);
	assert_true(*opened && last_use() <= *opened);
	munmap(opened, sizeof(*opened));
}

static void test_to_read_the_audit_with_audit_only_comes_to_an_end(void **state)
{
	in_force("audit-only\n");
	assert_int_equal(member(read_it, "note"), 0);
	shows(AUDIT(MEMBER, 0, f.mnt), "audit only");
	in_force("audit-all\nallow session - **\n");
	AUDIT(MEMBER, 0, f.mnt);
}

static void test_nobody_outside_is_shown_anything(void **state)
{
	be_refused();
	shows(AUDIT(OUTSIDER, 1, f.mnt), "this process may not look at it");
	shows(AUDIT(OUTSIDER, 1, "verify", f.mnt), "this process may not look at it");
	in_force("deny session - .tazfs/**\nallow session - **\n");
	shows(AUDIT(MEMBER, 1, f.mnt), "tazfs: the policy does not let");
}

/* --- the record --- */

static int audit_has(void *want)
{
	autoclose int root = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct control c = { .op = CONTROL_AUDIT };
	char all[65536];
	size_t n = 0;

	if (root < 0)
		return -errno;
	do {
		if (ioctl(root, CONTROL_ASK, &c) < 0)
			return -errno;
		if (n + c.size >= sizeof(all))
			return -EFBIG;
		memcpy(all + n, c.data, c.size);
		n += c.size;
	} while (c.size);
	all[n] = '\0';
	return strstr(all, want) ? 1 : 0;
}

static void test_a_refusal_is_recorded_with_its_rule_and_what_is_allowed_on_demand(void **state)
{
	in_force("deny session w ssh/**\nallow session - **\n");
	assert_int_equal(member(write_it, "ssh/id"), -EACCES);
	assert_int_equal(member(read_it, "kube/config"), 0);
	assert_int_equal(as(OUTSIDER, read_it, (void *)path_in(&f, "note")), -EACCES);
	assert_int_equal(as(MEMBER, audit_has,
			    "\"verdict\":\"deny\",\"rule\":1,\"op\":\"w\",\"path\":\"ssh/id\""),
			 1);
	assert_int_equal(as(MEMBER, audit_has, "\"path\":\"note\""), 0); /* it ends at the root */
	assert_int_equal(
		as(MEMBER, audit_has, "\"verdict\":\"deny\",\"op\":\"look\",\"path\":\"\""), 1);
	assert_int_equal(as(MEMBER, audit_has, "kube/config"), 0);
	in_force("audit-all\nallow session - **\n");
	assert_int_equal(member(read_it, "kube/config"), 0);
	assert_int_equal(
		as(MEMBER, audit_has,
		   "\"verdict\":\"allow\",\"rule\":2,\"op\":\"r\",\"path\":\"kube/config\""),
		1);
	in_force("deny session - .tazfs/audit\nallow session - **\n");
	assert_int_equal(as(MEMBER, audit_has, "x"), -EACCES);
}

static int run_script(void *path)
{
	char *argv[] = { "sh", path, (char *)path_in(&f, "ssh/id"), NULL };
	pid_t pid;
	int r = run_start("/bin/sh", argv, NULL, NULL, 0, &pid);

	return r < 0 ? r : run_wait(pid);
}

static void test_the_record_tells_the_script_and_when_the_policy_was_replaced(void **state)
{
	char script[128], want[256];

	snprintf(script, sizeof(script), "%s/script", f.dir);
	assert_int_equal(write_file(script, "exec 3>>\"$1\"\n"), 0);
	assert_int_equal(chmod(script, 0755), 0);
	assert_int_not_equal(as(MEMBER, run_script, script), 0);
	snprintf(want, sizeof(want), "\"script\":\"%s\"", script);
	assert_int_equal(as(MEMBER, audit_has, want), 1);
	in_force("audit-all\nallow session - **\n");
	/* printf 'audit-all\nallow session - **\n' | sha256sum */
	assert_int_equal(as(MEMBER, audit_has,
			    "the policy was replaced by 29 bytes, SHA-256 2a58aaa8ead1a5c0"),
			 1);
}

static void test_a_view_that_refused_nothing_writes_nothing(void **state)
{
	struct stat st;

	fixture_stop(&f);
	f.policy = "allow session - **\n";
	fixture_start(&f, CACHED);
	assert_int_equal(member(create_it, "other"), 0);
	assert_int_equal(fixture_lock(&f), 0);
	assert_int_equal(stat(path_below(&f, ".tazfs/audit.log"), &st), -1);
}

/* As on a full volume: a vault that nobody could open for want of room would never get any. */
static void test_a_view_whose_audit_cannot_be_opened_still_serves(void **state)
{
	fixture_stop(&f);
	f.policy = "allow session - **\n";
	f.no_audit = true;
	fixture_start(&f, CACHED);
	assert_int_equal(member(create_it, "other"), 0);
	assert_int_equal(as(OUTSIDER, read_it, (void *)path_in(&f, "other")), -EACCES);
	assert_int_equal(as(MEMBER, audit_has, "x"), -EOPNOTSUPP);
}

static void test_what_was_recorded_is_in_the_store_after_the_lock(void **state)
{
	struct stat st;

	assert_int_equal(as(OUTSIDER, read_it, (void *)path_in(&f, "note")), -EACCES);
	assert_int_equal(fixture_lock(&f), 0);
	assert_int_equal(stat(path_below(&f, ".tazfs/audit.log"), &st), 0);
	assert_true(st.st_size > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_member_is_shown_what_was_refused_at_once),
		T(test_what_a_process_does_as_another_program_is_another_line),
		T(test_the_view_checks_its_own_log),
		T(test_a_change_below_the_view_is_found),
		T(test_who_follows_the_audit_does_not_keep_the_vault_open),
		T(test_to_read_the_audit_with_audit_only_comes_to_an_end),
		T(test_nobody_outside_is_shown_anything),
		T(test_a_refusal_is_recorded_with_its_rule_and_what_is_allowed_on_demand),
		T(test_the_record_tells_the_script_and_when_the_policy_was_replaced),
		T(test_a_view_that_refused_nothing_writes_nothing),
		T(test_a_view_whose_audit_cannot_be_opened_still_serves),
		T(test_what_was_recorded_is_in_the_store_after_the_lock),
	};

	return tool_open() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
