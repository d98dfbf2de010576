#include "enclave/consent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"

void consent_init(struct consent *c)
{
	*c = (struct consent){ .watch = -EBADF };
	c->terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

int consent_take(struct consent *c, const char *text)
{
	if (strlen(text) != APPROVAL_HEX || strspn(text, "0123456789abcdef") != APPROVAL_HEX) {
		log_error("--approve takes a hash of %d digits, as it was shown", APPROVAL_HEX);
		return -EINVAL;
	}
	if (c->n == CONSENT_HASHES_MAX) {
		log_error("--approve is given more than %d times", CONSENT_HASHES_MAX);
		return -EINVAL;
	}
	c->hashes[c->n++] = text;
	return 0;
}

int consent_check(const struct consent *c, const char *lister)
{
	int r = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (c->used[i])
			continue;
		log_error("--approve %.12s...: nothing that was to be confirmed has this hash; "
			  "look again with '%s'",
			  c->hashes[i], lister);
		r = -ENOENT;
	}
	return r;
}

/* --- asking ---------------------------------------------------------------------------------- */

static int say(struct refusal *ret, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int say(struct refusal *ret, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ret->why, sizeof(ret->why), fmt, ap);
	va_end(ap);
	return err;
}

/* A whole line of the terminal, or nothing: Ctrl+C and a signal come through @watch. 0, the number
 * of the signal, or -errno. */
static int read_answer(int tty, int watch, char *buf, size_t size)
{
	struct pollfd p[] = { { .fd = tty, .events = POLLIN }, { .fd = watch, .events = POLLIN } };
	struct signalfd_siginfo info;
	ssize_t n;

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (p[1].revents) {
		n = read(watch, &info, sizeof(info));
		return n == sizeof(info) ? (int)info.ssi_signo : SIGTERM;
	}
	n = read(tty, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

static int ask(const struct consent *c, const struct approval *a, int state, struct refusal *ret)
{
	autoclose int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	const char *verb = a->kind == APPROVAL_COMMAND ? "run" : "set";
	char answer[16] = "";
	int r;

	if (tty < 0)
		return say(ret, -ENOTTY, "there is no terminal to ask on");
	/* What was typed before the question is no answer to it. */
	tcflush(tty, TCIFLUSH);
	dprintf(tty,
		"\nThis %s %s:\n\n%s\nMay it be %s now, and whenever nothing of this has changed? "
		"Type yes: ",
		approval_word(a),
		state == APPROVAL_CHANGED ? "is not the one you confirmed before"
					  : "was never confirmed",
		a->text, verb);
	r = read_answer(tty, c->watch, answer, sizeof(answer));
	if (r < 0)
		return say(ret, r, "read the answer: %s", strerror(-r));
	ret->signal = r;
	if (r > 0)
		return say(ret, -ECANCELED, "interrupted; nothing was %s", verb);
	if (strcmp(answer, "yes\n"))
		return say(ret, -EPERM, "not confirmed: only a whole 'yes' is one; nothing was %s",
			   verb);
	return 0;
}

static bool is_listed(struct consent *c, const char *hash)
{
	bool found = false;

	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->hashes[i], hash))
			found = c->used[i] = true;
	return found;
}

int consent_get(struct consent *c, int root, const struct entry *e, const struct approval *a,
		const char *lister, struct refusal *ret)
{
	bool listed = is_listed(c, a->hash);
	int state = approval_state(root, e, a), r = 0;

	*ret = (struct refusal){ 0 };
	if (state == APPROVAL_GIVEN)
		return 0;
	if (state < 0)
		return say(ret, state, "look for the confirmation: %s", strerror(-state));
	if (!listed && !c->terminal)
		return say(ret, -EPERM,
			   "its %s %s; look at it with '%s', then run this on a terminal, or with "
			   "--approve HASH",
			   approval_word(a),
			   state == APPROVAL_CHANGED ? "has changed since it was confirmed"
						     : "was never confirmed",
			   lister);
	if (!listed)
		r = ask(c, a, state, ret);
	if (r < 0)
		return r;
	r = approval_give(root, e, a);
	return r < 0 ? say(ret, r, "keep the confirmation: %s", strerror(-r)) : 0;
}
