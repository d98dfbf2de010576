#include "launcher/through.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/run.h"
#include "enclave/base/utf8.h"
#include "launcher/carry.h"
#include "launcher/child.h"

#define EOF_MS	700 /* from the end of its input to SIGTERM */
#define TERM_MS 500 /* from there to SIGKILL */
#define BLANKS	" \t\n"

int through_split(const char *command, char copy[THROUGH_BYTES_MAX],
		  char *ret[THROUGH_WORDS_MAX + 1])
{
	char *rest = NULL;
	int n = 0;

	/* Who writes quotes means them to be read; as letters they would only lead astray. */
	if (strlen(command) >= THROUGH_BYTES_MAX || strpbrk(command, "'\""))
		return -EINVAL;
	strcpy(copy, command);
	for (char *word = strtok_r(copy, BLANKS, &rest); word;
	     word = strtok_r(NULL, BLANKS, &rest)) {
		if (n == THROUGH_WORDS_MAX)
			return -EINVAL;
		ret[n++] = word;
	}
	ret[n] = NULL;
	return n ? n : -EINVAL;
}

/* --- on tazlaunch's side --------------------------------------------------------------------- */

int through_start(const char *command)
{
	char copy[THROUGH_BYTES_MAX], *words[THROUGH_WORDS_MAX + 1];
	char *argv[THROUGH_WORDS_MAX + 6] = { "tazlaunch", "through", "--" };
	autoclose int ours = -EBADF, theirs = -EBADF;
	int pair[2], r, n = through_split(command, copy, words);
	pid_t pid;

	if (n < 0)
		return n;
	memcpy(argv + 3, words, (size_t)n * sizeof(*argv));
	argv[3 + n] = THROUGH_INSIDE_PROGRAM;
	argv[4 + n] = THROUGH_INSIDE_COMMAND;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	/* A new program, and no fork: a passphrase that is in our memory is in no other's. */
	r = run_start(
		"/proc/self/exe", argv, environ,
		(struct run_fd[]){ { theirs, STDIN_FILENO }, { STDERR_FILENO, STDERR_FILENO } }, 2,
		&pid);
	if (r == 0)
		r = run_wait(pid); /* it goes on as a child of nobody's */
	return r < 0 ? r : r > 0 ? -EAGAIN : take_fd(&ours);
}

/* --- the process between --------------------------------------------------------------------- */

struct between {
	const char *name; /* COMMAND's first word */
	struct child command;
	bool tty; /* standard error is a terminal, maybe a raw one */
	struct carry carry;
};

/* What cannot be shown now is lost: a terminal that was stopped must not stop us. */
static void show(const struct between *b, const char *text, size_t n)
{
	while (n) {
		size_t line = strcspn(text, "\n");

		if (line > n)
			line = n;
		if (line && write(STDERR_FILENO, text, line) < 0)
			return;
		if (line < n && write(STDERR_FILENO, b->tty ? "\r\n" : "\n", 1 + b->tty) < 0)
			return;
		line += line < n;
		text += line;
		n -= line;
	}
}

static void say(const struct between *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void say(const struct between *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	utf8_clean(text, "");
	show(b, "tazlaunch: --through: ", strlen("tazlaunch: --through: "));
	show(b, text, strlen(text));
	show(b, "\n", 1);
}

/*
 * Standard error, so that writing to it never blocks: a terminal or a pipe is opened once more, for
 * O_NONBLOCK is of the open file, and others have it. A file does not block, nor is it opened
 * again: the new one would begin at the start of it.
 */
static void unblock_stderr(struct between *b)
{
	struct stat st;
	int fd;

	b->tty = isatty(STDERR_FILENO);
	if (fstat(STDERR_FILENO, &st) < 0 || S_ISREG(st.st_mode))
		return;
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) /* a socket, or somebody else's */
		return;
	dup2(fd, STDERR_FILENO);
	fd_close(&fd);
}

static void on_complaint(struct between *b)
{
	char buf[4096 + 1];
	ssize_t n = read(b->command.err, buf, sizeof(buf) - 1);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fd_close(&b->command.err);
		return;
	}
	buf[n] = '\0';
	utf8_clean_bytes(buf, (size_t)n, "\n\t");
	show(b, buf, (size_t)n);
}

static bool has_ended(struct between *b, int timeout_ms)
{
	struct pollfd p = { .fd = b->command.pidfd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

/* Its group, too, before it is reaped: until then the number is nobody else's. */
static int end_command(struct between *b)
{
	fd_close(&b->command.in);
	if (!has_ended(b, EOF_MS)) {
		child_signal(&b->command, SIGTERM);
		child_signal(&b->command, SIGCONT);
		has_ended(b, TERM_MS);
	}
	child_signal(&b->command, SIGKILL);
	return child_wait(&b->command);
}

enum { P_ERR = CARRY_POLL, P_CHILD, P_MAX };

static enum carry_end turn(struct between *b, bool *ended)
{
	struct pollfd p[P_MAX];
	int n;

	carry_fill(&b->carry, p);
	p[P_ERR] = (struct pollfd){ b->command.err, POLLIN, 0 };
	p[P_CHILD] = (struct pollfd){ *ended ? -1 : b->command.pidfd, POLLIN, 0 };
	n = poll(p, P_MAX, carry_wait_ms(&b->carry));
	if (n < 0)
		return errno == EINTR ? CARRY_ON : CARRY_AGENT_GONE;
	if (n == 0)
		return CARRY_AGENT_GONE;
	if (p[P_ERR].revents)
		on_complaint(b);
	if (p[P_CHILD].revents) {
		/* What it has written is in the pipe. Who else holds that is ended with it. */
		*ended = true;
		carry_be_deaf(&b->carry);
		child_signal(&b->command, SIGKILL);
	}
	return carry_turn(&b->carry, p);
}

/* One that ends well after an answer has only been quicker than the host's end of the stream. */
static void tell_end(struct between *b, enum carry_end end, bool ended, int status)
{
	if (end != CARRY_AGENT_GONE || (b->carry.answered && !(ended && status)))
		return;
	if (ended)
		say(b, "'%s' has ended with status %d", b->name, status);
	else
		say(b, "'%s' has closed its output", b->name);
}

static void carry_all(struct between *b)
{
	enum carry_end end = CARRY_ON;
	bool ended = false;
	int status;

	carry_init(&b->carry, STDIN_FILENO, STDIN_FILENO, b->command.in, b->command.out);
	while (end == CARRY_ON)
		end = turn(b, &ended);
	/* One that is about to end says why. */
	if (end == CARRY_AGENT_GONE && !ended)
		ended = has_ended(b, 100);
	status = end_command(b);
	while (end == CARRY_AGENT_GONE && b->command.err >= 0) {
		struct pollfd p = { .fd = b->command.err, .events = POLLIN };

		if (poll(&p, 1, 0) != 1)
			break;
		on_complaint(b);
	}
	tell_end(b, end, ended, status);
}

int through_serve(char *const argv[])
{
	const struct child_spec spec = { .argv = (const char *const *)argv,
					 .envp = (const char *const *)environ,
					 .extra_fd = -EBADF,
					 .dies_with_us = true };
	struct between b = { .name = argv[0] };
	pid_t pid = fork();
	int r;

	if (pid)
		_exit(pid < 0);
	setsid();
	signal(SIGPIPE, SIG_IGN);
	unblock_stderr(&b);
	r = child_start(&spec, &b.command);
	if (r < 0) {
		say(&b, "'%s' cannot be run: %s", b.name, strerror(-r));
		return r;
	}
	carry_all(&b);
	child_done(&b.command);
	return 0;
}
