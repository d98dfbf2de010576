#include "launcher/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/question.h"
#include "enclave/base/sealfd.h"
#include "launcher/child.h"
#include "launcher/relay_env.h"
#include "launcher/stream.h"

#define REQUEST_MS 10000 /* from our hello to a whole request */
#define GRACE_MS   1200	 /* from SIGHUP to SIGKILL; a session ends within 2 s of its terminal */
#define LINGER_MS  2000	 /* how long the host may take to close after EXIT */
#define ENCLAVE	   "/usr/bin/enclave"

struct relay {
	struct stream *stream;
	struct child child;
	int seal;	  /* our end of the pair to enclave, or -EBADF */
	int asks;	  /* our end of the pair to the keeper, for questions, or -EBADF */
	int asks_theirs;  /* the other one, until it goes with the next box */
	bool eof;	  /* close the program's input when it has got what is pending */
	size_t in_at, in; /* pending[in_at..in] is not written yet */
	uint8_t pending[FRAME_WINDOW];
};

/* --- starting -------------------------------------------------------------------------------- */

/*
 * "enclave session --user taz --seal-fd 3 [--create] [--accept-rollback] -- ARGV...", or
 * "enclave COMMAND --seal-fd 3 ARGV..."
 */
static void enclave_argv(const struct request *req, const char **argv)
{
	int n = 0;

	argv[n++] = ENCLAVE;
	if (req->kind == REQUEST_VAULT) {
		argv[n++] = req->argv[0];
		argv[n++] = "--seal-fd";
		argv[n++] = "3";
		memcpy(argv + n, req->argv + 1, req->argc * sizeof(*argv));
		return;
	}
	argv[n++] = "session";
	argv[n++] = "--user";
	argv[n++] = "taz";
	argv[n++] = "--seal-fd";
	argv[n++] = "3";
	if (req->flags & REQUEST_CREATE)
		argv[n++] = "--create";
	if (req->flags & REQUEST_ACCEPT_ROLLBACK)
		argv[n++] = "--accept-rollback";
	argv[n++] = "--";
	memcpy(argv + n, req->argv, (req->argc + 1) * sizeof(*argv));
}

_Static_assert(CHILD_EXTRA_FD == 3, "enclave_argv() says so in words");

/* Only where there is a person at the other end. */
static int prepare_asks(struct relay *r, const struct request *req)
{
	int pair[2], err;

	if (req->kind != REQUEST_SESSION || !(req->flags & REQUEST_TTY))
		return 0;
	err = msg_pair(pair);
	if (err < 0)
		return err;
	r->asks = pair[0];
	r->asks_theirs = pair[1];
	return 0;
}

static int start(struct relay *r, const struct request *req)
{
	static const char *enclave[REQUEST_ARGS_MAX + 10];
	struct relay_env env = { 0 };
	struct child_spec spec = {
		.argv = req->argv,
		.envp = env.list,
		.cwd = req->cwd,
		.tty_user = req->user == REQUEST_ROOT ? "root" : "taz",
		.user = req->user == REQUEST_ROOT ? NULL : "taz",
		.extra_fd = -EBADF,
		.tty = req->flags & REQUEST_TTY,
		.rows = req->rows,
		.cols = req->cols,
	};
	autoclose int theirs = -EBADF;
	int pair[2], err = relay_env_build(&env, req);

	if (err < 0)
		return err;
	if (req->kind != REQUEST_EXEC) {
		err = msg_pair(pair);
		if (err < 0)
			return err;
		r->seal = pair[0];
		theirs = pair[1];
		err = prepare_asks(r, req);
		if (err < 0)
			return err;
		enclave_argv(req, enclave);
		spec.argv = enclave;
		spec.user = NULL; /* a session becomes taz itself, with its mark */
		spec.extra_fd = theirs;
	}
	return child_start(&spec, &r->child);
}

static int send_error(struct stream *s, int code, const char *what, int err)
{
	uint8_t buf[4 + FRAME_TEXT];
	int n;

	frame_put_u32(buf, code);
	n = snprintf((char *)buf + 4, FRAME_TEXT, "%s: %s", what, strerror(-err));
	if (n > FRAME_TEXT - 1)
		n = FRAME_TEXT - 1;
	stream_send(s, FRAME_ERROR, buf, 4 + n);
	return stream_drain(s, LINGER_MS);
}

/* --- host to program ------------------------------------------------------------------------- */

/* Write what is pending; each byte that got there is a byte of credit. */
static int feed(struct relay *r)
{
	ssize_t n;

	if (r->child.in < 0)
		return 0;
	if (r->in_at < r->in) {
		n = write(r->child.in, r->pending + r->in_at, r->in - r->in_at);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0) { /* EPIPE: it does not read any more; swallow the rest */
			n = r->in - r->in_at;
			r->eof = true;
		}
		r->in_at += n;
		n = stream_send_u32(r->stream, FRAME_CREDIT, n);
		if (n < 0)
			return n;
	}
	if (r->in_at == r->in) {
		r->in_at = r->in = 0;
		if (r->eof)
			fd_close(&r->child.in);
	}
	return 0;
}

static int on_stdin(struct relay *r, const struct frame *f)
{
	if (r->child.in < 0) /* the program has closed it: take and forget */
		return stream_send_u32(r->stream, FRAME_CREDIT, f->len);
	memmove(r->pending, r->pending + r->in_at, r->in - r->in_at);
	r->in -= r->in_at;
	r->in_at = 0;
	if (f->len > sizeof(r->pending) - r->in)
		return -EBADMSG; /* more than its window */
	memcpy(r->pending + r->in, f->data, f->len);
	r->in += f->len;
	return feed(r);
}

static int on_signal(struct relay *r, const struct frame *f)
{
	static const int allowed[] = {
		SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT
	};

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		if ((uint32_t)allowed[i] == frame_u32(f)) {
			child_signal(&r->child, allowed[i]);
			return 0;
		}
	return -EBADMSG;
}

static int on_close(struct relay *r, const struct frame *f)
{
	/* With its reader gone the program gets SIGPIPE, as it would at home. */
	if (r->child.err >= 0)
		fd_close(frame_u32(f) == 2 ? &r->child.err : &r->child.out);
	return 0;
}

static int on_winch(struct relay *r, const struct frame *f)
{
	child_resize(&r->child, f->data[0] | f->data[1] << 8, f->data[2] | f->data[3] << 8);
	return 0;
}

static int on_eof(struct relay *r, const struct frame *f)
{
	r->eof = true;
	return feed(r);
}

static int on_box(struct relay *r, const struct frame *f)
{
	if (r->seal < 0)
		return -EBADMSG;
	/* A peer that is gone ends by its pidfd. */
	msg_send(r->seal, f->data, f->len, &r->asks_theirs, r->asks_theirs >= 0);
	fd_close(&r->asks_theirs);
	return 0;
}

static int on_answer(struct relay *r, const struct frame *f)
{
	if (r->asks < 0)
		return -EBADMSG;
	/* Small, and one for each question: there is room. A keeper that is gone needs none. */
	msg_send(r->asks, f->data, f->len, NULL, 0);
	return 0;
}

static const struct {
	enum frame_type type;
	int (*handle)(struct relay *r, const struct frame *f);
} handlers[] = {
	{ FRAME_STDIN, on_stdin },   { FRAME_EOF, on_eof },	{ FRAME_WINCH, on_winch },
	{ FRAME_SIGNAL, on_signal }, { FRAME_CLOSE, on_close }, { FRAME_SEAL_BOX, on_box },
	{ FRAME_ANSWER, on_answer },
};

static int on_frame(struct relay *r, const struct frame *f)
{
	for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++)
		if (handlers[i].type == f->type)
			return handlers[i].handle(r, f);
	return -EBADMSG; /* a second REQUEST */
}

static int read_host(struct relay *r)
{
	struct frame f;
	int n;

	while ((n = stream_next(r->stream, &f)) == 1) {
		n = on_frame(r, &f);
		if (n < 0)
			return n;
	}
	return n;
}

/* --- program to host ------------------------------------------------------------------------- */

/* Returns 1 when something was sent, 0 when there is nothing now; closes at the end. */
static int pump(struct relay *r, int *fd, enum frame_type type)
{
	uint8_t buf[FRAME_DATA];
	ssize_t n;

	if (*fd < 0)
		return 0;
	n = read(*fd, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) { /* EIO: the last one has closed the terminal */
		fd_close(fd);
		return 0;
	}
	n = stream_send(r->stream, type, buf, n);
	return n < 0 ? n : 1;
}

/* A message of "enclave session" has the size of exactly one of two structs. */
static int pump_seal(struct relay *r)
{
	union {
		struct seal_ask ask;
		struct seal_verdict verdict;
	} m;
	ssize_t n = msg_recv(r->seal, &m, sizeof(m), NULL, 0);

	if (n == sizeof(m.ask))
		return stream_send(r->stream, FRAME_SEAL_ASK, &m, n);
	if (n == sizeof(m.verdict))
		return stream_send(r->stream, FRAME_SEAL_VERDICT, &m, n);
	fd_close(&r->seal);
	return 0;
}

/* From the keeper. fill_poll() has seen to it that there is room. */
static int pump_asks(struct relay *r)
{
	struct question_put m;

	if (msg_recv(r->asks, &m, sizeof(m), NULL, 0) == sizeof(m))
		return stream_send(r->stream, FRAME_QUESTION, &m, sizeof(m));
	fd_close(&r->asks);
	return 0;
}

/* What the program wrote before it ended, and no more: others may hold its streams for ever. */
static int pump_rest(struct relay *r)
{
	int n = 1;

	while (n > 0) {
		n = stream_drain(r->stream, LINGER_MS);
		if (n == 0)
			n = pump(r, &r->child.out, FRAME_STDOUT);
		if (n == 0)
			n = pump(r, &r->child.err, FRAME_STDERR);
	}
	return n;
}

/* --- the loop -------------------------------------------------------------------------------- */

enum { P_HOST, P_CHILD, P_OUT, P_ERR, P_IN, P_SEAL, P_ASKS, P_MAX };

static void fill_poll(const struct relay *r, struct pollfd p[P_MAX])
{
	bool room = stream_room(r->stream) > 2 * FRAME_DATA;

	p[P_HOST] = (struct pollfd){ stream_fd(r->stream), stream_events(r->stream), 0 };
	p[P_CHILD] = (struct pollfd){ r->child.pidfd, POLLIN, 0 };
	p[P_OUT] = (struct pollfd){ room ? r->child.out : -1, POLLIN, 0 };
	p[P_ERR] = (struct pollfd){ room ? r->child.err : -1, POLLIN, 0 };
	p[P_IN] = (struct pollfd){ r->in_at < r->in ? r->child.in : -1, POLLOUT, 0 };
	p[P_SEAL] = (struct pollfd){ r->seal, POLLIN, 0 };
	/* Not before the session runs: it is the keeper's from then on. */
	p[P_ASKS] = (struct pollfd){ room && r->asks_theirs < 0 ? r->asks : -1, POLLIN, 0 };
}

/* One turn. Returns 1 when the program has ended, 0, or -errno when the host is to be left. */
static int turn(struct relay *r)
{
	struct pollfd p[P_MAX];
	int n;

	fill_poll(r, p);
	if (poll(p, P_MAX, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	n = stream_flush(r->stream);
	if (n == 0 && p[P_HOST].revents)
		n = read_host(r);
	/* A virtio port, or a socket with unread bytes, may say so only here. */
	if (n == 0 && p[P_HOST].revents & (POLLHUP | POLLERR))
		n = -ECONNRESET;
	if (n == 0 && p[P_IN].revents)
		n = feed(r);
	if (n >= 0 && p[P_SEAL].revents && r->seal >= 0)
		n = pump_seal(r);
	if (n >= 0 && p[P_ASKS].revents)
		n = pump_asks(r);
	if (n >= 0 && p[P_OUT].revents)
		n = pump(r, &r->child.out, FRAME_STDOUT);
	if (n >= 0 && p[P_ERR].revents)
		n = pump(r, &r->child.err, FRAME_STDERR);
	if (n < 0)
		return n;
	return p[P_CHILD].revents && !p[P_SEAL].revents;
}

/* The host closes after EXIT. A virtio port must not be opened anew before: the next hello would
 * reach the old host. */
static void linger(struct relay *r)
{
	uint64_t end = io_boottime_ns() + LINGER_MS * 1000000ULL;
	struct pollfd p = { .fd = stream_fd(r->stream), .events = POLLIN };
	struct frame f;
	int n = 0;

	while (n >= 0 && io_boottime_ns() < end) {
		if (poll(&p, 1, LINGER_MS) != 1 || p.revents & (POLLHUP | POLLERR))
			return;
		n = stream_next(r->stream, &f);
	}
}

static int relay_loop(struct relay *r)
{
	/* What came together with the request is in the stream's buffer: poll(2) knows nothing of
	 * it. */
	int n = read_host(r);

	while (n == 0)
		n = turn(r);
	if (n > 0) {
		child_wait(&r->child);
		n = pump_rest(r);
	}
	if (n == 0)
		n = stream_send_u32(r->stream, FRAME_EXIT, r->child.status);
	if (n == 0)
		n = stream_drain(r->stream, LINGER_MS);
	if (n == 0)
		linger(r);
	else
		child_hang_up(&r->child, GRACE_MS);
	return n;
}

static int read_request(struct stream *s, struct request *req)
{
	struct frame f;
	int r = stream_wait(s, &f, REQUEST_MS);

	if (r < 0)
		return r;
	return f.type == FRAME_REQUEST ? request_decode(f.data, f.len, req) : -EBADMSG;
}

int relay_serve(int fd)
{
	uint8_t hello[FRAME_HEADER + 4];

	frame_header(hello, FRAME_HELLO, 4);
	memcpy(hello + FRAME_HEADER, FRAME_HELLO_TEXT, 4);
	if (io_write_full(fd, hello, sizeof(hello)) < 0) {
		fd_close(&fd);
		return -ECONNRESET;
	}
	return relay_serve_greeted(fd);
}

int relay_serve_greeted(int fd)
{
	static struct request req; /* large; one request a process */
	static struct relay r;
	autostream struct stream *s = stream_new(fd, FRAME_FROM_HOST);
	int n;

	if (!s) {
		fd_close(&fd);
		return -ENOMEM;
	}
	n = read_request(s, &req);
	if (n < 0) {
		if (n != -ECONNRESET)
			send_error(s, 1, "the agent refuses the request", n);
		return n;
	}
	signal(SIGPIPE, SIG_IGN); /* a program that closes its input is no reason to die */
	r.stream = s;
	r.seal = r.asks = r.asks_theirs = -EBADF;
	n = start(&r, &req);
	if (n < 0) {
		n = send_error(s, n == -ENOENT ? 127 : 126, req.argc ? req.argv[0] : ENCLAVE, n);
		linger(&r);
	} else {
		n = relay_loop(&r);
		child_done(&r.child);
	}
	fd_close(&r.seal);
	fd_close(&r.asks);
	fd_close(&r.asks_theirs);
	return n;
}
