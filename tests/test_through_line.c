/* What --through may be given with, and what is remembered here of a workshop elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "enclave/base/run.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"
#include "launcher/project.h"
#include "tests/through_fixture.h"

#define ID_A "0123456789abcdef0123456789abcdef"
#define ID_B "fedcba9876543210fedcba9876543210"

static int setup(void **state)
{
	if (through_begin() < 0 || setenv("TAZ_STATE", through_dir, 1) < 0)
		return -1;
	opts_init(launch_globals());
	return chdir(through_dir);
}

static int teardown(void **state)
{
	unsetenv("TAZ_STATE");
	unsetenv("TAZ_CONF");
	return chdir("/") < 0 ? -1 : through_end();
}

/* --- the line -------------------------------------------------------------------------------- */

static const struct cmd *const cmds[] = { &cmd_up,    &cmd_run,	    &cmd_lock,	   &cmd_status,
					  &cmd_down,  &cmd_history, &cmd_manifest, &cmd_build,
					  &cmd_enter, NULL };
static const struct cmd_program program = { .name = "tazlaunch", .cmds = cmds };

/* "tazlaunch WORD..." ends with @want, and what it says has @text in it. */
static void says(int want, const char *text, const char *const words[])
{
	char *argv[16] = { "tazlaunch" };
	const char *all;
	int n = 1, r;

	for (; words[n - 1]; n++)
		argv[n] = (char *)words[n - 1];
	opts_init(launch_globals());
	listen_to_stderr();
	r = cmd_main(&program, n, argv);
	all = heard();
	if (r != want || !strstr(all, text))
		fail_msg("%s: %d, and: %s", words[0], r, all);
}

#define SAYS(cmd, want, text, ...) says(want, text, (const char *const[]){ cmd, __VA_ARGS__, NULL })

static void test_a_command_that_is_none_is_a_wrong_line(void **state)
{
	SAYS("status", CMD_USAGE, "--through wants a command", "--through", "");
	SAYS("status", CMD_USAGE, "--through wants a command", "--through", " \t");
	SAYS("status", CMD_USAGE, "without quotes", "--through", "sh -c 'podman exec");
	SAYS("status", CMD_USAGE, "without quotes", "--through=kubectl exec \"pod\"");
	SAYS("status", CMD_USAGE, "--through", "--through");
}

static void test_what_starts_or_builds_takes_no_command(void **state)
{
	SAYS("up", CMD_USAGE, "is built, started and stopped there", "--through", "x");
	SAYS("down", CMD_USAGE, "is built, started and stopped there", "--through", "x");
	SAYS("build", CMD_USAGE, "is built, started and stopped there", "--through", "x");
	SAYS("manifest", CMD_USAGE, "is built, started and stopped there", "--through", "x");
	SAYS("run", CMD_USAGE, "--memory has no meaning with --through", "--through", "x",
	     "--memory", "2G", "--", "true");
	SAYS("lock", CMD_USAGE, "--engine has no meaning with --through", "--engine", "podman",
	     "--through", "x");
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* What a stranger's directory says must never be run: not with the option, and not without. */
static void test_no_file_names_a_command(void **state)
{
	struct opts o;

	command_is("echo >${0%/*}/ran");
	put(PROJECT_FILE, "through = /bin/true\n");
	opts_init(&o);
	assert_true(project_load(&o, OPT_UP | OPT_THROUGH) < 0);
	assert_null(o.through);
	unlink(PROJECT_FILE);
	put("host.conf", "through = /bin/true\n");
	setenv("TAZ_CONF", "host.conf", 1);
	assert_true(project_load(&o, OPT_UP | OPT_THROUGH) < 0);
	assert_null(o.through);
}

static void test_an_unknown_program_a_folder_and_an_early_end_are_said(void **state)
{
	SAYS("status", CMD_FAILED, "'/no/such/program' cannot be run", "--through",
	     "/no/such/program -i");
	SAYS("lock", CMD_FAILED, "cannot be run: Permission denied", "--through", through_dir);
	SAYS("status", CMD_FAILED, "'false' has ended with status 1", "--through", "false");
	SAYS("history", CMD_FAILED, "is not a workshop's greeting", "--through", "echo garbage!!");
	assert_nobody_left(1000);
}

/* may_look - may a process of uid 1000 read that one's memory? As much is asked for its environ. */
static bool may_look(pid_t at)
{
	char path[64];
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/%d/environ", at);
	pid = fork();
	if (!pid) {
		if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
			_exit(2);
		_exit(open(path, O_RDONLY | O_CLOEXEC) >= 0);
	}
	return run_wait(pid) == 1;
}

/* A user's tazlaunch has a passphrase in it, and the user has other programs. */
static void test_no_other_process_of_the_user_looks_into_it(void **state)
{
	char *const argv[] = { "tazlaunch", "line", "status", "--through", through_script, NULL };
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	pid_t pid;

	command_is(GREETING "exec sleep 60");
	assert_int_equal(chmod(through_dir, 0777), 0);
	assert_int_equal(chmod(through_script, 0755), 0);
	pid = fork();
	if (!pid) {
		if (setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0)
			fexecve(self, argv, environ);
		_exit(1);
	}
	close(self);
	assert_true(may_look(command_pid())); /* else this would be no proof */
	assert_false(may_look(pid));
	kill(pid, SIGKILL);
	run_wait(pid);
	assert_nobody_left(2500);
}

/* --- what is remembered ---------------------------------------------------------------------- */

static void is_at(const char *want)
{
	char buf[128];

	assert_int_equal(workshop_through_dir("far", buf, sizeof(buf)), 0);
	assert_string_equal(buf, want);
}

static void test_the_folder_is_beside_the_workshops_of_root_or_the_users_own(void **state)
{
	char buf[128];

	setenv("TAZ_STATE", "/s", 1);
	is_at("/s/.through/far");
	assert_int_equal(workshop_through_dir("far", buf, 15), -ENAMETOOLONG);
	assert_int_equal(workshop_through_dir("far", buf, 16), 0);
	setenv("TAZ_STATE", "s", 1);
	assert_int_equal(workshop_through_dir("far", buf, sizeof(buf)), -EINVAL);
	setenv("TAZ_STATE", "", 1);
	setenv("XDG_STATE_HOME", "/x", 1);
	is_at("/var/lib/taz/.through/far");
	assert_int_equal(seteuid(1000), 0);
	is_at("/x/taz/.through/far");
	unsetenv("XDG_STATE_HOME");
	setenv("HOME", "/h", 1);
	is_at("/h/.local/state/taz/.through/far");
	unsetenv("HOME");
	assert_int_equal(workshop_through_dir("far", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(seteuid(0), 0);
}

static void test_it_is_made_and_another_users_is_not_used(void **state)
{
	char dir[160], all[128];
	struct stat st;

	snprintf(all, sizeof(all), "%s/a/b/.through", through_dir);
	snprintf(dir, sizeof(dir), "%s/far", all);
	assert_int_equal(workshop_make_through_dir(dir), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(chmod(all, 0777), 0);
	assert_int_equal(workshop_make_through_dir(dir), 0);
	assert_int_equal(stat(all, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(chown(all, 1000, 1000), 0);
	assert_int_equal(workshop_make_through_dir(dir), -EACCES);
	assert_int_equal(chown(all, 0, 0), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(symlink("/tmp", dir), 0);
	assert_int_equal(workshop_make_through_dir(dir), -EACCES);
}

/* note - a status of elsewhere; returns what is said of it */
static const char *note(struct launch *l, unsigned long generation, const char *vault)
{
	char status[160];

	snprintf(status, sizeof(status), "{\"seen\":%lu,\"vault_id\":\"%s\"}", generation, vault);
	listen_to_stderr();
	launch_note_seen(l, status);
	return heard();
}

static void noted(const char *want)
{
	char text[128] = "";

	io_read_text(AT_FDCWD, ".through/far/seen", text, sizeof(text));
	assert_string_equal(text, want);
}

static struct launch *far(void)
{
	static struct launch l;

	l = (struct launch){ .o.name = "far", .o.through = "x" };
	assert_int_equal(workshop_through_dir("far", l.state_dir, sizeof(l.state_dir)), 0);
	return &l;
}

static void test_an_older_state_of_a_vault_elsewhere_is_warned_of(void **state)
{
	struct launch *l = far();

	assert_string_equal(note(l, 0, ""), "");
	assert_int_equal(access(".through", F_OK), -1);
	assert_string_equal(note(l, 7, ID_A), "");
	noted("7:" ID_A "\n");
	assert_int_equal(access("far", F_OK), -1); /* that would be a workshop's of this host */
	assert_string_equal(note(l, 8, ID_A), "");
	assert_non_null(
		strstr(note(l, 5, ID_A), "generation 5, and this host has seen generation 8"));
	noted("8:" ID_A "\n");
}

/* Whoever relays could name one: what was seen must not be forgotten for it. */
static void test_another_vault_is_said_and_takes_nothings_place(void **state)
{
	struct launch *l = far();

	assert_string_equal(note(l, 8, ID_A), "");
	assert_non_null(strstr(note(l, 9, ID_B), "another vault"));
	noted("8:" ID_A "\n");
	assert_int_equal(unlink(".through/far/seen"), 0);
	assert_string_equal(note(l, 2, ID_B), "");
	noted("2:" ID_B "\n");
}

static void test_what_is_odd_is_not_written_down(void **state)
{
	struct launch *l = far();

	assert_non_null(strstr(note(l, 9, "../../x"), "write down"));
	assert_int_equal(access(".through/far/seen", F_OK), -1);
	note(l, 8, ID_A);
	put(".through/far/seen", "nonsense\n");
	assert_string_equal(note(l, 9, ID_A), "");
	noted("nonsense\n");
}

/* The way is asked once: a COMMAND that broke is not started again for a note. */
static void test_a_way_that_broke_is_not_asked_again(void **state)
{
	struct launch *l = far();

	command_is("echo >${0%/*}/ran");
	l->o.through = through_script;
	l->engine = &engine_through;
	l->lost = true;
	launch_note_seen(l, NULL);
	assert_int_equal(access("ran", F_OK), -1);
	l->lost = false;
	listen_to_stderr();
	launch_note_seen(l, NULL);
	heard();
	assert_int_equal(access("pid", F_OK), 0);
}

static void test_a_manifest_tells_what_was_seen_elsewhere(void **state)
{
	char text[16384] = "";
	int fd, out;

	note(far(), 7, ID_A);
	fd = open("printed", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	assert_true(fd >= 0 && out >= 0);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	SAYS("manifest", CMD_DONE, "", "--name", "far", "--image",
	     "registry.example/taz@sha256:" ID_A ID_A);
	dup2(out, STDOUT_FILENO);
	close(out);
	assert_true(io_pread_full(fd, text, sizeof(text) - 1, 0) > 0);
	close(fd);
	assert_non_null(strstr(text, "\"7:" ID_A "\""));
	assert_non_null(
		strstr(text, "tazlaunch --name far --through 'kubectl exec -i taz-far -c workshop "
			     "--' enter\n"));
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		T(test_a_command_that_is_none_is_a_wrong_line),
		T(test_what_starts_or_builds_takes_no_command),
		T(test_no_file_names_a_command),
		T(test_an_unknown_program_a_folder_and_an_early_end_are_said),
		T(test_no_other_process_of_the_user_looks_into_it),
		T(test_the_folder_is_beside_the_workshops_of_root_or_the_users_own),
		T(test_it_is_made_and_another_users_is_not_used),
		T(test_an_older_state_of_a_vault_elsewhere_is_warned_of),
		T(test_another_vault_is_said_and_takes_nothings_place),
		T(test_what_is_odd_is_not_written_down),
		T(test_a_way_that_broke_is_not_asked_again),
		T(test_a_manifest_tells_what_was_seen_elsewhere),
	};

	through_role(argc, argv);
	if (argc > 1 && !strcmp(argv[1], "line")) {
		opts_init(launch_globals());
		return cmd_main(&program, argc - 1, argv + 1);
	}
	alarm(120); /* a hang is a failure */
	if (geteuid() != 0)
		return 77; /* it becomes somebody else for a while */
	return cmocka_run_group_tests_name("through_line", tests, NULL, NULL);
}
