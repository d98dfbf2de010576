#include "tests/callers_fixture.h"

#include <pthread.h>
#include <sys/mman.h>

#include "enclave/base/io.h"
#include "tazfs/slow.h"

/* The fixture's directory is not root's alone when somebody else runs this: paths there are taken
 * as they are, and /usr for what only root writes. */
#define SCRIPTS (FACT_EXE | FACT_SCRIPT)

static void write_file(const char *name, const char *text, mode_t mode)
{
	autoclose int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static char path_buf[4][128];

/* The absolute path of a name in the test's directory. */
static const char *at(const char *name)
{
	static int i;
	char *path = path_buf[i++ % 4];

	snprintf(path, sizeof(path_buf[0]), "%s/%s", dir, name);
	return path;
}

/* Runs @argv and says when the script does, by a byte on descriptor 9; it then sleeps. */
static pid_t run(const char *path, char *const argv[])
{
	pid_t pid;
	char byte;
	int p[2];

	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(p[1], 9);
		execv(path, argv);
		_exit(1);
	}
	close(p[1]);
	assert_int_equal(read(p[0], &byte, 1), 1);
	close(p[0]);
	return pid;
}

#define SAY_AND_SLEEP "echo -n x >&9\nread a < fifo\n"

static int setup_script(void **state)
{
	if (setup(state) < 0)
		return -1;
	callers_set_classifier(c, SCRIPTS, note, NULL);
	if (mkfifo("fifo", 0600) < 0 || mkfifo("fifo2", 0600) < 0)
		return -1;
	lead(getpid(), 0);
	write_file("good", "#!/bin/bash\n" SAY_AND_SLEEP, 0755);
	write_file("evil", "#!/bin/bash\n" SAY_AND_SLEEP, 0755);
	return 0;
}

static bool runs(pid_t pid, const char *comm)
{
	autoclose int fd = proc_open(pid);
	char text[64];

	return io_read_text(fd, "comm", text, sizeof(text)) > 0 &&
	       !strncmp(text, comm, strlen(comm));
}

static void look_at(pid_t pid)
{
	caller_look(c, pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool is(const char *path)
{
	return seen.chain[0].script.ino && seen.chain[0].script.ino == id_of(path).ino &&
	       seen.chain[0].script.dev == id_of(path).dev;
}

static void test_a_script_that_the_kernel_runs_is_known(void **state)
{
	const char *good = at("good");

	look_at(run(good, (char *[]){ (char *)good, NULL }));
	assert_true(is("good"));
	assert_false(seen.chain[0].doubt);
	assert_runs(seen.chain[0], "/bin/bash");
}

static void test_a_script_that_is_given_to_its_interpreter_is_known(void **state)
{
	look_at(run("/bin/bash", (char *[]){ "bash", (char *)at("good"), "-c", NULL }));
	assert_true(is("good"));
	assert_false(seen.chain[0].doubt);
}

static void test_code_on_the_command_line_is_no_script_whatever_follows(void **state)
{
	look_at(run("/bin/bash",
		    (char *[]){ "bash", "-c", SAY_AND_SLEEP, (char *)at("good"), NULL }));
	assert_int_equal(seen.chain[0].script.ino, 0);
	assert_false(seen.chain[0].doubt);
}

static void test_a_relative_path_is_a_guess(void **state)
{
	look_at(run("/bin/bash", (char *[]){ "bash", "good", NULL }));
	assert_true(is("good"));
	assert_true(seen.chain[0].doubt);
}

/* Started as "x", which led to the evil one; it is turned before it asks. */
static void test_a_link_that_can_have_been_turned_is_a_guess(void **state)
{
	pid_t pid;

	assert_int_equal(chown(dir, 1000, 1000), 0);
	assert_int_equal(symlink("evil", "x"), 0);
	pid = run("/bin/bash", (char *[]){ "bash", (char *)at("x"), NULL });
	unlink("x");
	assert_int_equal(symlink("good", "x"), 0);
	look_at(pid);
	assert_true(is("good"));
	assert_true(seen.chain[0].doubt);
}

static void test_a_link_in_the_middle_of_the_path_is_a_guess(void **state)
{
	assert_int_equal(symlink(".", "sub"), 0);
	look_at(run("/bin/bash", (char *[]){ "bash", (char *)at("sub/good"), NULL }));
	assert_true(is("good"));
	assert_true(seen.chain[0].doubt);
}

static void test_a_link_that_only_root_can_turn_is_as_good_as_the_file(void **state)
{
	if (getuid())
		skip();
	assert_int_equal(symlink("good", "x"), 0);
	look_at(run("/bin/bash", (char *[]){ "bash", (char *)at("x"), NULL }));
	assert_true(is("good"));
	assert_false(seen.chain[0].doubt);
}

static void test_another_script_in_the_same_process_is_seen_at_once(void **state)
{
	const char *good = at("good");
	pid_t pid;
	int fd;

	write_file("first", "#!/bin/bash\necho -n x >&9\nread a < fifo\nexec bash good\n", 0755);
	write_file("good", "#!/bin/bash\necho done > said\nread a < fifo2\n", 0755);
	pid = run(at("first"), (char *[]){ "first", NULL });
	caller_look(c, pid);
	assert_true(is("first"));
	assert_int_equal(asked, 1);
	caller_look(c, pid);
	assert_int_equal(asked, 1);
	fd = open("fifo", O_WRONLY);
	assert_int_equal(write(fd, "x\n", 2), 2);
	close(fd);
	for (int i = 0; i < 200 && access("said", F_OK) < 0; i++)
		usleep(10000);
	look_at(pid);
	assert_int_equal(asked, 2);
	assert_true(is(good));
	assert_true(seen.chain[0].doubt);
}

static void test_arguments_that_are_written_over_are_unknown(void **state)
{
	pid_t pid;

	write_file("t.pl", "$0 = 'claude'; open(F, '>&=', 9); syswrite(F, 'x'); sleep 60;\n", 0644);
	if (access("/usr/bin/perl", X_OK) < 0)
		skip();
	pid = run("/usr/bin/perl", (char *[]){ "perl", (char *)at("t.pl"), NULL });
	look_at(pid);
	assert_int_equal(seen.chain[0].script.ino, 0);
	assert_true(seen.chain[0].doubt);
}

static void test_the_scripts_of_ancestors_are_told_too(void **state)
{
	pid_t pid, kid;
	char text[16] = "";
	int fd;

	callers_set_classifier(c, SCRIPTS | FACT_CHAIN, note, NULL);
	write_file("good", "#!/bin/bash\nsleep 60 & echo $! > pid; echo -n x >&9\nwait\n", 0755);
	pid = run(at("good"), (char *[]){ "good", NULL });
	fd = open("pid", O_RDONLY);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	kid = atoi(text);
	for (int i = 0; i < 200 && !runs(kid, "sleep"); i++)
		usleep(10000);
	caller_look(c, kid);
	assert_int_equal(seen.n_chain, 3);
	assert_int_equal(seen.chain[1].pid, pid);
	assert_int_equal(seen.chain[1].script.ino, id_of("good").ino);
	assert_int_equal(seen.chain[0].script.ino, 0);
	assert_false(seen.chain[0].doubt);
	kill(kid, SIGKILL);
	end(pid);
}

static void test_what_a_person_is_told_is_bounded_and_complete(void **state)
{
	struct caller_text t;
	struct facts f;
	const char *good = at("good");
	pid_t pid = run("/bin/bash", (char *[]){ "bash", (char *)good, "two words", NULL });

	assert_int_equal(callers_facts(c, pid, SCRIPTS, &f), 0);
	assert_int_equal(caller_text(&f.chain[0], &t), 0);
	assert_non_null(strstr(t.exe, "/bash"));
	assert_string_equal(t.script, good);
	assert_string_equal(t.comm, "bash");
	assert_string_equal(t.args, "bash");
	assert_int_equal(t.args_size, 5 + strlen(good) + 1 + 10);
	assert_string_equal(t.args + t.args_size - 10, "two words");
	assert_false(t.args_cut);
	end(pid);
	assert_int_equal(caller_text(&f.chain[0], &t), -ESRCH);
}

static void test_arguments_that_are_too_long_are_cut(void **state)
{
	struct caller_text t;
	struct facts f;
	char *big = malloc(5000);
	pid_t pid;

	memset(big, 'a', 4999);
	big[4999] = '\0';
	pid = run("/bin/bash", (char *[]){ "bash", (char *)at("good"), big, NULL });
	assert_int_equal(callers_facts(c, pid, SCRIPTS, &f), 0);
	assert_int_equal(caller_text(&f.chain[0], &t), 0);
	assert_true(t.args_cut);
	assert_int_equal(t.args_size, sizeof(t.args));
	assert_int_equal(t.args[t.args_size - 1], 0);
	end(pid);
	free(big);
}

static int leave[2];
static bool had_others;

/* Until the end is closed in the other table. */
static void hang(void *arg, int fd)
{
	char byte;

	had_others = read(fd, &byte, 1) || fcntl(STDERR_FILENO, F_GETFD) >= 0;
}

static void *hang_apart(void *arg)
{
	had_others = true;
	slow_run(SLOW_LOOK, hang, NULL, leave[0]);
	return NULL;
}

static void test_a_reading_that_hangs_costs_the_others_an_answer_and_no_more(void **state)
{
	pid_t pid = run("/bin/bash", (char *[]){ "bash", (char *)at("good"), NULL });
	pthread_t thread;

	assert_int_equal(pipe2(leave, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, hang_apart, NULL), 0);
	usleep(100000); /* somebody else is inside, and stays there */
	caller_look(c, pid);
	assert_int_equal(seen.chain[0].script.ino, 0);
	assert_true(seen.chain[0].doubt);
	close(leave[1]);
	pthread_join(thread, NULL);
	close(leave[0]);
	assert_false(had_others);
	/* It was not remembered. */
	look_at(pid);
	assert_true(is("good"));
	assert_false(seen.chain[0].doubt);
}

/* --- the environment --- */

static bool clean_with(char *const env[])
{
	pid_t pid;
	char byte;
	int p[2];

	callers_set_classifier(c, FACT_ENV, note, NULL);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		execve("/bin/sleep", (char *[]){ "sleep", "60", NULL }, env);
		_exit(1);
	}
	close(p[1]);
	assert_int_equal(read(p[0], &byte, 1), 0);
	close(p[0]);
	look_at(pid);
	return seen.clean_env;
}

static void test_a_variable_that_loads_code_is_seen(void **state)
{
	assert_true(clean_with((char *[]){ "PATH=/bin", "HOME=/", NULL }));
	assert_true(clean_with((char *[]){ NULL }));
	assert_false(clean_with((char *[]){ "PATH=/bin", "LD_PRELOAD=/none.so", NULL }));
	assert_false(clean_with((char *[]){ "HOME=/", "NODE_OPTIONS=-r x", NULL }));
}

static void test_the_same_program_with_another_environment_is_seen_at_once(void **state)
{
	pid_t pid;
	char byte;
	int p[2];

	callers_set_classifier(c, FACT_ENV, note, NULL);
	write_file("again",
		   "#!/bin/bash\necho -n x >&9\nread a < fifo\n"
		   "LD_AUDIT= exec bash -c 'echo -n x >&9; read a < fifo2'\n",
		   0755);
	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 9);
		execve("/bin/bash", (char *[]){ "bash", "again", NULL },
		       (char *[]){ "PATH=/bin:/usr/bin", NULL });
		_exit(1);
	}
	assert_int_equal(read(p[0], &byte, 1), 1);
	caller_look(c, pid);
	assert_true(seen.clean_env);
	close(open("fifo", O_WRONLY));
	assert_int_equal(read(p[0], &byte, 1), 1);
	look_at(pid);
	assert_false(seen.clean_env);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup_script, teardown)
		T(test_a_script_that_the_kernel_runs_is_known),
		T(test_a_script_that_is_given_to_its_interpreter_is_known),
		T(test_code_on_the_command_line_is_no_script_whatever_follows),
		T(test_a_relative_path_is_a_guess),
		T(test_a_link_that_can_have_been_turned_is_a_guess),
		T(test_a_link_in_the_middle_of_the_path_is_a_guess),
		T(test_a_link_that_only_root_can_turn_is_as_good_as_the_file),
		T(test_another_script_in_the_same_process_is_seen_at_once),
		T(test_arguments_that_are_written_over_are_unknown),
		T(test_the_scripts_of_ancestors_are_told_too),
		T(test_what_a_person_is_told_is_bounded_and_complete),
		T(test_arguments_that_are_too_long_are_cut),
		T(test_a_reading_that_hangs_costs_the_others_an_answer_and_no_more),
		T(test_a_variable_that_loads_code_is_seen),
		T(test_the_same_program_with_another_environment_is_seen_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
