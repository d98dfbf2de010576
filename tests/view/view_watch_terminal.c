/* The terminal that "tazfs watch" is given: any of any size, left as it was, whatever happens. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "watcher.h"

static void size_to(unsigned short rows, unsigned short cols)
{
	const struct winsize size = { .ws_row = rows, .ws_col = cols };

	assert_int_equal(ioctl(w.tty, TIOCSWINSZ, &size), 0);
}

static void test_any_size_is_drawn_on(void **state)
{
	static const unsigned short sizes[][2] = {
		{ 1, 1 },  { 2, 3 },	     { 3, 9 }, { 4, 12 },
		{ 5, 40 }, { 65535, 65535 }, { 0, 0 }, { 50, 20 }
	};

	refused("ssh/id", 1);
	watch();
	sees("ssh/id");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_to(sizes[i][0], sizes[i][1]);
		type("j?jjqd\rx/a\033lnGg");
		for (int k = 0; k < 5; k++)
			assert_true(look(100));
	}
	size_to(ROWS, COLS);
	vt52_init(&w.shown, ROWS, COLS);
	type("\f");
	sees("ssh/id");
	sees("q quit");
	quits();
}

static void test_every_signal_gives_the_terminal_back(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGQUIT };

	for (size_t i = 0; i < 3; i++) {
		watch_with((char *[]){ "TERM=xterm", NULL }, NULL);
		while (!was_written("the view starts"))
			assert_true(look(100));
		assert_true(was_written("\033[?1049h"));
		assert_false(was_written("\033[?1049l"));
		kill(w.pid, signals[i]);
		assert_int_equal(ends() & 127, signals[i]);
		assert_true(was_written("\033[?1049l")); /* the other screen is left */
	}
}

/* Neither ^S nor, where no shell could let it go on, ^Z. */
static void test_no_key_stops_it_for_good_and_ctrl_c_ends_it(void **state)
{
	watch();
	sees("the view starts");
	type("\023");
	refused("ssh/id", 1);
	sees("ssh/id");
	type("\032");
	refused("ssh/other", 1);
	sees("ssh/other");
	type("\003");
	assert_int_equal(ends(), 0);
}

/* Whatever stopped it, the terminal may be in any state when it goes on. */
static void test_after_a_stop_the_terminal_is_taken_again(void **state)
{
	struct termios now;
	int status;

	watch();
	sees("the view starts");
	kill(w.pid, SIGSTOP);
	assert_int_equal(waitpid(w.pid, &status, WUNTRACED), w.pid);
	assert_int_equal(tcsetattr(w.tty, TCSANOW, &w.before), 0);
	kill(w.pid, SIGCONT);
	vt52_init(&w.shown, ROWS, COLS);
	sees("the view starts");
	assert_int_equal(tcgetattr(w.tty, &now), 0);
	assert_false(now.c_lflag & ECHO);
	quits();
}

static void run_shell(void)
{
	char *argv[] = { "bash", "--norc", "--noediting", "-i", NULL };
	char *env[] = { "TERM=vt52", "PS1=ready ", "PATH=/usr/bin:/bin", NULL };

	watcher_fork();
	if (w.pid == 0) {
		if (dup2(w.program, 9) == 9 && become_owner() == 0)
			execve("/bin/bash", argv, env);
		_exit(126);
	}
	sees("ready");
}

static void watch_from_shell(void)
{
	char command[256];

	snprintf(command, sizeof(command), "/proc/self/fd/9 watch %s\n", w.view.mnt);
	type(command);
	sees("the view starts");
}

static void test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again(void **state)
{
	run_shell();
	assert_int_equal(tcgetattr(w.tty, &w.before), 0);
	watch_from_shell();
	w.n = 0;
	type("\032");
	sees("Stopped");
	assert_true(was_written("\033>")); /* rmkx of its terminfo(5): what was begun is ended */
	type("echo $((20 + 22))\n");	   /* the shell's, and it echoes */
	sees("echo $");
	sees("42");
	type("fg\n");
	sees_no_more("42");
	sees("the view starts");
	type("q");
	sees("ready");
	type("exit\n");
	assert_int_equal(ends(), 0);
}

static int child_of(int pid)
{
	char path[64], text[64];
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	assert_true(io_read_text(AT_FDCWD, path, text, sizeof(text)) > 0);
	assert_int_equal(sscanf(text, "%d", &child), 1);
	return child;
}

/* The terminal belongs to another shell then. */
static void test_it_ends_when_its_shell_is_killed(void **state)
{
	int shell, watcher;

	run_shell();
	type("PS1='inner ' bash --norc --noediting -i\n");
	sees("inner ");
	watch_from_shell();
	shell = child_of(w.pid);
	watcher = child_of(shell);
	kill(shell, SIGKILL);
	for (int i = 0; kill(watcher, 0) == 0; i++) {
		assert_true(i < 100);
		look(50);
	}
}

static bool colours(const char *no_color)
{
	watch_with((char *[]){ "TERM=xterm-256color", (char *)no_color, NULL }, NULL);
	while (!was_written("ssh/id"))
		assert_true(look(100));
	quits();
	return was_written("[31m") || was_written("[1;31m") || was_written(";31m");
}

static void test_no_color_means_none(void **state)
{
	refused("ssh/id", 1);
	assert_true(colours(NULL));
	assert_true(colours("NO_COLOR="));
	assert_false(colours("NO_COLOR=1"));
}

/* A description of a terminal in the home directory, which others may have put there, is not read.
 */
static void test_only_the_system_describes_terminals(void **state)
{
	char dir[128], command[1024], home[160], terminfo[160];

	snprintf(dir, sizeof(dir), "%s/home", w.view.dir);
	snprintf(
		command, sizeof(command),
		"mkdir -p %s/.terminfo/v && infocmp vt100 | sed 's/^vt100[^,]*,/vt52|bad,/' >%s/t && "
		"tic -o %s/.terminfo %s/t 2>/dev/null && chmod -R a+rX %s",
		dir, dir, dir, dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(home, sizeof(home), "HOME=%s", dir);
	snprintf(terminfo, sizeof(terminfo), "TERMINFO=%s/.terminfo", dir);
	watch_with((char *[]){ "TERM=vt52", home, terminfo, NULL }, NULL);
	sees("the view starts");
	assert_false(w.shown.strange);
	quits();
}

static void test_a_terminal_that_cannot_show_it_is_refused(void **state)
{
	static char *const terms[] = { "TERM=dumb", "TERM=", "TERM=no-such-terminal",
				       "TERM=../v/vt52", "X=y" };

	for (size_t i = 0; i < sizeof(terms) / sizeof(*terms); i++) {
		watch_with((char *[]){ terms[i], NULL }, NULL);
		assert_int_equal(ends(), 2 << 8);
		assert_true(was_written("tazfs audit --follow"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, watcher_setup, watcher_teardown)
		T(test_any_size_is_drawn_on),
		T(test_every_signal_gives_the_terminal_back),
		T(test_no_key_stops_it_for_good_and_ctrl_c_ends_it),
		T(test_after_a_stop_the_terminal_is_taken_again),
		T(test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again),
		T(test_it_ends_when_its_shell_is_killed),
		T(test_no_color_means_none),
		T(test_only_the_system_describes_terminals),
		T(test_a_terminal_that_cannot_show_it_is_refused),
	};

	return cmocka_run_group_tests(tests, watcher_program, NULL);
}
