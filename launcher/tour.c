#include "launcher/tour.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/run.h"

#define NOTE	   ".tour" /* no workshop's name has a dot */
#define PREFIX	   "tour-"
#define PASS_BYTES 24
#define PATIENCE   10000 /* ms, for a command that was told to end */

extern char **environ;

/* --- a command ------------------------------------------------------------------------------- */

/* What runs now: its process, and where its output comes from. */
struct child_of_tour {
	pid_t pid;
	int pidfd, out; /* < 0: it has our own streams */
};

static int pidfd_of(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* A pipe of which our end is @ours (0 reads, 1 writes). */
static int make_pipe(int ret[2], int ours)
{
	if (pipe2(ret, O_CLOEXEC) < 0)
		return -errno;
	return fcntl(ret[ours], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static void take_output(struct tour *t, int fd)
{
	size_t used = strlen(t->out);
	char more[1024];
	ssize_t n;

	while ((n = read(fd, more, sizeof(more))) > 0) {
		size_t room = sizeof(t->out) - 1 - used;
		size_t fits = (size_t)n < room ? (size_t)n : room;

		for (size_t i = 0; i < fits; i++)
			t->out[used++] = more[i] ? more[i] : '?';
		t->out[used] = '\0';
	}
}

/* Somebody wants it to end: what runs is told, once, and has its time to tidy up. */
static void notice_end(struct tour *t, const struct child_of_tour *c)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof(info)) != sizeof(info) || t->is_over)
		return;
	t->is_over = true;
	kill(c->pid, SIGTERM);
}

/* Until it has ended, or, with @to_line, has printed a line. 1 when it has ended, 0, or -errno. */
static int follow(struct tour *t, const struct child_of_tour *c, bool to_line)
{
	struct pollfd p[] = { { .fd = c->pidfd, .events = POLLIN },
			      { .fd = c->out, .events = POLLIN },
			      { .fd = t->signals, .events = POLLIN } };

	if (c->pidfd < 0)
		return c->pidfd;
	for (;;) {
		int n = poll(p, 3, t->is_over ? PATIENCE : -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			kill(c->pid, SIGKILL);
		if (n > 0 && p[2].revents)
			notice_end(t, c);
		if (n > 0 && p[1].revents)
			take_output(t, c->out);
		if (n > 0 && p[1].revents & POLLHUP)
			p[1].fd = -1; /* all is read */
		if (n > 0 && p[0].revents)
			return 1;
		if (to_line && strchr(t->out, '\n'))
			return 0;
	}
}

static int finish(struct tour *t, struct child_of_tour *c)
{
	int r = follow(t, c, false);

	if (c->out >= 0)
		take_output(t, c->out);
	if (r < 0)
		kill(c->pid, SIGKILL);
	r = run_wait(c->pid);
	return t->is_over ? -EINTR : r;
}

/* The words after "tazlaunch", with the name in its place. */
static void fill_args(struct tour *t, enum tour_how how, const char *const args[], char *argv[])
{
	size_t n = 0;

	argv[n++] = t->self;
	for (size_t i = 0; args[i] && i < TOUR_ARGS; i++)
		argv[n++] = !strcmp(args[i], "NAME") ? t->name : (char *)args[i];
	if (t->engine && how == TOUR_PLAIN) {
		argv[n++] = "--engine";
		argv[n++] = (char *)t->engine;
	}
	argv[n] = NULL;
}

/* A pipe holds more than a passphrase, so nobody waits. */
static int give_pass(const struct tour *t, int pipe_ends[2])
{
	int r = make_pipe(pipe_ends, 1);

	if (r == 0)
		r = io_write_full(pipe_ends[1], t->pass->data, t->pass->len);
	fd_close(&pipe_ends[1]);
	return r;
}

static int start(struct tour *t, enum tour_how how, char *argv[], struct child_of_tour *c)
{
	int out[2] = { -EBADF, -EBADF }, in[2] = { -EBADF, -EBADF }, pass[2] = { -EBADF, -EBADF };
	struct run_fd fds[4] = { { STDOUT_FILENO, 1 }, { STDERR_FILENO, 2 } };
	size_t n = 2;
	int r = how == TOUR_PLAIN ? 0 : make_pipe(out, 0);

	if (r == 0 && how != TOUR_PLAIN)
		fds[0].from = fds[1].from = out[1];
	if (r == 0 && (how == TOUR_SESSION || how == TOUR_HELD))
		r = give_pass(t, pass);
	if (r == 0 && pass[0] >= 0)
		fds[n++] = (struct run_fd){ pass[0], how == TOUR_HELD ? 3 : 0 };
	if (r == 0 && how == TOUR_HELD)
		r = make_pipe(in, 1);
	if (r == 0 && how == TOUR_HELD)
		fds[n++] = (struct run_fd){ in[0], 0 };
	if (r == 0)
		r = run_start(t->self, argv, environ, fds, n, &c->pid);
	fd_close(&pass[0]);
	fd_close(&out[1]);
	fd_close(&in[0]);
	if (r < 0) {
		fd_close(&out[0]);
		fd_close(&in[1]);
		return r;
	}
	c->out = out[0];
	t->held_in = how == TOUR_HELD ? in[1] : t->held_in;
	c->pidfd = pidfd_of(c->pid);
	return 0;
}

int tour_run(struct tour *t, enum tour_how how, const char *const args[])
{
	char *argv[TOUR_ARGS + 4];
	struct child_of_tour c = { 0, -EBADF, -EBADF };
	int r;

	t->out[0] = '\0';
	if (t->is_over)
		return -EINTR;
	fill_args(t, how, args, argv);
	r = start(t, how, argv, &c);
	if (r < 0)
		return r;
	if (how == TOUR_HELD && follow(t, &c, true) == 0) {
		t->held = c.pid;
		t->held_out = take_fd(&c.out);
		r = t->is_over ? -EINTR : 0;
	} else {
		r = finish(t, &c);
		if (how == TOUR_HELD)
			fd_close(&t->held_in);
	}
	fd_close(&c.out);
	fd_close(&c.pidfd);
	return r;
}

int tour_let_go(struct tour *t)
{
	struct child_of_tour c = { t->held, -EBADF, t->held_out };
	int r;

	t->out[0] = '\0';
	if (!t->held)
		return -ENOENT;
	fd_close(&t->held_in);
	c.pidfd = pidfd_of(c.pid);
	if (t->is_over)
		kill(c.pid, SIGTERM);
	r = finish(t, &c);
	t->held = 0;
	fd_close(&t->held_out);
	fd_close(&c.pidfd);
	return r;
}

int tour_wait_enter(struct tour *t)
{
	struct pollfd p[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			      { .fd = t->signals, .events = POLLIN } };
	char c = 0;

	while (!t->is_over && c != '\n') {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents || (p[0].revents && read(STDIN_FILENO, &c, 1) != 1))
			t->is_over = true;
	}
	return t->is_over ? -EINTR : 0;
}

/* --- one at a time, and nothing left --------------------------------------------------------- */

/* What is told to end meanwhile is finished all the same. */
static int run_plain(const struct tour *t, const char *word, const char *option, const char *name)
{
	char *const argv[] = { (char *)t->self, (char *)word, (char *)option, (char *)name, NULL };
	struct run_fd fds[] = { { STDERR_FILENO, 1 }, { STDERR_FILENO, 2 } };
	pid_t pid;
	int r = run_start(t->self, argv, environ, fds, 2, &pid);

	return r < 0 ? r : run_wait(pid);
}

/* Ctrl+C reaches it, too: then once more. */
static int remove_workshop(const struct tour *t, const char *name)
{
	char dir[PATH_MAX];
	int r = workshop_state_dir(name, dir, sizeof(dir));

	for (int i = 0; r >= 0 && i < 3 && workshop_exists(dir); i++) {
		r = run_plain(t, "down", "--name", name);
		if (r == 0)
			r = run_plain(t, "remove", "--yes", name);
	}
	if (r >= 0 && !workshop_exists(dir))
		return 0;
	log_error("the workshop %s is left; 'tazlaunch down --name %s' and 'tazlaunch remove %s' "
		  "tell more, and the next tour tries again",
		  name, name, name);
	return r < 0 ? r : -EBUSY;
}

/* The last file of that name, locked: it may have been removed while it was opened. */
static int lock_note(const char *path)
{
	for (;;) {
		autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct stat st;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (st.st_nlink)
			return take_fd(&fd);
	}
}

static int note_path(char *buf, size_t size)
{
	return workshop_state_dir(NOTE, buf, size);
}

static int remove_earlier(const struct tour *t)
{
	char name[WORKSHOP_NAME_MAX + 2];
	ssize_t n = io_pread_full(t->lock, name, sizeof(name) - 1, 0);

	if (n < 0)
		return (int)n;
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	if (strncmp(name, PREFIX, strlen(PREFIX)) || !workshop_name_ok(name))
		return 0;
	return remove_workshop(t, name);
}

static int take_name(struct tour *t)
{
	char line[WORKSHOP_NAME_MAX + 2], dir[PATH_MAX], work[PATH_MAX + 8];
	uint32_t random;
	int r, n;

	secret_random(&random, sizeof(random));
	snprintf(t->name, sizeof(t->name), PREFIX "%08x", random);
	n = snprintf(line, sizeof(line), "%s\n", t->name);
	r = ftruncate(t->lock, 0) < 0 ? -errno : io_pwrite_full(t->lock, line, n, 0);
	if (r == 0 && fsync(t->lock) < 0)
		r = -errno;
	if (r == 0)
		r = workshop_state_dir(t->name, dir, sizeof(dir));
	if (r < 0)
		return r;
	t->has_begun = true;
	r = workshop_make_dirs(dir);
	/* Its workspace is empty, whatever lies where a person stands. */
	snprintf(work, sizeof(work), "%s/work", dir);
	return r == 0 && chdir(work) < 0 ? -errno : r;
}

static int make_pass(struct tour *t)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t random[PASS_BYTES];

	t->pass = secret_new(2 * PASS_BYTES);
	if (!t->pass)
		return -errno;
	secret_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++) {
		t->pass->data[2 * i] = hex[random[i] >> 4];
		t->pass->data[2 * i + 1] = hex[random[i] & 15];
	}
	t->pass->len = 2 * PASS_BYTES;
	secret_wipe(random, sizeof(random));
	return 0;
}

static int hold_signals(struct tour *t)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	/* Who closes our output does not keep us from tidying up. */
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return t->signals < 0 ? -errno : 0;
}

static int find_self(struct tour *t)
{
	ssize_t n = readlink("/proc/self/exe", t->self, sizeof(t->self) - 1);

	if (n < 0)
		return -errno;
	t->self[n] = '\0';
	return 0;
}

static int only_one(struct tour *t)
{
	char path[PATH_MAX], root[PATH_MAX];
	int r = note_path(path, sizeof(path));

	if (r < 0)
		return log_err(r, "the folder of workshops (TAZ_STATE)");
	snprintf(root, sizeof(root), "%s", path);
	*strrchr(root, '/') = '\0';
	if (*root && mkdir(root, 0755) < 0 && errno != EEXIST)
		return log_err(-errno, "make %s", root);
	t->lock = lock_note(path);
	if (t->lock == -EBUSY)
		log_error("a tour is running already; wait until it has ended");
	else if (t->lock < 0)
		log_err(t->lock, "lock %s", path);
	return t->lock < 0 ? t->lock : 0;
}

int tour_begin(struct tour *t, const char *engine)
{
	int r;

	*t = (struct tour){ .engine = engine,
			    .lock = -EBADF,
			    .signals = -EBADF,
			    .held_in = -EBADF,
			    .held_out = -EBADF };
	r = only_one(t);
	if (r < 0)
		return r;
	r = find_self(t);
	if (r == 0)
		r = hold_signals(t);
	if (r < 0)
		return log_err(r, "begin the tour");
	r = remove_earlier(t);
	if (r < 0)
		return r;
	r = make_pass(t);
	if (r == 0)
		r = take_name(t);
	return r < 0 ? log_err(r, "make a workshop for the tour") : 0;
}

int tour_end(struct tour *t)
{
	char path[PATH_MAX];
	int r = 0;

	t->is_over = true;
	tour_let_go(t);
	if (chdir("/") == 0 && t->has_begun)
		r = remove_workshop(t, t->name);
	/* While it is locked: who waits for it sees that it has no name any more. */
	if (t->has_begun && r == 0 && note_path(path, sizeof(path)) == 0 && unlink(path) < 0)
		r = log_err(-errno, "remove %s", path);
	secret_free(t->pass);
	t->pass = NULL;
	fd_close(&t->signals);
	fd_close(&t->lock);
	return r;
}
