#include "watcher.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

/* Less than the 10 s after which a view locks whose keeper is silent, as the test is meanwhile. */
#define LIMIT_NS (8 * 1000000000ULL)

struct watcher w = { .tty = -EBADF };

/* --- the view -----------------------------------------------------------------------------------
 */

int watcher_program(void **state)
{
	const char *path = getenv("TAZFS");

	w.program = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (w.program < 0)
		print_error("TAZFS must name the program\n");
	return w.program < 0;
}

static int make_files(void *arg)
{
	if (mkdir(path_in(&w.view, "ssh"), 0755) < 0)
		return -errno;
	return write_file(path_in(&w.view, "ssh/id"), "private") |
	       write_file(path_in(&w.view, "note"), "note");
}

int watcher_setup(void **state)
{
	w.view.policy = NULL;
	fixture_start(&w.view, CACHED);
	assert_int_equal(as(MEMBER, make_files, NULL), 0);
	return fixture_policy(&w.view, "audit-all\ndeny session wc ssh/**\nallow session - **\n");
}

int watcher_teardown(void **state)
{
	watcher_forget();
	fixture_stop(&w.view);
	return 0;
}

struct deed {
	const char *path;
	int flags, times;
};

static int do_it(void *arg)
{
	const struct deed *d = arg;
	int r = 0;

	for (int i = 0; i < d->times; i++) {
		int fd = open(d->path, d->flags | O_CLOEXEC);

		r = fd < 0 ? -errno : 0;
		fd_close(&fd);
	}
	return r;
}

void refused(const char *name, int times)
{
	struct deed d = { .path = path_in(&w.view, name),
			  .flags = O_WRONLY | O_CREAT,
			  .times = times };

	assert_int_equal(as(MEMBER, do_it, &d), -EACCES);
}

void allowed(const char *name)
{
	struct deed d = { .path = path_in(&w.view, name), .flags = O_RDONLY, .times = 1 };

	assert_int_equal(as(MEMBER, do_it, &d), 0);
}

/* --- the terminal -------------------------------------------------------------------------------
 */

void watcher_fork(void)
{
	const struct winsize size = { .ws_row = ROWS, .ws_col = COLS };

	w.n = 0;
	vt52_init(&w.shown, ROWS, COLS);
	fd_close(&w.tty);
	w.pid = forkpty(&w.tty, NULL, NULL, &size);
	assert_true(w.pid >= 0);
	if (w.pid == 0)
		return;
	fcntl(w.tty, F_SETFD, FD_CLOEXEC);
	assert_int_equal(tcgetattr(w.tty, &w.before), 0);
}

void watch_with(char *const env[], const char *option)
{
	char *argv[] = { "tazfs", "watch", w.view.mnt, (char *)option, NULL };

	watcher_fork();
	if (w.pid == 0) {
		close(w.view.keeper);
		if (become_owner() == 0)
			fexecve(w.program, argv, env);
		_exit(126);
	}
}

void watch(void)
{
	watch_with((char *[]){ "TERM=vt52", "LC_ALL=C.UTF-8", NULL }, NULL);
}

void watcher_forget(void)
{
	if (w.pid) {
		kill(w.pid, SIGKILL);
		waitpid(w.pid, NULL, 0);
	}
	fd_close(&w.tty);
	w.pid = 0;
	w.n = 0;
}

bool look(int ms)
{
	struct pollfd p = { .fd = w.tty, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return true;
	assert_true(w.n < sizeof(w.raw) - 4096);
	n = read(w.tty, w.raw + w.n, 4096);
	if (n <= 0)
		return false;
	vt52_feed(&w.shown, w.raw + w.n, (size_t)n);
	w.n += (size_t)n;
	return true;
}

static void print_screen(void)
{
	for (int i = 0; i < w.shown.rows; i++)
		print_message("|%s|\n", w.shown.text[i]);
}

const char *sees(const char *text)
{
	uint64_t until = io_boottime_ns() + LIMIT_NS;
	const char *row = NULL;

	while (!(row = vt52_row(&w.shown, text)) && io_boottime_ns() < until)
		if (!look(100))
			break;
	if (!row) {
		print_screen();
		fail_msg("not seen: %s", text);
	}
	return row;
}

void sees_no_more(const char *text)
{
	uint64_t until = io_boottime_ns() + LIMIT_NS;

	while (vt52_row(&w.shown, text) && io_boottime_ns() < until)
		look(100);
	if (vt52_row(&w.shown, text)) {
		print_screen();
		fail_msg("still seen: %s", text);
	}
}

void type(const char *keys)
{
	assert_int_equal(io_write_full(w.tty, keys, strlen(keys)), 0);
}

int ends(void)
{
	uint64_t until = io_boottime_ns() + LIMIT_NS;
	struct termios after;
	int status, rest = 0;

	while (waitpid(w.pid, &status, WNOHANG) == 0) {
		if (io_boottime_ns() >= until)
			fail_msg("it does not end");
		look(20);
	}
	w.pid = 0;
	while (look(0) && ++rest < 100)
		;
	assert_int_equal(tcgetattr(w.tty, &after), 0);
	assert_int_equal(after.c_lflag, w.before.c_lflag);
	assert_int_equal(after.c_iflag, w.before.c_iflag);
	assert_int_equal(after.c_oflag, w.before.c_oflag);
	return status;
}

void quits(void)
{
	int status;

	type("q");
	status = ends();
	if (status)
		fail_msg("ended with %x: %.*s", (unsigned)status, (int)w.n, w.raw);
}

bool was_written(const char *bytes)
{
	return memmem(w.raw, w.n, bytes, strlen(bytes));
}
