#include "tests/callers_fixture.h"

#include <dirent.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>

/* --- the classifier --- */

static void test_a_caller_is_judged_once_and_the_answer_is_kept(void **state)
{
	pid_t pid = start(NULL);

	lead(getpid(), 0);
	assert_int_equal(caller_look(c, pid).who.rules[0], 7);
	assert_int_equal(asked, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(caller_look(c, pid).who.rules[0], 7);
	assert_int_equal(asked, 1);
	end(pid);
}

static void test_somebody_of_no_session_is_judged_once_too(void **state)
{
	pid_t pid = start(NULL);

	for (unsigned needs = 0; needs < 2; needs++) {
		callers_set_classifier(c, needs ? ALL : 0, note, (void *)7);
		asked = 0;
		assert_int_equal(caller_look(c, pid).session, 0);
		assert_int_equal(caller_look(c, pid).who.rules[0], 7);
		assert_int_equal(asked, 1);
	}
	end(pid);
}

static void test_another_classifier_judges_everybody_anew(void **state)
{
	pid_t pid = start(NULL);

	lead(getpid(), 0);
	caller_look(c, pid);
	callers_set_classifier(c, 0, note, (void *)8);
	assert_int_equal(caller_look(c, pid).who.rules[0], 8);
	assert_int_equal(asked, 2);
	callers_set_classifier(c, ALL, NULL, NULL);
	assert_int_equal(caller_look(c, pid).who.rules[0], 0);
	assert_true(caller_look(c, pid).session);
	end(pid);
}

static void test_what_is_not_needed_is_not_read(void **state)
{
	pid_t pid = start(NULL);

	lead(getpid(), 0);
	callers_set_classifier(c, FACT_EXE, note, NULL);
	caller_look(c, pid);
	assert_int_equal(seen.n_chain, 1);
	assert_int_equal(seen.uid, (uid_t)-1);
	assert_true(seen.chain[0].known);
	end(pid);
}

static void test_who_is_gone_is_judged_by_nobody(void **state)
{
	pid_t pid = start(NULL);
	struct facts f;

	end(pid);
	assert_int_equal(caller_look(c, pid).who.rules[0], 0);
	assert_int_equal(asked, 0);
	assert_int_equal(callers_facts(c, pid, ALL, &f), -ESRCH);
	assert_int_equal(callers_facts(c, 0, ALL, &f), -ESRCH);
}

/* --- what it runs --- */

static void test_an_exec_of_another_program_is_seen_at_once(void **state)
{
	int p[2];
	char byte;
	pid_t pid;

	copy("/bin/sleep", "a");
	lead(getpid(), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raise(SIGSTOP);
		execl("a", "a", "60", (char *)NULL);
		_exit(1);
	}
	waitpid(pid, NULL, WUNTRACED);
	caller_look(c, pid);
	assert_runs(seen.chain[0], "/proc/self/exe");
	kill(pid, SIGCONT);
	close(p[1]);
	assert_int_equal(read(p[0], &byte, 1), 0);
	close(p[0]);
	assert_int_equal(caller_look(c, pid).who.rules[0], 7);
	assert_int_equal(asked, 2);
	assert_runs(seen.chain[0], "a");
	end(pid);
}

static void test_a_hard_link_and_a_rename_are_the_same_program(void **state)
{
	pid_t pid;

	copy("/bin/sleep", "a");
	assert_int_equal(link("a", "b"), 0);
	lead(getpid(), 0);
	pid = start("b");
	caller_look(c, pid);
	assert_runs(seen.chain[0], "a");
	assert_int_equal(rename("a", "elsewhere"), 0);
	caller_look(c, pid);
	assert_runs(seen.chain[0], "elsewhere");
	end(pid);
}

static void test_a_program_that_was_replaced_is_not_the_one_at_its_path(void **state)
{
	struct file_id first;
	pid_t pid;

	copy("/bin/sleep", "a");
	copy("/bin/sleep", "new");
	first = id_of("a");
	lead(getpid(), 0);
	pid = start("a");
	assert_int_equal(rename("new", "a"), 0);
	caller_look(c, pid);
	assert_true(seen.chain[0].known);
	assert_int_equal(seen.chain[0].exe.ino, first.ino);
	assert_int_not_equal(seen.chain[0].exe.ino, id_of("a").ino);
	end(pid);
}

static void test_a_program_in_memory_only_is_no_file_of_the_disk(void **state)
{
	autoclose int fd = memfd_create("x", 0);
	char path[64], cmd[128];
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	snprintf(cmd, sizeof(cmd), "cat /bin/sleep > %s", path);
	assert_int_equal(system(cmd), 0);
	lead(getpid(), 0);
	pid = start(path);
	caller_look(c, pid);
	assert_runs(seen.chain[0], path);
	assert_int_not_equal(seen.chain[0].exe.dev, id_of("/bin/sleep").dev);
	end(pid);
}

static void test_a_bind_mount_does_not_hide_what_it_is(void **state)
{
	int status;
	pid_t pid;

	copy("/bin/sleep", "a");
	copy("/bin/sleep", "good");
	pid = fork();
	if (pid == 0) {
		pid_t kid;

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		if (mount("a", "good", NULL, MS_BIND, NULL) < 0)
			_exit(77);
		lead(getpid(), 0);
		kid = start("good");
		caller_look(c, kid);
		end(kid);
		/* Where the mount is not, "a" is another file than what lies at "good". */
		umount("good");
		_exit(seen.chain[0].exe.ino == id_of("a").ino &&
				      seen.chain[0].exe.ino != id_of("good").ino
			      ? 0
			      : 1);
	}
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void *look_at_self(void *arg)
{
	*(struct caller *)arg = caller_look(c, gettid());
	return NULL;
}

static void test_a_thread_runs_what_its_process_runs(void **state)
{
	struct caller who;
	pthread_t t;

	lead(getpid(), 0);
	assert_int_equal(pthread_create(&t, NULL, look_at_self, &who), 0);
	pthread_join(t, NULL);
	assert_int_equal(who.who.rules[0], 7);
	assert_int_equal(seen.chain[0].pid, getpid());
	assert_runs(seen.chain[0], "/proc/self/exe");
	assert_true(seen.whole);
}

static void *outlive_main(void *arg)
{
	char byte = 'x';
	pid_t tid = gettid();

	usleep(50000); /* until the first thread has ended */
	if (write(*(int *)arg, &tid, sizeof(tid)) < 0)
		_exit(1);
	sleep(60);
	return (void *)(uintptr_t)byte;
}

/* Its first thread is a zombie, which the kernel says nothing of. */
static void test_a_process_whose_first_thread_has_ended_is_known_by_the_one_that_asks(void **state)
{
	pid_t pid, tid;
	int p[2];

	assert_int_equal(pipe(p), 0);
	lead(getpid(), 0);
	pid = fork();
	if (pid == 0) {
		pthread_t t;

		pthread_create(&t, NULL, outlive_main, &p[1]);
		pthread_exit(NULL);
	}
	assert_int_equal(read(p[0], &tid, sizeof(tid)), sizeof(tid));
	assert_int_equal(caller_look(c, tid).tgid, pid);
	assert_runs(seen.chain[0], "/proc/self/exe");
	assert_true(seen.session);
	end(pid);
	close(p[0]);
	close(p[1]);
}

/* vfork(2): until it execs the child runs in its parent's memory, under a number of its own. */
static void test_a_child_of_vfork_is_a_process_of_its_own(void **state)
{
	int go[2], at[2];
	pid_t parent, kid;
	char byte;

	copy("/bin/sleep", "a");
	lead(getpid(), 0);
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe2(at, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0) {
		pid_t pid;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		kid = vfork();
		if (kid == 0) {
			pid = (pid_t)syscall(SYS_getpid);
			if (write(at[1], &pid, sizeof(pid)) != sizeof(pid) ||
			    read(go[0], &byte, 1) != 1)
				_exit(1);
			execl("a", "a", "60", (char *)NULL);
			_exit(1);
		}
		for (;;)
			pause();
	}
	assert_int_equal(read(at[0], &kid, sizeof(kid)), sizeof(kid));
	assert_int_equal(caller_look(c, kid).tgid, kid);
	assert_runs(seen.chain[0], "/proc/self/exe");
	assert_int_equal(seen.chain[1].pid, parent);
	assert_int_equal(write(go[1], "x", 1), 1);
	close(at[1]);
	kill(parent, SIGSTOP);
	for (int i = 0; i < 200 && seen.chain[0].exe.ino != id_of("a").ino; i++) {
		usleep(10000);
		caller_look(c, kid);
	}
	assert_runs(seen.chain[0], "a");
	kill(kid, SIGKILL);
	end(parent);
	close(at[0]);
	close(go[0]);
	close(go[1]);
}

/* A read of an empty pipe that io_uring(7) was asked for as ASYNC: one of its workers waits in it.
 */
static int uring_read(int fd)
{
	struct io_uring_params params = { 0 };
	int ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	static char byte;
	unsigned *tail, *array;
	struct io_uring_sqe *sqes;
	char *sq;

	if (ring < 0)
		return -1;
	sq = mmap(NULL, params.sq_off.array + sizeof(unsigned), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	sqes = mmap(NULL, sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		    IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqes == MAP_FAILED)
		return -1;
	*sqes = (struct io_uring_sqe){ .opcode = IORING_OP_READ,
				       .flags = IOSQE_ASYNC,
				       .fd = fd,
				       .addr = (uintptr_t)&byte,
				       .len = 1 };
	array = (unsigned *)(void *)(sq + params.sq_off.array);
	tail = (unsigned *)(void *)(sq + params.sq_off.tail);
	array[0] = 0;
	__atomic_store_n(tail, 1, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) == 1 ? 0 : -1;
}

/* The kernel's workers are threads of the process, and are found beside its own. */
static pid_t other_thread(void)
{
	pid_t found = 0;
	DIR *task = opendir("/proc/self/task");

	for (struct dirent *d; task && (d = readdir(task));)
		if (atoi(d->d_name) > 0 && atoi(d->d_name) != getpid())
			found = atoi(d->d_name);
	if (task)
		closedir(task);
	return found;
}

static int look_at_uring_worker(void)
{
	pid_t tid = 0;
	int p[2];

	if (pipe(p) < 0 || uring_read(p[0]) < 0)
		return 77;
	for (int i = 0; i < 200 && !tid; i++) {
		usleep(10000);
		tid = other_thread();
	}
	if (!tid)
		return 77;
	return caller_look(c, tid).tgid == getpid() && seen.chain[0].known && seen.whole ? 0 : 1;
}

static void test_a_worker_of_io_uring_is_its_process(void **state)
{
	int r;

	lead(getpid(), 0);
	r = in_child(look_at_uring_worker);
	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

/* --- the rest of the facts --- */

static void test_user_terminal_and_tracer_are_told(void **state)
{
	pid_t pid = start(NULL);
	siginfo_t si;

	lead(getpid(), 0);
	caller_look(c, pid);
	assert_int_equal(seen.uid, getuid());
	assert_false(seen.traced);
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	caller_look(c, pid);
	assert_int_equal(asked, 2);
	assert_true(seen.traced);
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	waitid(P_PID, pid, &si, WSTOPPED);
	assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
	caller_look(c, pid);
	assert_false(seen.traced);
	end(pid);
}

static int look_without_terminal(void)
{
	setsid();
	caller_look(c, getpid());
	return seen.tty;
}

static int look_on_a_terminal(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);

	setsid();
	grantpt(fd);
	unlockpt(fd);
	caller_look(c, getpid());
	if (seen.tty || open(ptsname(fd), O_RDWR) < 0)
		return 2;
	caller_look(c, getpid());
	return seen.tty;
}

static void test_a_terminal_that_is_gained_is_seen_at_once(void **state)
{
	lead(getpid(), 0);
	assert_int_equal(in_child(look_without_terminal), 0);
	assert_int_equal(in_child(look_on_a_terminal), 1);
}

static void test_a_process_of_several_users_is_of_none(void **state)
{
	pid_t pid;

	if (getuid())
		skip();
	lead(getpid(), 0);
	pid = fork();
	if (pid == 0) {
		if (setresuid(1000, 0, 0) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	caller_look(c, pid);
	assert_int_equal(seen.uid, (uid_t)-1);
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_caller_is_judged_once_and_the_answer_is_kept),
		T(test_somebody_of_no_session_is_judged_once_too),
		T(test_another_classifier_judges_everybody_anew),
		T(test_what_is_not_needed_is_not_read),
		T(test_who_is_gone_is_judged_by_nobody),
		T(test_an_exec_of_another_program_is_seen_at_once),
		T(test_a_hard_link_and_a_rename_are_the_same_program),
		T(test_a_program_that_was_replaced_is_not_the_one_at_its_path),
		T(test_a_program_in_memory_only_is_no_file_of_the_disk),
		T(test_a_bind_mount_does_not_hide_what_it_is),
		T(test_a_thread_runs_what_its_process_runs),
		T(test_a_process_whose_first_thread_has_ended_is_known_by_the_one_that_asks),
		T(test_a_child_of_vfork_is_a_process_of_its_own),
		T(test_a_worker_of_io_uring_is_its_process),
		T(test_user_terminal_and_tracer_are_told),
		T(test_a_terminal_that_is_gained_is_seen_at_once),
		T(test_a_process_of_several_users_is_of_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
