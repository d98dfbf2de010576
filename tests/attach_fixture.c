#include "tests/attach_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "enclave/base/proc.h"
#include "enclave/base/run.h"
#include "launcher/attach.h"

/* The host: a session leader on the slave, as a shell's child would be. */
static void host_main(int slave, int sock, int passphrase_fd)
{
	static struct request req = { .kind = REQUEST_SESSION,
				      .user = REQUEST_TAZ,
				      .flags = REQUEST_TTY | REQUEST_CREATE,
				      .cwd = "/",
				      .term = "",
				      .lang = "",
				      .colorterm = "",
				      .tz = "" };
	struct prompt prompt = { 0 };
	int r;

	if (slave >= 0) {
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		for (int fd = 0; fd < 3; fd++)
			dup2(slave, fd);
	} else {
		setsid();
		req.flags = 0;
	}
	if (passphrase_fd >= 0 && prompt_read_fd(passphrase_fd, &prompt.given) < 0)
		_exit(1);
	r = attach_run(sock, &req, &(struct attach){ 0, 1, 2, &prompt });
	secret_free(prompt.given);
	_exit(r < 0 ? 1 : r);
}

struct fixture *start(bool terminal, int passphrase_fd)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	return start_on(terminal, passphrase_fd, pair[1], pair[0]);
}

struct fixture *start_on(bool terminal, int passphrase_fd, int host, int relay)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->master = f->slave = -1;
	if (terminal) {
		assert_int_equal(openpty(&f->master, &f->slave, NULL, NULL, NULL), 0);
		fcntl(f->master, F_SETFD, FD_CLOEXEC);
		tcgetattr(f->slave, &f->before);
	}
	assert_int_equal(secret_keypair(f->public, &f->private), 0);
	f->host = fork();
	if (f->host == 0) {
		close(relay);
		if (terminal)
			close(f->master);
		host_main(f->slave, host, passphrase_fd);
	}
	close(host);
	f->relay = stream_new(relay, FRAME_FROM_HOST);
	return f;
}

void done(struct fixture *f)
{
	stream_free(f->relay);
	secret_free(f->private);
	if (f->master >= 0)
		close(f->master);
	if (f->slave >= 0)
		close(f->slave);
	free(f);
}

void expect_request(struct fixture *f)
{
	struct frame fr;

	assert_int_equal(stream_wait(f->relay, &fr, 5000), 1);
	assert_int_equal(fr.type, FRAME_REQUEST);
}

void ask(struct fixture *f, int is_new, int attempt)
{
	struct seal_ask a = { .what = is_new, .attempt = attempt };

	memcpy(a.public_key, f->public, 32);
	assert_int_equal(stream_send(f->relay, FRAME_SEAL_ASK, &a, sizeof(a)), 0);
}

void see(struct fixture *f, const char *text)
{
	struct pollfd p = { .fd = f->master, .events = POLLIN };
	char *at;

	while (!(at = strstr(f->seen, text))) {
		ssize_t n;

		if (poll(&p, 1, 5000) != 1)
			fail_msg("no '%s' on the terminal: %s", text, f->seen);
		n = read(f->master, f->seen + f->n_seen, sizeof(f->seen) - 1 - f->n_seen);
		if (n <= 0)
			fail_msg("the terminal ended before '%s'", text);
		f->n_seen += n;
		f->seen[f->n_seen] = '\0';
	}
	at += strlen(text);
	f->n_seen -= at - f->seen;
	memmove(f->seen, at, f->n_seen + 1);
}

void type(struct fixture *f, const char *keys, size_t n)
{
	assert_int_equal(io_write_full(f->master, keys, n), 0);
}

void expect_box(struct fixture *f, const char *want)
{
	struct secret *s = secret_new(600);
	struct seal_box box;
	struct frame fr;
	int r = stream_wait(f->relay, &fr, 5000);

	if (!want && r == -ECONNRESET) {
		secret_free(s);
		return;
	}
	assert_int_equal(r, 1);
	assert_int_equal(fr.type, FRAME_SEAL_BOX);
	memcpy(&box, fr.data, sizeof(box));
	if (want) {
		assert_int_equal(secret_unseal(box.box, box.len, f->public, f->private, s), 0);
		assert_int_equal(s->len, strlen(want));
		assert_memory_equal(s->data, want, s->len);
	} else {
		assert_int_equal(box.len, 0);
	}
	secret_free(s);
}

void verdict(struct fixture *f, int err, int more)
{
	struct seal_verdict v = { .err = err, .more = more };

	if (err)
		strcpy(v.text, "wrong \033passphrase");
	assert_int_equal(stream_send(f->relay, FRAME_SEAL_VERDICT, &v, sizeof(v)), 0);
}

void expect_echo_is_back(struct fixture *f)
{
	struct termios now;

	tcgetattr(f->slave, &now);
	assert_true(now.c_lflag & ECHO);
	assert_int_equal(now.c_lflag, f->before.c_lflag);
	assert_int_equal(now.c_iflag, f->before.c_iflag);
}

void expect_refusal(struct fixture *f)
{
	expect_box(f, NULL);
	assert_int_not_equal(run_wait(f->host), 0);
	expect_echo_is_back(f);
	done(f);
}

/*
 * The prompt is on the screen a moment before read(2) waits. readpassphrase(3bsd) only notes a
 * signal that comes in between, and looks at the note after the next key: still nothing is
 * sealed, but a test that types once would wait for ever.
 */
void wait_until_it_reads(struct fixture *f)
{
	struct proc_stat st = { 0 };
	int fd = proc_open(f->host);

	for (int i = 0; i < 1000 && st.state != 'S'; i++) {
		usleep(5000);
		assert_int_equal(proc_stat_read(fd, &st), 0);
	}
	close(fd);
}

struct fixture *at_prompt(int is_new)
{
	struct fixture *f = start(true, -1);

	expect_request(f);
	ask(f, is_new, 1);
	see(f, "assphrase");
	wait_until_it_reads(f);
	return f;
}
