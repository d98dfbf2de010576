#include "launcher/frame_io.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "launcher/frame.h"

int frame_hello_wait(int fd, int timeout_ms)
{
	uint64_t end = io_boottime_ns() + (uint64_t)timeout_ms * 1000000;
	uint8_t buf[FRAME_HEADER + 4];
	struct frame f;
	size_t got = 0;
	ssize_t n;

	while (got < sizeof(buf)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = io_boottime_ns();

		int ready = now < end ? poll(&p, 1, (end - now) / 1000000 + 1) : 0;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready ? -errno : -ETIMEDOUT;
		n = read(fd, buf + got, sizeof(buf) - got);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ECONNRESET;
		got += n;
	}
	n = frame_decode(buf, got, FRAME_FROM_AGENT, &f);
	if (n <= 0 || f.type != FRAME_HELLO || memcmp(f.data, FRAME_HELLO_TEXT, 4))
		return -EBADMSG;
	return 0;
}
