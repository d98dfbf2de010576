/* Who may: every way to name a file, from every kind of process. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/run.h"
#include "help.h"

static struct view_fixture f;

static int make_files(void *arg)
{
	if (mkdir(path_in(&f, "d"), 0755) < 0)
		return -errno;
	if (write_file(path_in(&f, "d/inner"), "inner") < 0)
		return -errno;
	return write_file(path_in(&f, "secret"), "secret");
}

static int setup(void **state)
{
	fixture_start(&f, CACHED);
	return as(MEMBER, make_files, NULL);
}

static int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

static int try_open(const char *path, int flags)
{
	autoclose int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : 0;
}

static int read_secret(void *arg)
{
	return check_file(path_in(&f, "secret"), "secret");
}

/* One line for each way; returns how many of them did not end in @want, and says which. */
static int count_other_than(int want)
{
	struct stat st;
	struct statvfs sv;
	char buf[64];
	int fd = open(f.mnt, O_PATH | O_DIRECTORY | O_CLOEXEC), wrong = 0;
	const char *secret = path_in(&f, "secret"), *other = path_in(&f, "other");
	const struct {
		const char *what;
		int result;
	} ways[] = {
		{ "stat the root", stat(f.mnt, &st) },
		{ "list the root", try_open(f.mnt, O_RDONLY | O_DIRECTORY) },
		/* To another user the kernel itself gives an empty answer. */
		{ "statfs the root", statvfs(f.mnt, &sv) == 0 && sv.f_blocks ? 0 : -1 },
		{ "access the root", access(f.mnt, R_OK) },
		{ "enter the root", chdir(f.mnt) },
		{ "stat a file", stat(secret, &st) },
		{ "stat below a descriptor", fstatat(fd, "secret", &st, 0) },
		{ "open below a descriptor", openat(fd, "secret", O_RDONLY) },
		{ "stat what is not there", stat(other, &st) },
		{ "read", try_open(secret, O_RDONLY) },
		{ "write", try_open(secret, O_WRONLY) },
		{ "truncate", truncate(secret, 0) },
		{ "create", try_open(other, O_WRONLY | O_CREAT) },
		{ "mkdir", mkdir(other, 0700) },
		{ "unlink", unlink(secret) },
		{ "rename", rename(secret, other) },
		{ "link", link(secret, other) },
		{ "symlink", symlink("x", other) },
		{ "mknod", mknod(other, S_IFIFO | 0600, 0) },
		{ "chmod", chmod(secret, 0777) },
		{ "utimes", utimensat(AT_FDCWD, secret, NULL, 0) },
		{ "readlink", (int)readlink(secret, buf, sizeof(buf)) },
		{ "getxattr of the root", (int)getxattr(f.mnt, "user.x", buf, sizeof(buf)) },
		{ "listxattr of the root", (int)listxattr(f.mnt, buf, sizeof(buf)) },
		{ "setxattr of the root", setxattr(f.mnt, "user.x", "x", 1, 0) },
		{ "chmod the root", chmod(f.mnt, 0777) },
		{ "watch the root", inotify_add_watch(inotify_init1(IN_CLOEXEC), f.mnt, IN_OPEN) },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if ((ways[i].result < 0) == (want < 0))
			continue;
		fprintf(stderr, "# %s: %d\n", ways[i].what, ways[i].result);
		wrong++;
	}
	return wrong;
}

static int count_allowed(void *arg)
{
	return count_other_than(-EACCES);
}

static int stat_and_open(void *arg)
{
	struct stat st;
	int r = try_open(arg, O_RDONLY);

	if (r == 0 || stat(arg, &st) == 0)
		return 0;
	return errno == -r ? r : -EPROTO;
}

static void test_a_member_reads_and_writes(void **state)
{
	assert_int_equal(as(MEMBER, read_secret, NULL), 0);
	assert_int_equal(as(MEMBER, stat_and_open, f.mnt), 0);
}

static void test_the_same_user_outside_the_session_is_denied_everything(void **state)
{
	assert_int_equal(as(OUTSIDER, count_allowed, NULL), 0);
	assert_int_equal(as(OUTSIDER, stat_and_open, (void *)path_in(&f, "secret")), -EACCES);
	assert_int_equal(as(OUTSIDER, stat_and_open, f.mnt), -EACCES);
	assert_int_equal(as(MEMBER, read_secret, NULL), 0);
}

static void test_root_outside_the_session_is_denied_everything(void **state)
{
	assert_int_equal(as(ROOT_OUTSIDE, count_allowed, NULL), 0);
	assert_int_equal(as(ROOT_OUTSIDE, stat_and_open, (void *)path_in(&f, "secret")), -EACCES);
}

static int become_root_then_owner(void *arg)
{
	/* Root may take the owner's uid; it is still in no session. */
	return become_owner() < 0 ? -errno : read_secret(NULL);
}

static void test_root_that_becomes_the_owner_is_denied(void **state)
{
	assert_int_equal(as(ROOT_OUTSIDE, become_root_then_owner, NULL), -EACCES);
}

static void *thread_reads(void *arg)
{
	*(int *)arg = read_secret(NULL);
	return NULL;
}

static int read_in_thread(void *arg)
{
	pthread_t t;
	int r = -EPROTO;

	if (pthread_create(&t, NULL, thread_reads, &r))
		return -EAGAIN;
	pthread_join(t, NULL);
	return r;
}

static int read_in_vfork(void *arg)
{
	char *argv[] = { "cat", (char *)path_in(&f, "secret"), NULL };
	pid_t pid;

	if (run_start("/bin/cat", argv, NULL, NULL, 0, &pid) < 0)
		return -EAGAIN;
	return run_wait(pid) == 0 ? 0 : -EACCES;
}

static void test_threads_and_vfork_children_get_the_verdict_of_their_process(void **state)
{
	assert_int_equal(as(MEMBER, read_in_thread, NULL), 0);
	assert_int_equal(as(MEMBER, read_in_vfork, NULL), 0);
	assert_int_equal(as(OUTSIDER, read_in_thread, NULL), -EACCES);
	assert_int_equal(as(OUTSIDER, read_in_vfork, NULL), -EACCES);
}

/* One forced-async openat2-less IORING_OP_OPENAT, so that a kernel worker asks. */
static int read_by_uring(void *arg)
{
	struct io_uring_params p = { 0 };
	autoclose int ring = (int)syscall(SYS_io_uring_setup, 1, &p);
	struct io_uring_sqe *sqe;
	const struct io_uring_cqe *cqe;
	char *sq, *cq;
	int fd;

	if (ring < 0)
		return -ENOSYS;
	sq = mmap(NULL, p.sq_off.array + sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		  IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + 2 * sizeof(*cqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		  IORING_OFF_CQ_RING);
	sqe = mmap(NULL, sizeof(*sqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqe == MAP_FAILED)
		return -ENOMEM;
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT,
				      .flags = IOSQE_ASYNC,
				      .fd = AT_FDCWD,
				      .addr = (uintptr_t)path_in(&f, "secret") };
	*(unsigned *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	cqe = (const struct io_uring_cqe *)(cq + p.cq_off.cqes);
	fd = cqe->res;
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static void test_an_io_uring_worker_gets_the_verdict_of_its_process(void **state)
{
	int r = as(MEMBER, read_by_uring, NULL);

	if (r == -ENOSYS || r == -EPERM)
		skip();
	assert_int_equal(r, 0);
	assert_int_equal(as(OUTSIDER, read_by_uring, NULL), -EACCES);
}

static int keep_open(void *arg)
{
	int fd = open(path_in(&f, "secret"), O_RDONLY);
	char c;

	if (fd < 0 || dup2(fd, 100) < 0)
		return -errno;
	return read(*(int *)arg, &c, 1) < 0 ? -errno : 0;
}

static int reopen_by_proc(void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/100", *(pid_t *)arg);
	return try_open(path, O_RDONLY);
}

static void test_an_outsider_cannot_reopen_a_members_descriptor(void **state)
{
	int go[2], done;
	pid_t pid;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = child_start(MEMBER, keep_open, &go[0], &done);
	usleep(200000);
	assert_int_equal(as(OUTSIDER, reopen_by_proc, &pid), -EACCES);
	assert_int_equal(as(ROOT_OUTSIDE, reopen_by_proc, &pid), -EACCES);
	assert_int_equal(as(MEMBER, reopen_by_proc, &pid), 0);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(child_result(done), 0);
	run_wait(pid);
	close(go[0]);
	close(go[1]);
}

static int wait_for_byte(void *arg)
{
	char c;

	return read(*(int *)arg, &c, 1) < 0 ? -errno : 0;
}

static void test_a_session_ends_with_its_leader(void **state)
{
	int go[2], done;
	pid_t leader;

	fixture_stop(&f);
	fixture_start(&f, NO_SESSION);
	assert_int_equal(as(MEMBER, make_files, NULL), -EACCES);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	leader = child_start(MEMBER, wait_for_byte, &go[0], &done);
	fixture_add(&f, leader);
	assert_int_equal(as(MEMBER, make_files, NULL), -EACCES);
	fixture_add(&f, getpid());
	assert_int_equal(as(MEMBER, make_files, NULL), 0);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(child_result(done), 0);
	run_wait(leader);
	close(go[0]);
	close(go[1]);
}

struct family {
	int go, go_far, ready;
};

/* A leader with one child, which looks each time it is told to, and says how it went. */
static int lead(void *arg)
{
	const struct family *fam = arg;
	pid_t pid = fork();
	char c;

	if (pid)
		return pause();
	close(fam->go_far);
	while (read(fam->go, &c, 1) == 1) {
		int r = read_secret(NULL);

		if (write(fam->ready, &r, sizeof(r)) < 0)
			break;
	}
	_exit(0);
}

static int ask(const int go[2], const int ready[2])
{
	int r = -EPROTO;

	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(read(ready[0], &r, sizeof(r)), sizeof(r));
	return r;
}

static void test_the_child_of_a_killed_leader_is_denied_at_once(void **state)
{
	int go[2], ready[2], done;
	struct family fam;
	siginfo_t dead;
	pid_t leader;

	fixture_stop(&f);
	fixture_start(&f, NO_SESSION);
	assert_int_equal(write_file(path_below(&f, "secret"), "secret"), 0);
	assert_int_equal(chmod(path_below(&f, "secret"), 0644), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC) | pipe2(ready, O_CLOEXEC), 0);
	fam = (struct family){ .go = go[0], .go_far = go[1], .ready = ready[1] };
	leader = child_start(MEMBER, lead, &fam, &done);
	assert_int_equal(ask(go, ready), -EACCES);
	fixture_add(&f, leader);
	assert_int_equal(ask(go, ready), 0);
	assert_int_equal(ask(go, ready), 0);
	kill(leader, SIGKILL);
	/* Dead, but not reaped yet: a zombie leads nobody. */
	assert_int_equal(waitid(P_PID, leader, &dead, WEXITED | WNOWAIT), 0);
	assert_int_equal(ask(go, ready), -EACCES);
	run_wait(leader);
	assert_int_equal(ask(go, ready), -EACCES);
	close(go[1]);
	close(go[0]);
	close(ready[0]);
	close(ready[1]);
	child_result(done);
}

/* Gives @arg's number to a new process, by writing ns_last_pid's place into the kernel. */
static pid_t fork_with_pid(pid_t want, int (*fn)(void *), void *arg, int *ret_done)
{
	for (int i = 0; i < 200; i++) {
		autoclose int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
		char text[16];
		int n = snprintf(text, sizeof(text), "%d", want - 1), done;
		pid_t pid;

		if (fd < 0 || write(fd, text, n) != n)
			return -1;
		pid = child_start(MEMBER, fn, arg, &done);
		if (pid == want) {
			*ret_done = done;
			return pid;
		}
		kill(pid, SIGKILL);
		run_wait(pid);
		close(done);
	}
	return -1;
}

static void test_a_recycled_number_inherits_nothing(void **state)
{
	int go[2], done;
	pid_t leader, again;

	fixture_stop(&f);
	fixture_start(&f, NO_SESSION);
	assert_int_equal(write_file(path_below(&f, "secret"), "secret"), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	leader = child_start(MEMBER, keep_open, &go[0], &done);
	fixture_add(&f, leader);
	kill(leader, SIGKILL);
	run_wait(leader);
	close(done);
	again = fork_with_pid(leader, read_secret, NULL, &done);
	close(go[0]);
	close(go[1]);
	if (again < 0)
		skip();
	assert_int_equal(child_result(done), -EACCES);
	run_wait(again);
}

static void test_a_process_in_a_namespace_of_its_own_is_known_by_its_outer_number(void **state)
{
	int r;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWPID) < 0)
			_exit(77);
		r = as(MEMBER, read_secret, NULL);
		_exit(r == 0 ? 0 : 1);
	}
	r = run_wait(pid);
	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

static int sit_and_getcwd(void *arg)
{
	char buf[512], c;

	if (chdir(path_in(&f, "d")) < 0)
		return -errno;
	if (read(*(int *)arg, &c, 1) != 1)
		return -EPROTO;
	return syscall(SYS_getcwd, buf, sizeof(buf)) < 0 ? -errno : 0;
}

static int stat_inner(void *arg)
{
	struct stat st;

	return stat(path_in(&f, "d"), &st) < 0 ? -errno : 0;
}

static void test_an_outsider_cannot_take_a_members_working_directory_away(void **state)
{
	int go[2], done, r;
	pid_t pid;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = child_start(MEMBER, sit_and_getcwd, &go[0], &done);
	usleep(200000);
	assert_int_equal(as(OUTSIDER, stat_inner, NULL), -EACCES);
	assert_int_equal(write(go[1], "x", 1), 1);
	r = child_result(done);
	run_wait(pid);
	close(go[0]);
	close(go[1]);
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_member_reads_and_writes),
		T(test_the_same_user_outside_the_session_is_denied_everything),
		T(test_root_outside_the_session_is_denied_everything),
		T(test_root_that_becomes_the_owner_is_denied),
		T(test_threads_and_vfork_children_get_the_verdict_of_their_process),
		T(test_an_io_uring_worker_gets_the_verdict_of_its_process),
		T(test_an_outsider_cannot_reopen_a_members_descriptor),
		T(test_a_session_ends_with_its_leader),
		T(test_the_child_of_a_killed_leader_is_denied_at_once),
		T(test_a_recycled_number_inherits_nothing),
		T(test_a_process_in_a_namespace_of_its_own_is_known_by_its_outer_number),
		T(test_an_outsider_cannot_take_a_members_working_directory_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
