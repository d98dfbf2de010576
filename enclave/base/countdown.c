#include "enclave/base/countdown.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"

static void show(int tty, unsigned sec)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "\r\033[Kthe next try in %u s ", sec);

	if (write(tty, sec ? text : "\r\033[K", sec ? n : 4) < 0)
		return; /* there is nobody to see it */
}

static void fill(sigset_t *set)
{
	static const int ends_us[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(ends_us) / sizeof(*ends_us); i++)
		sigaddset(set, ends_us[i]);
}

/* Returns the signal that came, or 0 after @sec seconds. */
static int wait_seconds(unsigned sec, int tty, const sigset_t *set)
{
	for (; sec; sec--) {
		const struct timespec one = { .tv_sec = 1 };
		int sig;

		if (tty >= 0)
			show(tty, sec);
		sig = sigtimedwait(set, NULL, &one);
		if (sig > 0)
			return sig;
	}
	return 0;
}

void countdown_wait(unsigned sec)
{
	autoclose int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios before, quiet;
	bool changed = false;
	sigset_t set, old;
	int sig;

	fill(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	if (tty >= 0 && tcgetattr(tty, &before) == 0) {
		quiet = before;
		quiet.c_lflag &= ~(ECHO | ECHONL);
		changed = tcsetattr(tty, TCSAFLUSH, &quiet) == 0;
	}
	sig = wait_seconds(sec, tty, &set);
	if (tty >= 0)
		show(tty, 0);
	if (changed)
		tcsetattr(tty, TCSAFLUSH, &before);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (sig > 0)
		raise(sig);
}
