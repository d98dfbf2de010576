#include "launcher/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#define IN_SIZE	 (FRAME_HEADER + FRAME_MAX)
#define OUT_SIZE (FRAME_HEADER + FRAME_MAX + 4 * (FRAME_HEADER + FRAME_DATA))

struct stream {
	int fd;
	enum frame_side from;
	bool is_socket;
	size_t taken, got; /* in[taken..got] is not decoded yet */
	size_t sent, put;  /* out[sent..put] is not written yet */
	uint8_t in[IN_SIZE];
	uint8_t out[OUT_SIZE];
};

struct stream *stream_new(int fd, enum frame_side from)
{
	struct stream *s;
	int type, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof(type);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return NULL;
	s = malloc(sizeof(*s));
	if (!s)
		return NULL;
	s->fd = fd;
	s->from = from;
	s->is_socket = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
	s->taken = s->got = s->sent = s->put = 0;
	return s;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	fd_close(&s->fd);
	free(s);
}

void stream_freep(struct stream **s)
{
	int saved = errno;

	stream_free(*s);
	errno = saved;
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}

short stream_events(const struct stream *s)
{
	return POLLIN | (s->sent < s->put ? POLLOUT : 0);
}

static int fill(struct stream *s)
{
	ssize_t n;

	memmove(s->in, s->in + s->taken, s->got - s->taken);
	s->got -= s->taken;
	s->taken = 0;
	n = read(s->fd, s->in + s->got, IN_SIZE - s->got);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -ECONNRESET; /* a virtio port whose host is gone reads 0, too */
	s->got += n;
	return 1;
}

int stream_next(struct stream *s, struct frame *ret)
{
	for (bool filled = false;; filled = true) {
		ssize_t n = frame_decode(s->in + s->taken, s->got - s->taken, s->from, ret);
		int r;

		if (n < 0)
			return n;
		if (n > 0) {
			s->taken += n;
			return 1;
		}
		if (filled)
			return 0;
		r = fill(s);
		if (r <= 0)
			return r;
	}
}

/* Milliseconds that are left until @end_ns, for poll(2). */
static int left_ms(uint64_t end_ns)
{
	uint64_t now = io_boottime_ns();

	return now >= end_ns ? 0 : (end_ns - now) / 1000000 + 1;
}

int stream_wait(struct stream *s, struct frame *ret, int timeout_ms)
{
	uint64_t end = io_boottime_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;

	for (;;) {
		struct pollfd p = { .fd = s->fd, .events = stream_events(s) };
		int r = stream_next(s, ret);

		if (r)
			return r;
		r = stream_flush(s);
		if (r < 0)
			return r;
		p.events = stream_events(s);
		r = poll(&p, 1, timeout_ms < 0 ? -1 : left_ms(end));
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

size_t stream_room(const struct stream *s)
{
	size_t used = s->put - s->sent;

	return used + 2 * FRAME_HEADER > OUT_SIZE ? 0 : OUT_SIZE - used - FRAME_HEADER;
}

int stream_flush(struct stream *s)
{
	while (s->sent < s->put) {
		ssize_t n = s->is_socket
				    ? send(s->fd, s->out + s->sent, s->put - s->sent, MSG_NOSIGNAL)
				    : write(s->fd, s->out + s->sent, s->put - s->sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		s->sent += n;
	}
	s->sent = s->put = 0;
	return 0;
}

int stream_send(struct stream *s, enum frame_type type, const void *data, size_t len)
{
	if (stream_room(s) < len)
		return -ENOBUFS;
	if (s->sent) {
		memmove(s->out, s->out + s->sent, s->put - s->sent);
		s->put -= s->sent;
		s->sent = 0;
	}
	frame_header(s->out + s->put, type, len);
	if (len)
		memcpy(s->out + s->put + FRAME_HEADER, data, len);
	s->put += FRAME_HEADER + len;
	return stream_flush(s);
}

int stream_send_u32(struct stream *s, enum frame_type type, uint32_t v)
{
	uint8_t le[4];

	frame_put_u32(le, v);
	return stream_send(s, type, le, sizeof(le));
}

int stream_drain(struct stream *s, int timeout_ms)
{
	uint64_t end = io_boottime_ns() + (uint64_t)timeout_ms * 1000000;

	for (;;) {
		struct pollfd p = { .fd = s->fd, .events = POLLOUT };
		int r = stream_flush(s);

		if (r < 0 || s->sent == s->put)
			return r;
		r = poll(&p, 1, left_ms(end));
		if (r == 0)
			return -ETIMEDOUT;
		if (r > 0 && p.revents & (POLLHUP | POLLERR))
			return -ECONNRESET;
	}
}
