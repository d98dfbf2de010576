#include "launcher/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "enclave/base/countdown.h"
#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/terminal.h"
#include "enclave/base/utf8.h"
#include "launcher/asking.h"
#include "launcher/stream.h"

#define WAIT_MAX_SEC 60 /* whatever the other side says */

struct sink { /* bytes on their way to a descriptor of ours that must not block us */
	int fd;
	uint32_t number; /* 1 or 2, for CLOSE */
	bool clean;	 /* for a terminal, as attach.h says */
	size_t at, len;
	uint8_t data[FRAME_DATA + 1];
};

struct state {
	struct stream *stream;
	const struct attach *a;
	bool tty, running;
	bool gone; /* nothing can be sent any more; what was said may still be read */
	int in;	   /* a->in until its end */
	int sigfd; /* signals, once the program runs */
	bool caught;
	sigset_t old_mask; /* when caught */
	int result;	   /* -1 until EXIT or ERROR */
	size_t window;
	struct sink out, err;
	struct asking asking;
};

/* --- the passphrase -------------------------------------------------------------------------- */

/* A mismatch of two is the person's slip, not an answer: it may be typed again, twice. */
static int answer(struct state *st, const struct seal_ask *ask, struct seal_box *box)
{
	int r = -ENOKEY;

	for (int i = 0; i < 3; i++) {
		r = prompt_answer(st->a->prompt, ask, box);
		if (r != -EKEYREJECTED)
			break;
		log_error("%s", prompt_why(r));
	}
	return r;
}

static int on_ask(struct state *st, const struct frame *f)
{
	struct seal_ask ask;
	struct seal_box box;
	int r, sent;

	if (!st->a->prompt || st->running)
		return -EBADMSG;
	memcpy(&ask, f->data, sizeof(ask));
	r = answer(st, &ask, &box);
	if (r < 0 && r != -EKEYREJECTED)
		log_error("%s; the vault stays locked", prompt_why(r));
	sent = stream_send(st->stream, FRAME_SEAL_BOX, &box, sizeof(box));
	if (sent == 0)
		sent = stream_drain(st->stream, 5000);
	return r < 0 ? -EPERM : sent;
}

static int start_running(struct state *st);

static int on_verdict(struct state *st, const struct frame *f)
{
	struct seal_verdict v;

	if (!st->a->prompt || st->running)
		return -EBADMSG;
	memcpy(&v, f->data, sizeof(v));
	v.text[sizeof(v.text) - 1] = '\0';
	if (v.err == 0)
		return start_running(st);
	log_error("%s", *v.text ? v.text : strerror(v.err < 0 && v.err > -4096 ? -v.err : EPERM));
	/* Only a person tries again; what came from a descriptor or a file was what there is. */
	if (!v.more || st->a->prompt->used || st->a->prompt->given)
		return -EPERM;
	if (v.wait_sec)
		countdown_wait(v.wait_sec < WAIT_MAX_SEC ? v.wait_sec : WAIT_MAX_SEC);
	return 0;
}

/* --- the program runs ------------------------------------------------------------------------ */

static int send_size(struct state *st)
{
	uint16_t rows, cols;
	uint8_t le[4];

	terminal_size(st->a->in, &rows, &cols);
	frame_put_u32(le, rows | (uint32_t)cols << 16);
	return stream_send(st->stream, FRAME_WINCH, le, sizeof(le));
}

/* Which signals are read from a descriptor: on a terminal of its own the keys are bytes. */
static void catch_signals(struct state *st)
{
	sigset_t set;

	sigemptyset(&set);
	st->caught = true;
	if (st->tty) {
		sigaddset(&set, SIGWINCH);
	} else {
		sigaddset(&set, SIGINT);
		sigaddset(&set, SIGTERM);
		sigaddset(&set, SIGQUIT);
	}
	sigprocmask(SIG_BLOCK, &set, &st->old_mask);
	st->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int start_running(struct state *st)
{
	int r = 0;

	st->running = true;
	st->window = FRAME_WINDOW;
	catch_signals(st);
	if (st->tty)
		r = terminal_raw(st->a->in);
	if (r == 0 && st->tty)
		r = send_size(st); /* it may have changed while the passphrase was typed */
	if (r == 0 && st->in < 0)
		r = stream_send(st->stream, FRAME_EOF, NULL, 0);
	return r;
}

/* --- questions ------------------------------------------------------------------------------- */

static int send_answer(struct state *st, uint32_t id, enum question_answer answer)
{
	const struct question_reply m = { .id = id, .answer = answer };

	return stream_send(st->stream, FRAME_ANSWER, &m, sizeof(m));
}

/* A program that has taken the whole terminal draws it again when its size changes. */
static int show_again(struct state *st)
{
	uint16_t rows, cols;
	uint8_t le[4];
	int r;

	if (!st->asking.screen.alternate)
		return 0;
	terminal_size(st->a->in, &rows, &cols);
	frame_put_u32(le, (rows > 1 ? rows - 1U : rows) | (uint32_t)cols << 16);
	r = stream_send(st->stream, FRAME_WINCH, le, sizeof(le));
	return r < 0 ? r : send_size(st);
}

/* What came of a step of the question. */
static int asked(struct state *st, uint32_t id, enum question_answer answer)
{
	int r;

	if (answer == QUESTION_OPEN)
		return 0;
	r = send_answer(st, id, answer);
	return r < 0 ? r : show_again(st);
}

static int on_question(struct state *st, const struct frame *f)
{
	static struct question_put put;

	if (!st->running)
		return -EBADMSG;
	memcpy(&put, f->data, sizeof(put));
	if (put.over) {
		if (!st->asking.on || put.id != st->asking.put.id)
			return 0;
		asking_end(&st->asking);
		return show_again(st);
	}
	if (!st->tty || st->in < 0 || st->out.fd < 0)
		return send_answer(st, put.id, QUESTION_NOBODY);
	return asked(st, put.id, asking_begin(&st->asking, &put));
}

static int on_sigfd(struct state *st)
{
	struct signalfd_siginfo si;

	if (read(st->sigfd, &si, sizeof(si)) != sizeof(si))
		return 0;
	if (si.ssi_signo == SIGWINCH) {
		int r = send_size(st);

		if (r < 0 || !st->asking.on)
			return r;
		return asked(st, st->asking.put.id, asking_draw(&st->asking));
	}
	return stream_send_u32(st->stream, FRAME_SIGNAL, si.ssi_signo);
}

static int on_input(struct state *st)
{
	uint8_t buf[FRAME_DATA];
	bool asks = st->asking.on;
	size_t want = asks || st->window > sizeof(buf) ? sizeof(buf) : st->window;
	ssize_t n = read(st->in, buf, want);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n > 0 && asks) {
		uint32_t id = st->asking.put.id;

		return asked(st, id, asking_keys(&st->asking, buf, n));
	}
	if (n > 0) {
		st->window -= n;
		return stream_send(st->stream, FRAME_STDIN, buf, n);
	}
	st->in = -EBADF;
	/* A terminal has no end but a hang-up. */
	return st->tty ? -EIO : stream_send(st->stream, FRAME_EOF, NULL, 0);
}

static int on_data(struct sink *sink, const struct frame *f)
{
	if (sink->fd < 0)
		return 0;
	memcpy(sink->data, f->data, f->len);
	sink->at = 0;
	sink->len = f->len;
	/* A character that two frames share becomes marks, too: no half may join what follows. */
	if (sink->clean)
		utf8_clean_bytes((char *)sink->data, sink->len, "\n\t");
	return 0;
}

/* At most PIPE_BUF at once: a pipe that poll(2) calls writable has room for that much. */
static int sink_write(struct state *st, struct sink *sink)
{
	size_t left = sink->len - sink->at;
	ssize_t n = write(sink->fd, sink->data + sink->at, left < 4096 ? left : 4096);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n >= 0) {
		asking_shown(&st->asking, sink->data + sink->at, n);
		sink->at += n;
		return 0;
	}
	sink->fd = -EBADF;
	sink->at = sink->len = 0;
	/* attach_capture() has what it has room for: the program goes on, and what it says is lost.
	 */
	if (errno == EPERM)
		return 0;
	return st->tty ? -EIO : stream_send_u32(st->stream, FRAME_CLOSE, sink->number);
}

static bool sink_full(const struct sink *sink)
{
	return sink->at < sink->len;
}

static int on_error(struct state *st, const struct frame *f)
{
	char text[FRAME_TEXT + 1];

	terminal_restore();
	frame_text(f, text, sizeof(text));
	log_error("%s", text);
	st->result = frame_u32(f) & 0xff;
	return 0;
}

static int on_frame(struct state *st, const struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO: /* an engine may have looked at it and left it */
		return 0;
	case FRAME_STDOUT:
		return on_data(&st->out, f);
	case FRAME_STDERR:
		return on_data(&st->err, f);
	case FRAME_CREDIT:
		st->window += frame_u32(f);
		return st->window > FRAME_WINDOW ? -EBADMSG : 0;
	case FRAME_SEAL_ASK:
		return on_ask(st, f);
	case FRAME_SEAL_VERDICT:
		return on_verdict(st, f);
	case FRAME_EXIT:
		st->result = frame_u32(f) & 0xff;
		return 0;
	case FRAME_QUESTION:
		return on_question(st, f);
	case FRAME_ERROR:
		return on_error(st, f);
	default:
		return -EBADMSG;
	}
}

/* One frame at a time: the next is taken when the last one's bytes are out. */
static int read_agent(struct state *st)
{
	struct frame f;
	int r = 1;

	while (st->result < 0 && !sink_full(&st->out) && !sink_full(&st->err)) {
		r = stream_next(st->stream, &f);
		if (r <= 0)
			break;
		r = on_frame(st, &f);
		if (r < 0)
			break;
	}
	return r < 0 ? r : 0;
}

enum { P_AGENT, P_IN, P_OUT, P_ERR, P_SIG, P_MAX };

static void fill_poll(const struct state *st, struct pollfd p[P_MAX])
{
	bool full = sink_full(&st->out) || sink_full(&st->err);
	bool may_read = st->running && (st->window || st->asking.on) &&
			stream_room(st->stream) > 2 * FRAME_DATA;
	short events = st->gone ? POLLIN : stream_events(st->stream);

	p[P_AGENT] = (struct pollfd){ stream_fd(st->stream), full ? events & ~POLLIN : events, 0 };
	p[P_IN] = (struct pollfd){ may_read ? st->in : -1, POLLIN, 0 };
	/* While something is asked the program waits with what it has to show. */
	p[P_OUT] = (struct pollfd){ sink_full(&st->out) && !st->asking.on ? st->out.fd : -1,
				    POLLOUT, 0 };
	p[P_ERR] = (struct pollfd){ sink_full(&st->err) ? st->err.fd : -1, POLLOUT, 0 };
	p[P_SIG] = (struct pollfd){ st->sigfd, POLLIN, 0 };
	/* With the agent gone poll would return for ever, while what it said is still to be shown.
	 */
	if (full && !(p[P_AGENT].events))
		p[P_AGENT].fd = -1;
}

static int turn(struct state *st)
{
	struct pollfd p[P_MAX];
	int r;

	fill_poll(st, p);
	if (poll(p, P_MAX, asking_wait_ms(&st->asking)) < 0)
		return errno == EINTR ? 0 : -errno;
	r = st->gone ? 0 : stream_flush(st->stream);
	/* EXIT may be waiting to be read although the other side is gone. */
	if (r == -ECONNRESET) {
		st->gone = true;
		r = 0;
	}
	if (r == 0 && st->asking.on) {
		uint32_t id = st->asking.put.id;

		r = asked(st, id, asking_tick(&st->asking));
	}
	if (r == 0 && p[P_OUT].revents)
		r = sink_write(st, &st->out);
	if (r == 0 && p[P_ERR].revents)
		r = sink_write(st, &st->err);
	if (r == 0)
		r = read_agent(st);
	if (r == 0 && st->result < 0 && p[P_SIG].revents)
		r = on_sigfd(st);
	if (r == 0 && st->result < 0 && p[P_IN].revents)
		r = on_input(st);
	return r;
}

static int send_request(struct state *st, const struct request *req)
{
	static uint8_t buf[FRAME_MAX];
	ssize_t n = request_encode(req, buf, sizeof(buf));
	int r;

	if (n < 0)
		return n;
	r = stream_send(st->stream, FRAME_REQUEST, buf, n);
	return r < 0 ? r : stream_drain(st->stream, 5000);
}

static int say(int r)
{
	if (r == -ECONNRESET)
		log_error("the workshop has gone away");
	else if (r == -EIO)
		log_error("the terminal has gone away");
	else if (r == -E2BIG)
		log_error("the command's arguments are too long");
	else if (r < 0 && r != -EPERM)
		log_err(r, "talk to the workshop");
	return r;
}

int attach_run(int stream_fd, const struct request *req, const struct attach *a)
{
	autostream struct stream *s = stream_new(stream_fd, FRAME_FROM_AGENT);
	struct state st = {
		.stream = s,
		.a = a,
		.tty = req->flags & REQUEST_TTY,
		.in = a->in,
		.sigfd = -EBADF,
		.result = -1,
		.out = { .fd = a->out, .number = 1, .clean = a->clean_out },
		.err = { .fd = a->err, .number = 2, .clean = a->clean_err },
		.asking = { .in = a->in, .out = a->out },
	};
	int r;

	if (!s) {
		fd_close(&stream_fd);
		return say(-ENOMEM);
	}
	signal(SIGPIPE, SIG_IGN);
	r = send_request(&st, req);
	if (r == 0 && req->kind == REQUEST_EXEC)
		r = start_running(&st);
	while (r == 0 && st.result < 0)
		r = turn(&st);
	asking_end(&st.asking);
	terminal_restore();
	fd_close(&st.sigfd);
	if (st.caught)
		sigprocmask(SIG_SETMASK, &st.old_mask, NULL);
	return r < 0 ? say(r) : st.result;
}

/* Room for @size bytes and no more: who writes may never end. Source: fcntl(2), "File Sealing". */
static int capture_room(size_t size)
{
	autoclose int mem = memfd_create("taz-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Whole pages: of one that is cut nothing could be written. */
	if (mem < 0 || ftruncate(mem, (off_t)((size + 4095) / 4096 * 4096)) < 0 ||
	    fcntl(mem, F_ADD_SEALS, F_SEAL_GROW) < 0)
		return -errno;
	return take_fd(&mem);
}

int attach_capture(int stream_fd, const char *const argv[], int err, char *buf, size_t size)
{
	static struct request req;
	autoclose int mem = capture_room(size);
	ssize_t n;
	int r;

	if (mem < 0) {
		fd_close(&stream_fd);
		return mem;
	}
	req = (struct request){ .kind = REQUEST_EXEC, .user = REQUEST_ROOT, .cwd = "/" };
	req.term = req.lang = req.colorterm = req.tz = "";
	while (argv[req.argc] && req.argc < REQUEST_ARGS_MAX) {
		req.argv[req.argc] = argv[req.argc];
		req.argc++;
	}
	r = attach_run(stream_fd, &req,
		       &(struct attach){ .in = -EBADF, .out = mem, .err = err, .clean_err = true });
	n = io_pread_full(mem, buf, size - 1, 0);
	buf[n < 0 ? 0 : n] = '\0';
	utf8_clean(buf, "\n\t");
	return r;
}
