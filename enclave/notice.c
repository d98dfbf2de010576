#include "enclave/notice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "enclave/base/fd.h"

#define WHY_MASK  7
#define NOT_SAVED 8
#define IDLE_BIT  4
#define IDLE_MAX  ((1U << 27) - 1) /* four years; the value stays positive */

int notice_pack(const struct notice *n)
{
	unsigned idle = n->idle_sec < IDLE_MAX ? n->idle_sec : IDLE_MAX;

	return (int)((unsigned)n->why | (n->not_saved ? NOT_SAVED : 0) | idle << IDLE_BIT);
}

int notice_unpack(int value, struct notice *ret)
{
	unsigned v = value;

	if (value < 0 || (v & WHY_MASK) >= NOTICE_WHYS)
		return -EINVAL;
	*ret = (struct notice){ .why = v & WHY_MASK,
				.not_saved = v & NOT_SAVED,
				.idle_sec = v >> IDLE_BIT };
	return 0;
}

static void because(const struct notice *n, char *buf, size_t size)
{
	static const char *const texts[NOTICE_WHYS] = {
		[NOTICE_FAULT] = "because the view is gone or stopped",
		[NOTICE_ASKED] = "as somebody outside of this session asked",
		[NOTICE_DECOY] = "because a decoy was opened",
		[NOTICE_STOP] = "because the workshop stops",
	};
	unsigned sec = n->idle_sec;

	if (n->why != NOTICE_IDLE)
		snprintf(buf, size, "%s", texts[n->why]);
	else if (sec && sec % 60 == 0)
		snprintf(buf, size, "after %u min without use", sec / 60);
	else
		snprintf(buf, size, "after %u s without use", sec);
}

void notice_text(const struct notice *n, char *buf, size_t size)
{
	char why[64];
	const char *next = "'enclave unlock' opens it again";

	because(n, why, sizeof(why));
	if (n->why == NOTICE_STOP)
		next = "'tazlaunch enter' starts it again";
	if (n->not_saved)
		next = "NOT SAVED: do not stop the workshop; 'enclave status' tells more";
	snprintf(buf, size, "taz: locked %s; %s", why, next);
}

void notice_show(const struct notice *n)
{
	char text[200], out[220];
	/* A description of its own, so that the command's writes stay as they are. */
	autoclose int fd = -EBADF;
	int len;

	if (!isatty(STDERR_FILENO))
		return;
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	notice_text(n, text, sizeof(text));
	/* "\r": the program on it may have taken the terminal's own translation away. */
	len = snprintf(out, sizeof(out), "\r\n%s\r\n", text);
	if (write(fd, out, len) < 0) {
		/* It takes nothing now. */
	}
}
