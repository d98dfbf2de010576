/*
 * terminal - a person at a terminal, for the tests
 *
 *	terminal [SHOWN TYPED]... -- COMMAND...
 *
 * Runs COMMAND on a terminal of its own, 50 rows of 100 columns, and types TYPED as soon as SHOWN
 * has appeared after what was answered last. TYPED is literal but for \r, \n, \\ and \NNN (octal);
 * \s at its begin waits for a second first.
 * What the terminal shows goes to standard output. The status is COMMAND's (128 + N: signal N),
 * however much of it was typed; 124: SHOWN did not appear, or COMMAND did not end, within 120 s.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/io.h"

#define LIMIT_NS    (120 * 1000000000ULL)
#define PATIENCE_MS 3000
#define SCREEN	    (1 << 20)
#define LATE	    124

static char screen[SCREEN]; /* all that was shown since the last answer */
static size_t shown;

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(1);
}

static size_t unescape(const char *from, char *to)
{
	size_t n = 0;

	while (*from) {
		char *end = (char *)from + 1;

		if (*from != '\\')
			to[n++] = *from;
		else if (*end == 'r' || *end == 'n' || *end == '\\')
			to[n++] = *end == 'r' ? '\r' : *end == 'n' ? '\n' : '\\', end++;
		else
			to[n++] = (char)strtoul(from + 1, &end, 8);
		from = end;
	}
	return n;
}

static void type(int tty, const char *text)
{
	char *keys = malloc(strlen(text) + 1);
	int r;

	for (; !strncmp(text, "\\s", 2); text += 2)
		sleep(1);
	if (!keys)
		die("malloc");
	r = io_write_full(tty, keys, unescape(text, keys));
	if (r < 0 && r != -EIO) { /* one that has ended reads no more */
		errno = -r;
		die("type");
	}
	free(keys);
}

/* Is @text there? Then what was shown up to its end is over. */
static bool seen(const char *text)
{
	const char *at = memmem(screen, shown, text, strlen(text));

	if (!at)
		return false;
	at += strlen(text);
	shown -= at - screen;
	memmove(screen, at, shown);
	return true;
}

/*
 * A signal between the prompt of readpassphrase(3bsd) and its read(2) interrupts nothing: who sees
 * that ^C did nothing presses it again.
 */
static void press_again(int tty, const char *typed)
{
	if (typed && !strcmp(typed, "\\003"))
		type(tty, typed);
}

/* Returns false when the terminal is closed. */
static bool show(int tty)
{
	ssize_t n;

	if (shown == SCREEN)
		shown = 0;
	n = read(tty, screen + shown, SCREEN - shown);
	if (n <= 0)
		return n < 0 && errno == EINTR;
	if (io_write_full(STDOUT_FILENO, screen + shown, n) < 0)
		die("standard output");
	shown += n;
	return true;
}

static int late(pid_t pid, const char *what)
{
	fprintf(stderr, "terminal: after %llu s still no %s\n", LIMIT_NS / 1000000000, what);
	kill(-pid, SIGKILL); /* forkpty(3): it leads a session */
	return LATE;
}

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int converse(int tty, pid_t pid, char *const *says, char *const *end)
{
	uint64_t until = io_boottime_ns() + LIMIT_NS;
	const char *typed = NULL;

	for (;;) {
		struct pollfd p = { .fd = tty, .events = POLLIN };
		int ready = poll(&p, 1, PATIENCE_MS);

		if (io_boottime_ns() >= until)
			return late(pid, says < end ? *says : "end");
		if (ready == 0)
			press_again(tty, typed);
		if (ready > 0 && !show(tty))
			return status_of(pid);
		if (says < end && seen(*says)) {
			typed = says[1];
			type(tty, typed);
			says += 2;
			until = io_boottime_ns() + LIMIT_NS;
		}
	}
}

int main(int argc, char *argv[])
{
	struct winsize size = { .ws_row = 50, .ws_col = 100 };
	char **end = argv + 1;
	pid_t pid;
	int tty;

	while (*end && strcmp(*end, "--") != 0)
		end++;
	if (!*end || !end[1] || (end - argv) % 2 == 0) {
		fprintf(stderr, "usage: terminal [SHOWN TYPED]... -- COMMAND...\n");
		return 2;
	}
	pid = forkpty(&tty, NULL, NULL, &size);
	if (pid < 0)
		die("forkpty");
	if (pid == 0) {
		execvp(end[1], end + 1);
		die(end[1]);
	}
	return converse(tty, pid, argv + 1, end);
}
