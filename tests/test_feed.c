/* A child that tells through pipes, and ends with us. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/io.h"
#include "tazfs/feed.h"

static void begin(struct feed *f, int (*run)(void *arg), void *arg)
{
	assert_int_equal(feed_start(f, run, arg), 0);
}

static void hear_all(struct feed *f)
{
	while (feed_hear(f))
		;
}

static int tell(void *arg)
{
	fprintf(stderr, "not this\n");
	fprintf(stderr, "%s\n", (const char *)arg);
	printf("told");
	return 0;
}

static void test_what_it_prints_comes_through_and_its_last_words_are_kept(void **state)
{
	struct feed f = FEED_NONE;
	char text[16] = "";

	begin(&f, tell, "the last line");
	assert_int_equal(io_read_full(f.out, text, sizeof(text)), 4);
	assert_string_equal(text, "told");
	feed_end(&f);
	assert_int_equal(f.pid, 0);
	assert_string_equal(f.said, "the last line");
	feed_end(&f); /* of nothing */
}

static int chatter(void *arg)
{
	for (int i = 0; i < 100000; i++)
		fputc('x', stderr);
	fputs("\n", stderr);
	return 0;
}

static void test_words_without_end_are_cut(void **state)
{
	struct feed f = FEED_NONE;

	begin(&f, chatter, NULL);
	hear_all(&f);
	assert_int_equal(strlen(f.said), FEED_SAID - 1);
	feed_end(&f);
}

static int look_at_signals(void *arg)
{
	sigset_t set;
	char c;

	sigprocmask(SIG_SETMASK, NULL, &set);
	if (sigismember(&set, SIGTERM) || read(STDIN_FILENO, &c, 1) != 0)
		return 1;
	raise(SIGTERM);
	return 2;
}

static void handler(int sig)
{
}

static void test_it_has_no_handler_nothing_blocked_and_no_input(void **state)
{
	struct feed f = FEED_NONE;
	sigset_t set, before;
	int status;

	signal(SIGTERM, handler);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	begin(&f, look_at_signals, NULL);
	hear_all(&f);
	assert_int_equal(waitpid(f.pid, &status, 0), f.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	f.pid = 0;
	close(f.out);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGTERM, SIG_DFL);
}

static int stay(void *arg)
{
	if (write(STDOUT_FILENO, "!", 1) != 1)
		return 1;
	for (;;)
		pause();
	return 0;
}

static void test_one_that_stays_is_ended(void **state)
{
	struct feed f = FEED_NONE;
	pid_t pid;

	begin(&f, stay, NULL);
	pid = f.pid;
	feed_end(&f);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

/* In a process in between, which is killed; the pipe's end is the child's end. */
static void test_it_ends_with_whoever_began_it_however_that_ends(void **state)
{
	int life[2];
	struct pollfd p;
	pid_t pid;

	assert_int_equal(pipe(life), 0);
	pid = fork();
	if (pid == 0) {
		struct feed f = FEED_NONE;
		char c;

		close(life[0]);
		/* Not before it runs: what it then looks at itself is another matter. */
		if (feed_start(&f, stay, NULL) < 0 || read(f.out, &c, 1) != 1)
			_exit(1);
		raise(SIGKILL);
	}
	close(life[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	p = (struct pollfd){ .fd = life[0], .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(p.revents & POLLHUP);
	close(life[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_prints_comes_through_and_its_last_words_are_kept),
		cmocka_unit_test(test_words_without_end_are_cut),
		cmocka_unit_test(test_it_has_no_handler_nothing_blocked_and_no_input),
		cmocka_unit_test(test_one_that_stays_is_ended),
		cmocka_unit_test(test_it_ends_with_whoever_began_it_however_that_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
