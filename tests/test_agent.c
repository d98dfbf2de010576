/* The agent, a relay and the host's end together, without a keeper: programs outside sessions. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "launcher/attach.h"
#include "launcher/frame_io.h"
#include "tests/agent_fixture.h"

static char dir[64], sock_path[128], mark[128];
static pid_t agent;

static void msleep(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/taz-agent-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(sock_path, sizeof(sock_path), "%s/agent.sock", dir);
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	agent = agent_start(sock_path);
	return agent < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char cmd[128];

	kill(agent, SIGKILL);
	run_wait(agent);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}

static int dial(void)
{
	int fd = msg_connect(sock_path, SOCK_STREAM);

	assert_true(fd >= 0);
	assert_int_equal(frame_hello_wait(fd, 3000), 0);
	return fd;
}

static struct request exec_sh(const char *script, unsigned flags)
{
	return (struct request){ .kind = REQUEST_EXEC,
				 .user = REQUEST_ROOT,
				 .flags = flags,
				 .rows = 33,
				 .cols = 77,
				 .cwd = dir,
				 .term = "vt100",
				 .lang = "xx_YY.nonsense",
				 .colorterm = "",
				 .tz = "",
				 .argc = 3,
				 .argv = { "sh", "-c", script } };
}

static char out[4096], err[4096];

static void slurp(int mem, char *buf)
{
	ssize_t n = io_pread_full(mem, buf, 4095, 0);

	buf[n < 0 ? 0 : n] = '\0';
	close(mem);
}

/* Runs it without a terminal; what it printed is in out and err. */
static int run_sh(const char *script, int in)
{
	static struct request req;
	int o = memfd_create("o", MFD_CLOEXEC), e = memfd_create("e", MFD_CLOEXEC), r;

	req = exec_sh(script, 0);
	r = attach_run(dial(), &req, &(struct attach){ in, o, e, NULL });
	slurp(o, out);
	slurp(e, err);
	return r;
}

static void test_the_exit_code_is_the_programs(void **state)
{
	assert_int_equal(run_sh("exit 0", -1), 0);
	assert_int_equal(run_sh("exit 7", -1), 7);
	assert_int_equal(run_sh("kill -9 $$", -1), 137);
	assert_int_equal(run_sh("exec /no/such/program", -1), 127);
}

static void test_a_missing_program_is_127_and_no_program_126(void **state)
{
	static struct request req;

	req = exec_sh("", 0);
	req.argv[0] = "no-such-program";
	assert_int_equal(attach_run(dial(), &req, &(struct attach){ -1, 1, 2, NULL }), 127);
	req.argv[0] = "/etc/passwd";
	assert_int_equal(attach_run(dial(), &req, &(struct attach){ -1, 1, 2, NULL }), 126);
}

static void test_streams_stay_apart_and_end(void **state)
{
	assert_int_equal(run_sh("echo to-out; echo to-err >&2; cat", -1), 0);
	assert_string_equal(out, "to-out\n");
	assert_string_equal(err, "to-err\n");
}

static void test_megabytes_go_through_unchanged(void **state)
{
	int in = memfd_create("in", MFD_CLOEXEC);
	char block[4096];

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 512; i++)
		assert_int_equal(io_write_full(in, block, sizeof(block)), 0);
	lseek(in, 0, SEEK_SET);
	/* Often: what comes together with the request once stayed in the relay's buffer for ever.
	 */
	for (int i = 0; i < 20; i++) {
		lseek(in, 0, SEEK_SET);
		assert_int_equal(run_sh("cat | cat | wc -c", in), 0);
		assert_string_equal(out, "2097152\n");
	}
	close(in);
}

static void test_a_program_that_does_not_read_does_not_block_its_end(void **state)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	assert_int_equal(run_sh("sleep 0.2; exit 4", zero), 4);
	assert_int_equal(run_sh("exec 0<&-; sleep 0.2; exit 5", zero), 5);
	close(zero);
}

static void test_the_environment_is_built_and_no_descriptor_leaks(void **state)
{
	setenv("TAZ_LEAK", "1", 1);
	assert_int_equal(
		run_sh("env | cut -d= -f1 | grep -v -e '^_$' -e PWD -e SHLVL | sort | xargs", -1),
		0);
	assert_string_equal(out, "HOME LANG LOGNAME PATH SHELL TERM USER\n");
	/* What ls got, and 3 is its own: the shell that makes a pipe has its ends for a moment. */
	assert_int_equal(run_sh("echo $LANG $TERM; pwd; ls -1 /proc/self/fd | xargs", -1), 0);
	assert_non_null(strstr(out, "C.UTF-8 vt100\n/tmp/taz-agent-"));
	assert_non_null(strstr(out, "\n0 1 2 3\n"));
}

static void test_a_closed_reader_is_sigpipe_for_the_program(void **state)
{
	static struct request req;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	close(p[0]);
	req = exec_sh("yes; exit 3", 0);
	req.argv[0] = "yes";
	req.argc = 1;
	assert_int_equal(attach_run(dial(), &req, &(struct attach){ -1, p[1], -1, NULL }),
			 128 + SIGPIPE);
	close(p[1]);
}

/* --- what whoever is root inside may have written ----------------------------------------------
 */

static int capture(const char *script, int err_fd, char *buf, size_t size)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };

	return attach_capture(dial(), argv, err_fd, buf, size);
}

static void test_words_for_a_person_cannot_steer_his_terminal(void **state)
{
	static const char script[] =
		"printf 'a\\033[2Jb\\r\\n\\tc\\302\\233d\\000e\\342\\200\\256f \\303\\274\\n';"
		"printf 'x\\033]52;c;eA==\\007y\\n' >&2";
	static const char want[] = "a?[2Jb?\n\tc??d?e???f \303\274\n";
	static struct request req;
	int o = memfd_create("o", MFD_CLOEXEC), e = memfd_create("e", MFD_CLOEXEC);
	struct attach a = { .in = -1, .out = o, .err = e, .clean_out = true, .clean_err = true };

	req = exec_sh(script, 0);
	assert_int_equal(attach_run(dial(), &req, &a), 0);
	slurp(o, out);
	slurp(e, err);
	assert_string_equal(out, want);
	assert_string_equal(err, "x?]52;c;eA==?y\n");
}

static void test_captured_words_and_complaints_are_plain(void **state)
{
	int e = memfd_create("e", MFD_CLOEXEC);
	char text[64];

	assert_int_equal(
		capture("printf 'a\\033[2Jb\\n'; printf 'c\\033d\\n' >&2", e, text, sizeof(text)),
		0);
	slurp(e, err);
	assert_string_equal(text, "a?[2Jb\n");
	assert_string_equal(err, "c?d\n");
}

static void test_what_is_captured_takes_no_more_memory_than_it_has_room(void **state)
{
	int e = memfd_create("e", MFD_CLOEXEC);
	char text[5000], script[256];

	/* It looks at our file itself: afterwards that is gone. */
	snprintf(
		script, sizeof(script),
		"head -c 8000000 /dev/zero | tr '\\0' x; for f in /proc/%d/fd/*; do "
		"case $(readlink $f) in *taz-capture*) stat -Lc %%s $f >&2;; esac; done; echo more; exit 3",
		getpid());
	assert_int_equal(capture(script, e, text, sizeof(text)), 3);
	slurp(e, err);
	assert_string_equal(err, "8192\n");
	assert_int_equal(strlen(text), sizeof(text) - 1);
	assert_int_equal(strspn(text, "x"), sizeof(text) - 1);
}

/* --- the host as a process of its own, that can be killed ------------------------------------ */

static pid_t host(const char *script, unsigned flags, int in, int o)
{
	static struct request req;
	pid_t pid;

	req = exec_sh(script, flags);
	pid = fork();
	if (pid == 0) {
		int r = attach_run(dial(), &req, &(struct attach){ in, o, o, NULL });

		_exit(r < 0 ? 250 : r);
	}
	return pid;
}

static bool wait_mark(const char *text, int ms)
{
	char buf[256];

	for (int i = 0; i <= ms / 20; i++) {
		if (io_read_text(AT_FDCWD, mark, buf, sizeof(buf)) > 0 && strstr(buf, text))
			return true;
		msleep(20);
	}
	return false;
}

static void test_a_signal_to_the_host_reaches_the_program(void **state)
{
	pid_t pid = host("trap 'exit 9' TERM; echo ready >mark; while :; do sleep 0.05; done", 0,
			 -1, -1);

	assert_true(wait_mark("ready", 20000));
	kill(pid, SIGTERM);
	assert_int_equal(run_wait(pid), 9);
}

static void killed_host(unsigned flags, int in)
{
	pid_t pid = host("trap 'echo hup >>mark; exit' HUP; echo ready >mark;"
			 "while :; do sleep 0.05; done",
			 flags, in, in);

	assert_true(wait_mark("ready", 20000));
	kill(pid, SIGKILL);
	run_wait(pid);
	assert_true(wait_mark("hup", 2000));
}

static void test_sighup_follows_a_killed_host(void **state)
{
	killed_host(0, -1);
}

static void test_sighup_follows_a_killed_host_on_a_terminal(void **state)
{
	int master, slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	killed_host(REQUEST_TTY, slave);
	close(master);
	close(slave);
}

static void test_who_ignores_sighup_is_killed_within_two_seconds(void **state)
{
	pid_t pid = host("trap '' HUP; echo $$ >mark; while :; do sleep 0.05; done", 0, -1, -1);
	char text[32];

	assert_true(wait_mark("\n", 20000));
	assert_true(io_read_text(AT_FDCWD, mark, text, sizeof(text)) > 0);
	kill(pid, SIGKILL);
	run_wait(pid);
	msleep(1000);
	assert_int_equal(kill(atoi(text), 0), 0);
	msleep(900);
	assert_int_equal(kill(atoi(text), 0), -1);
}

/* --- a terminal ------------------------------------------------------------------------------ */

static void read_until(int master, const char *text)
{
	size_t n = 0;

	while (n < sizeof(out) - 1 && !strstr(out, text)) {
		ssize_t got = read(master, out + n, sizeof(out) - 1 - n);

		if (got <= 0)
			fail_msg("the terminal ended before '%s': %s", text, out);
		n += got;
		out[n] = '\0';
	}
}

static void test_a_terminal_has_its_size_its_keys_and_is_put_back(void **state)
{
	struct winsize ws = { 33, 77, 0, 0 };
	struct termios before, after;
	int master, slave;
	pid_t pid;

	memset(out, 0, sizeof(out));
	assert_int_equal(openpty(&master, &slave, NULL, NULL, &ws), 0);
	tcgetattr(slave, &before);
	pid = host("test -t 0 && test -t 1 && test -t 2 && stty size; trap 'stty size' WINCH;"
		   "trap 'exit 6' INT; echo ready; while :; do sleep 0.05; done",
		   REQUEST_TTY, slave, slave);
	read_until(master, "33 77\r\nready");
	tcgetattr(slave, &after);
	assert_false(after.c_lflag & ICANON);
	ws.ws_col = 101;
	ioctl(slave, TIOCSWINSZ, &ws);
	kill(pid, SIGWINCH);
	read_until(master, "33 101");
	assert_int_equal(write(master, "\003", 1), 1);
	assert_int_equal(run_wait(pid), 6);
	tcgetattr(slave, &after);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_iflag, before.c_iflag);
	assert_int_equal(after.c_oflag, before.c_oflag);
	close(master);
	close(slave);
}

static void test_a_terminated_host_puts_its_terminal_back(void **state)
{
	struct termios before, after;
	int master, slave;
	pid_t pid;

	memset(out, 0, sizeof(out));
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	tcgetattr(slave, &before);
	pid = host("echo ready; sleep 60", REQUEST_TTY, slave, slave);
	read_until(master, "ready");
	kill(pid, SIGTERM);
	assert_int_equal(run_wait(pid), 128 + SIGTERM);
	tcgetattr(slave, &after);
	assert_int_equal(after.c_lflag, before.c_lflag);
	close(master);
	close(slave);
}

/* --- what should not come -------------------------------------------------------------------- */

static void test_garbage_ends_one_connection_and_no_more(void **state)
{
	static const char garbage[][9] = { "GET / HT", "\x21", "\xff\xff\xff\xff",
					   " \0\0\0\xff\xff\xff\xff" };

	for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
		int fd = dial();

		assert_true(write(fd, garbage[i], 8) > 0);
		close(fd);
	}
	assert_int_equal(run_sh("exit 8", -1), 8);
}

static int children(void)
{
	char path[64], text[512];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", agent, agent);
	n = io_read_text(AT_FDCWD, path, text, sizeof(text));
	return n < 0 ? -1 : n > 0;
}

static void test_many_at_once_leave_no_process_behind(void **state)
{
	pid_t pids[12];

	for (int i = 0; i < 12; i++)
		pids[i] = host("sleep 0.3; exit 11", 0, -1, -1);
	for (int i = 0; i < 12; i++)
		assert_int_equal(run_wait(pids[i]), 11);
	for (int i = 0; i < 100 && children(); i++)
		msleep(20);
	assert_int_equal(children(), 0);
}

static void test_a_folder_that_others_may_enter_is_refused(void **state)
{
	char path[140];

	assert_int_equal(chmod(dir, 0750), 0);
	snprintf(path, sizeof(path), "%s/other.sock", dir);
	assert_int_equal(agent_listen_unix(path), -EACCES);
	assert_int_equal(chmod(dir, 0700), 0);
}

#define WITH_AGENT(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_AGENT(test_the_exit_code_is_the_programs),
		WITH_AGENT(test_a_missing_program_is_127_and_no_program_126),
		WITH_AGENT(test_streams_stay_apart_and_end),
		WITH_AGENT(test_megabytes_go_through_unchanged),
		WITH_AGENT(test_a_program_that_does_not_read_does_not_block_its_end),
		WITH_AGENT(test_the_environment_is_built_and_no_descriptor_leaks),
		WITH_AGENT(test_a_closed_reader_is_sigpipe_for_the_program),
		WITH_AGENT(test_words_for_a_person_cannot_steer_his_terminal),
		WITH_AGENT(test_captured_words_and_complaints_are_plain),
		WITH_AGENT(test_what_is_captured_takes_no_more_memory_than_it_has_room),
		WITH_AGENT(test_a_signal_to_the_host_reaches_the_program),
		WITH_AGENT(test_sighup_follows_a_killed_host),
		WITH_AGENT(test_sighup_follows_a_killed_host_on_a_terminal),
		WITH_AGENT(test_who_ignores_sighup_is_killed_within_two_seconds),
		WITH_AGENT(test_a_terminal_has_its_size_its_keys_and_is_put_back),
		WITH_AGENT(test_a_terminated_host_puts_its_terminal_back),
		WITH_AGENT(test_garbage_ends_one_connection_and_no_more),
		WITH_AGENT(test_many_at_once_leave_no_process_behind),
		WITH_AGENT(test_a_folder_that_others_may_enter_is_refused),
	};

	alarm(120); /* a hang is a failure */
	if (geteuid() != 0)
		return 77; /* the agent serves root only */
	return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
