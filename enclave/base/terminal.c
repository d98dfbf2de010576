#include "enclave/base/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "enclave/base/fd.h"

static struct termios saved;
static volatile sig_atomic_t saved_fd = -1;

void terminal_restore(void)
{
	int err = errno, fd = saved_fd;

	saved_fd = -1;
	if (fd >= 0)
		tcsetattr(fd, TCSANOW, &saved);
	errno = err;
}

static void on_fatal(int sig)
{
	terminal_restore();
	signal(sig, SIG_DFL);
	raise(sig); /* delivered when the handler returns */
}

static void restore_on_signals(void)
{
	static const int fatal[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGALRM,
				     SIGABRT, SIGSEGV, SIGBUS,	SIGFPE,	 SIGILL,  SIGXCPU };
	struct sigaction sa = { .sa_handler = on_fatal };

	sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(*fatal); i++) {
		struct sigaction old;

		/* What nohup(1) and the like ignore stays ignored. */
		if (sigaction(fatal[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(fatal[i], &sa, NULL);
	}
}

int terminal_raw(int fd)
{
	static bool once;
	struct termios raw;

	if (tcgetattr(fd, &saved) < 0)
		return -errno;
	if (!once)
		atexit(terminal_restore);
	once = true;
	raw = saved;
	cfmakeraw(&raw);
	saved_fd = fd;
	restore_on_signals();
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return -errno;
	return 0;
}

void terminal_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize ws = { 0 };

	ioctl(fd, TIOCGWINSZ, &ws);
	*ret_rows = ws.ws_row;
	*ret_cols = ws.ws_col;
}

bool terminal_can_ask(void)
{
	autoclose int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd >= 0 && (isatty(STDIN_FILENO) || isatty(STDERR_FILENO));
}
