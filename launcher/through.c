#include "launcher/through.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/run.h"
#include "enclave/base/utf8.h"
#include "launcher/carry.h"

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
	pid_t pid;	  /* its group's, too */
	int pidfd;
	int in, out, err; /* our ends */
	bool tty;	  /* standard error is a terminal, maybe a raw one */
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

_Noreturn static void be_command(char *const argv[], const int fds[3], int report, pid_t parent)
{
	int r;

	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent) {
		for (int i = 0; i < 3; i++)
			dup2(fds[i], i);
		execvp(argv[0], argv);
	}
	r = -errno;
	if (write(report, &r, sizeof(r)) != sizeof(r))
		_exit(126);
	_exit(127);
}

struct pipes {
	int rd[4], wr[4]; /* in, out, err, and why it could not be run */
};

static void pipes_done(struct pipes *p)
{
	for (int i = 0; i < 4; i++) {
		fd_close(&p->rd[i]);
		fd_close(&p->wr[i]);
	}
}

static int pipes_open(struct pipes *p)
{
	for (int i = 0; i < 4; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		p->rd[i] = ends[0];
		p->wr[i] = ends[1];
	}
	/* Ours alone, at this end. */
	return fcntl(p->rd[2], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int start(struct between *b, char *const argv[])
{
	__attribute__((cleanup(pipes_done))) struct pipes p = { { -1, -1, -1, -1 },
								{ -1, -1, -1, -1 } };
	pid_t self = getpid();
	int why = 0, r = pipes_open(&p);

	if (r < 0)
		return r;
	b->pid = fork();
	if (b->pid < 0)
		return -errno;
	if (!b->pid)
		be_command(argv, (int[3]){ p.rd[0], p.wr[1], p.wr[2] }, p.wr[3], self);
	setpgid(b->pid, b->pid);
	fd_close(&p.wr[3]);
	if (read(p.rd[3], &why, sizeof(why)) == sizeof(why)) {
		run_wait(b->pid);
		return why;
	}
	b->pidfd = (int)syscall(SYS_pidfd_open, b->pid, 0);
	if (b->pidfd < 0) {
		r = -errno;
		kill(-b->pid, SIGKILL);
		run_wait(b->pid);
		return r;
	}
	b->in = take_fd(&p.wr[0]);
	b->out = take_fd(&p.rd[1]);
	b->err = take_fd(&p.rd[2]);
	return 0;
}

static void on_complaint(struct between *b)
{
	char buf[4096 + 1];
	ssize_t n = read(b->err, buf, sizeof(buf) - 1);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fd_close(&b->err);
		return;
	}
	buf[n] = '\0';
	utf8_clean_bytes(buf, (size_t)n, "\n\t");
	show(b, buf, (size_t)n);
}

static bool has_ended(struct between *b, int timeout_ms)
{
	struct pollfd p = { .fd = b->pidfd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

/* Its group, too, before it is reaped: until then the number is nobody else's. */
static int end_command(struct between *b)
{
	fd_close(&b->in);
	if (!has_ended(b, EOF_MS)) {
		kill(-b->pid, SIGTERM);
		kill(-b->pid, SIGCONT);
		has_ended(b, TERM_MS);
	}
	kill(-b->pid, SIGKILL);
	return run_wait(b->pid);
}

enum { P_ERR = CARRY_POLL, P_CHILD, P_MAX };

static enum carry_end turn(struct between *b, bool *ended)
{
	struct pollfd p[P_MAX];
	int n;

	carry_fill(&b->carry, p);
	p[P_ERR] = (struct pollfd){ b->err, POLLIN, 0 };
	p[P_CHILD] = (struct pollfd){ *ended ? -1 : b->pidfd, POLLIN, 0 };
	n = poll(p, P_MAX, carry_wait_ms(&b->carry));
	if (n < 0)
		return errno == EINTR ? CARRY_ON : CARRY_AGENT_GONE;
	if (n == 0)
		return CARRY_AGENT_GONE;
	if (p[P_ERR].revents)
		on_complaint(b);
	if (p[P_CHILD].revents) {
		/* What it has written is in the pipe. Who else holds that is ended with it. */
		*ended = b->carry.deaf = true;
		b->carry.up.len = 0;
		kill(-b->pid, SIGKILL);
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

	carry_init(&b->carry, STDIN_FILENO, STDIN_FILENO, b->in, b->out);
	while (end == CARRY_ON)
		end = turn(b, &ended);
	/* One that is about to end says why. */
	if (end == CARRY_AGENT_GONE && !ended)
		ended = has_ended(b, 100);
	status = end_command(b);
	while (end == CARRY_AGENT_GONE && b->err >= 0) {
		struct pollfd p = { .fd = b->err, .events = POLLIN };

		if (poll(&p, 1, 0) != 1)
			break;
		on_complaint(b);
	}
	tell_end(b, end, ended, status);
}

int through_serve(char *const argv[])
{
	struct between b = { .name = argv[0], .in = -EBADF, .out = -EBADF, .err = -EBADF };
	pid_t pid = fork();
	int r;

	if (pid)
		_exit(pid < 0);
	setsid();
	signal(SIGPIPE, SIG_IGN);
	unblock_stderr(&b);
	r = start(&b, argv);
	if (r < 0) {
		say(&b, "'%s' cannot be run: %s", b.name, strerror(-r));
		return r;
	}
	carry_all(&b);
	fd_close(&b.out);
	fd_close(&b.err);
	fd_close(&b.pidfd);
	return 0;
}
