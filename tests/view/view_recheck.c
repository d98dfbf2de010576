/* "recheck-always": an open file's reads and writes are decided again, by who makes them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "help.h"
#include "tazfs/control.h"

#define RECHECK "recheck-always\n"
#define TEXT	"private\n"

static struct view_fixture f;

static int make_files(void *arg)
{
	if (mkdir(path_in(&f, "ssh"), 0755) < 0)
		return -errno;
	return write_file(path_in(&f, "ssh/id"), TEXT) | write_file(path_in(&f, "note"), "note\n");
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

static void in_force(const char *policy)
{
	assert_int_equal(fixture_policy(&f, policy), 0);
}

/* --- a member opens, and hands the descriptor on --- */

struct pass {
	int flags;
	int from, to; /* sockets */
	int (*use)(int fd);
};

static int open_and_send(void *arg)
{
	const struct pass *p = arg;
	autoclose int fd = open(path_in(&f, "ssh/id"), p->flags | O_CLOEXEC);
	char c;

	if (fd < 0)
		return -errno;
	/* What is read once is in the page cache, if the kernel may keep it. */
	if (p->flags != O_WRONLY && pread(fd, &c, 1, 0) != 1)
		return -errno;
	return msg_send(p->from, "x", 1, &fd, 1);
}

static int receive_and_use(void *arg)
{
	const struct pass *p = arg;
	autoclose int fd = -EBADF;
	char c;

	if (msg_recv(p->to, &c, 1, &fd, 1) != 1 || fd < 0)
		return -EPROTO;
	return p->use(fd);
}

/* What the receiver of a member's descriptor gets. */
static int passed(enum role to, int flags, int (*use)(int fd))
{
	struct pass p = { .flags = flags, .use = use };
	int s[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	p.from = s[0];
	p.to = s[1];
	assert_int_equal(as(MEMBER, open_and_send, &p), 0);
	r = as(to, receive_and_use, &p);
	close(s[0]);
	close(s[1]);
	return r;
}

static int use_read(int fd)
{
	char buf[16];
	ssize_t n = pread(fd, buf, sizeof(buf), 0);

	return n < 0 ? -errno : n == strlen(TEXT) && !memcmp(buf, TEXT, (size_t)n) ? 0 : -EILSEQ;
}

static int use_write(int fd)
{
	return pwrite(fd, "P", 1, 0) == 1 ? 0 : -errno;
}

static int use_fallocate(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1) < 0 ? -errno : 0;
}

static int use_seek(int fd)
{
	return lseek(fd, 0, SEEK_DATA) < 0 ? -errno : 0;
}

static int use_truncate(int fd)
{
	return ftruncate(fd, 0) < 0 ? -errno : 0;
}

static int touch(int fd, int how)
{
	const char *map = mmap(NULL, 4096, PROT_READ, how, fd, 0);

	pid_t pid;
	int status;

	if (map == MAP_FAILED)
		return -errno;
	pid = fork();
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL); /* cmocka would go on with the test */
		_exit(*map == *TEXT ? 0 : 1);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) ? -1000 - WTERMSIG(status) : -WEXITSTATUS(status);
}

static int use_private_map(int fd)
{
	return touch(fd, MAP_PRIVATE);
}

static int use_shared_map(int fd)
{
	return touch(fd, MAP_SHARED);
}

static void test_a_descriptor_reads_on_for_whoever_has_it_by_default(void **state)
{
	assert_int_equal(passed(OUTSIDER, O_RDONLY, use_read), 0);
	assert_int_equal(passed(OUTSIDER, O_WRONLY, use_write), 0);
}

static void test_whoever_may_not_open_a_file_may_not_use_a_descriptor_of_it(void **state)
{
	in_force(RECHECK "allow session - **\n");
	assert_int_equal(passed(MEMBER, O_RDONLY, use_read), 0);
	assert_int_equal(passed(OUTSIDER, O_RDONLY, use_read), -EACCES);
	assert_int_equal(passed(OUTSIDER, O_RDWR, use_write), -EACCES);
	assert_int_equal(passed(OUTSIDER, O_RDWR, use_fallocate), -EACCES);
	assert_int_equal(passed(OUTSIDER, O_RDONLY, use_seek), -EACCES);
	assert_int_equal(passed(OUTSIDER, O_RDWR, use_truncate), -EACCES);
	assert_int_equal(passed(ROOT_OUTSIDE, O_RDONLY, use_read), -EACCES);
	assert_int_equal(passed(MEMBER, O_RDONLY, use_read), 0);
}

static void test_a_map_asks_when_its_pages_are_read(void **state)
{
	in_force(RECHECK "allow session - **\n");
	assert_int_equal(passed(MEMBER, O_RDONLY, use_private_map), 0);
	assert_int_equal(passed(OUTSIDER, O_RDONLY, use_private_map), -1000 - SIGBUS);
	assert_int_equal(passed(MEMBER, O_RDONLY, use_shared_map), -ENODEV);
}

/* --- it is inherited --- */

static int run_with_input(void *arg)
{
	autoclose int fd = open(path_in(&f, "ssh/id"), O_RDONLY | O_CLOEXEC);
	char *argv[] = { arg, NULL };
	pid_t pid;
	int status;

	if (fd < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		dup2(fd, 0);
		execv(arg, argv);
		_exit(126);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

static void test_a_program_that_is_denied_reads_no_input_that_another_opened(void **state)
{
	static char tail[] = "/usr/bin/tail", head[] = "/usr/bin/head";

	in_force("deny session exe=/usr/bin/tail r **\nallow session - **\n");
	assert_int_equal(as(MEMBER, run_with_input, tail), 0);
	in_force(RECHECK "deny session exe=/usr/bin/tail r **\nallow session - **\n");
	assert_int_equal(as(MEMBER, run_with_input, tail), 1);
	assert_int_equal(as(MEMBER, run_with_input, head), 0);
}

/* A letter that is not asked for is not needed: what runs need not be read. */
static int copy_and_run(void *arg)
{
	char *argv[] = { (char *)path_in(&f, "true"), NULL };
	pid_t pid;
	int r = run_start(argv[0], argv, NULL, NULL, 0, &pid);

	return r < 0 ? r : run_wait(pid);
}

static int copy_true(void *arg)
{
	char *argv[] = { "/bin/cp", "/bin/true", (char *)path_in(&f, "true"), NULL };
	pid_t pid;
	int r = run_start(argv[0], argv, NULL, NULL, 0, &pid);

	return r < 0 ? r : run_wait(pid);
}

static void test_a_program_runs_that_may_be_run_and_not_read(void **state)
{
	assert_int_equal(as(MEMBER, copy_true, NULL), 0);
	in_force(RECHECK "deny session r true\nallow session - **\n");
	assert_int_equal(as(MEMBER, copy_and_run, NULL), 0);
	in_force(RECHECK "deny session x true\nallow session - **\n");
	assert_int_not_equal(as(MEMBER, copy_and_run, NULL), 0);
}

/* --- the policy is another one meanwhile --- */

struct hold {
	int go, ready; /* pipes */
	bool map;
	int (*again)(int fd);
};

/* Opens and reads, waits until it is told, and uses it again. */
static int hold(void *arg)
{
	const struct hold *h = arg;
	autoclose int fd = open(path_in(&f, "ssh/id"), O_RDWR | O_CLOEXEC);
	const char *map = h->map ? mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) : NULL;
	char c;

	signal(SIGBUS, SIG_DFL);
	if (fd < 0 || map == MAP_FAILED)
		return -errno;
	if (use_read(fd) < 0 || (map && *map != *TEXT) || write(h->ready, "x", 1) != 1 ||
	    read(h->go, &c, 1) != 1)
		return -EPROTO;
	return map ? *(const volatile char *)map == *TEXT ? 0 : -EILSEQ : h->again(fd);
}

/* What the second use gives, after the policy was replaced; once, or twice. */
static int held_and(int (*again)(int fd), const char *first, const char *policy, bool map)
{
	int go[2], ready[2], done, r;
	struct hold h = { .map = map, .again = again };
	pid_t pid;
	char c;

	assert_true(pipe2(go, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0);
	h.go = go[0];
	h.ready = ready[1];
	pid = child_start(MEMBER, hold, &h, &done);
	assert_int_equal(read(ready[0], &c, 1), 1);
	if (first)
		in_force(first);
	in_force(policy);
	assert_int_equal(write(go[1], "x", 1), 1);
	r = child_result(done);
	if (run_wait(pid) == 128 + SIGBUS)
		r = -1000 - SIGBUS;
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(ready[i]);
	}
	return r;
}

static int held(const char *policy, bool map)
{
	return held_and(use_read, NULL, policy, map);
}

static void test_a_policy_that_comes_into_force_is_one_for_open_files_too(void **state)
{
	in_force(RECHECK "allow session - **\n");
	assert_int_equal(held(RECHECK "allow session r ssh/**\n", false), 0);
	in_force(RECHECK "allow session - **\n");
	assert_int_equal(held(RECHECK "deny session r ssh/**\nallow session - **\n", false),
			 -EACCES);
}

static void test_hidden_is_refused_as_an_open_file_cannot_be_missing(void **state)
{
	in_force(RECHECK "allow session - **\n");
	assert_int_equal(held(RECHECK "hide session r ssh/**\nallow session - **\n", false),
			 -EACCES);
}

static void test_what_was_open_before_the_directive_is_opened_again(void **state)
{
	in_force("allow session - **\n");
	assert_int_equal(held("deny session r ssh/**\nallow session - **\n", false), 0);
	in_force("allow session - **\n");
	assert_int_equal(held(RECHECK "allow session - **\n", false), -EACCES);
	in_force("allow session - **\n");
	assert_int_equal(held(RECHECK "allow session - **\n", true), -1000 - SIGBUS);
	assert_int_equal(passed(MEMBER, O_RDONLY, use_read), 0);
}

/* The kernel would keep what is written through it, for others who had the file open before. */
static void test_nor_is_it_written(void **state)
{
	in_force("allow session - **\n");
	assert_int_equal(held_and(use_write, NULL, RECHECK "allow session - **\n", false), -EACCES);
	assert_int_equal(held_and(use_fallocate, NULL, "allow session - **\n", false), 0);
}

static void test_audit_only_leaves_what_is_open_until_it_is_in_earnest(void **state)
{
	in_force("allow session - **\n");
	assert_int_equal(held(RECHECK "audit-only\ndeny session r ssh/**\n", true), 0);
	in_force("allow session - **\n");
	assert_int_equal(held(RECHECK "audit-only\n", false), 0);
	in_force("allow session - **\n");
	assert_int_equal(
		held_and(use_read, RECHECK "audit-only\n", RECHECK "allow session - **\n", false),
		-EACCES);
}

static int write_through_map(void *arg)
{
	autoclose int fd = open(path_in(&f, "note"), O_RDWR | O_CLOEXEC);
	const struct hold *h = arg;
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), c;

	if (fd < 0 || map == MAP_FAILED)
		return -errno;
	*map = 'N';
	return write(h->ready, "x", 1) == 1 && read(h->go, &c, 1) == 1 ? 0 : -EPROTO;
}

static int is_written(void *arg)
{
	return check_file(path_in(&f, "note"), "Note\n");
}

static void test_what_a_map_has_changed_before_the_directive_is_not_lost(void **state)
{
	int go[2], ready[2], done;
	struct hold h;
	pid_t pid;
	char c;

	assert_true(pipe2(go, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0);
	h = (struct hold){ .go = go[0], .ready = ready[1] };
	pid = child_start(MEMBER, write_through_map, &h, &done);
	assert_int_equal(read(ready[0], &c, 1), 1);
	in_force(RECHECK "allow session - **\n");
	assert_int_equal(as(MEMBER, is_written, NULL), 0);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(child_result(done), 0);
	run_wait(pid);
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(ready[i]);
	}
}

/* --- the record --- */

static int audit_has(void *want)
{
	autoclose int root = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct control c = { .op = CONTROL_AUDIT };
	static char all[65536];
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

static void test_audit_only_records_who_uses_a_descriptor_of_others_and_lets_him(void **state)
{
	static char deny[] =
		"\"verdict\":\"deny\",\"by\":\"audit-only\",\"rule\":3,\"op\":\"r\",\"path\":"
		"\"ssh/id\"";
	static char tail[] = "/usr/bin/tail";

	in_force(RECHECK "audit-only\ndeny session exe=/usr/bin/tail - **\nallow session - **\n");
	assert_int_equal(as(MEMBER, run_with_input, tail), 0);
	assert_int_equal(as(MEMBER, audit_has, deny), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_descriptor_reads_on_for_whoever_has_it_by_default),
		T(test_whoever_may_not_open_a_file_may_not_use_a_descriptor_of_it),
		T(test_a_map_asks_when_its_pages_are_read),
		T(test_a_program_that_is_denied_reads_no_input_that_another_opened),
		T(test_a_program_runs_that_may_be_run_and_not_read),
		T(test_a_policy_that_comes_into_force_is_one_for_open_files_too),
		T(test_hidden_is_refused_as_an_open_file_cannot_be_missing),
		T(test_what_was_open_before_the_directive_is_opened_again),
		T(test_nor_is_it_written),
		T(test_audit_only_leaves_what_is_open_until_it_is_in_earnest),
		T(test_what_a_map_has_changed_before_the_directive_is_not_lost),
		T(test_audit_only_records_who_uses_a_descriptor_of_others_and_lets_him),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
