/*
 * cut_disk - serve a disk (disk.h) to one QEMU by NBD, and cut the power of its machine
 *
 *	cut_disk --socket PATH --file FILE [--after N] [--seed S]
 *
 * From SIGUSR1 on, writes and flushes are counted; before the N-th is done QEMU is killed, and what
 * was not flushed meets the fate that the seed has for it. SIGUSR2 cuts at the next one. Prints
 *what was lost; status 0 after a cut, 3 when the machine ended without one (all is flushed then).
 * Source: the NBD protocol's doc/proto.md: fixed newstyle negotiation, simple replies.
 */
#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <linux/nbd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/size.h"
#include "tests/powercut/disk.h"

#define INIT_MAGIC   0x4e42444d41474943ULL /* "NBDMAGIC" */
#define OPTION_MAGIC 0x49484156454f5054ULL /* "IHAVEOPT" */
#define REPLY_MAGIC  0x3e889045565a9ULL
#define HELLO_FLAGS  3 /* fixed newstyle, no zeroes after the export */
#define REQUEST_MAX  (32 << 20)
#define OPTION_MAX   4096

enum { OPT_EXPORT_NAME = 1, OPT_ABORT = 2, OPT_INFO = 6, OPT_GO = 7 };
enum { REP_ACK = 1, REP_INFO = 3 };
#define REP_UNSUPPORTED 0x80000001u
/* The flags of a request are the high half of its type. */
enum { CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM, CMD_ZERO = 6 };
#define CMD_FUA	     (1u << 16)
#define EXPORT_FLAGS (1 | 4 | 8 | 64) /* there are flags; flush, FUA, write zeroes */

struct args {
	const char *socket, *file;
	long long after, seed;
};

struct server {
	const struct args *a;
	struct disk *disk;
	int sock;
	pid_t qemu;
	long long counted;
	bool cut;
	uint8_t *buf; /* REQUEST_MAX bytes */
};

static volatile sig_atomic_t armed, now;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		armed = 1;
	else
		now = 1;
}

static int get(struct server *s, void *buf, size_t size)
{
	ssize_t n = io_read_full(s->sock, buf, size);

	return n < 0 ? (int)n : (size_t)n == size ? 0 : -EPIPE;
}

/* --- negotiation ----------------------------------------------------------------------------- */

static int reply_option(struct server *s, uint32_t option, uint32_t type, const void *data,
			uint32_t size)
{
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, type, size;
	} head = { htobe64(REPLY_MAGIC), htobe32(option), htobe32(type), htobe32(size) };
	int r = io_write_full(s->sock, &head, sizeof(head));

	return r == 0 && size ? io_write_full(s->sock, data, size) : r;
}

static int reply_info(struct server *s, uint32_t option)
{
	struct __attribute__((packed)) {
		uint16_t type;
		uint64_t bytes;
		uint16_t flags;
	} info = { 0, htobe64(disk_bytes(s->disk)), htobe16(EXPORT_FLAGS) };
	int r = reply_option(s, option, REP_INFO, &info, sizeof(info));

	return r < 0 ? r : reply_option(s, option, REP_ACK, NULL, 0);
}

/* Returns 1 when requests follow, 0 when another option does. */
static int take_option(struct server *s)
{
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, size;
	} head;
	uint8_t data[OPTION_MAX];
	uint32_t option;
	int r = get(s, &head, sizeof(head));

	if (r < 0)
		return r;
	if (be64toh(head.magic) != OPTION_MAGIC || be32toh(head.size) > sizeof(data))
		return -EPROTO;
	r = get(s, data, be32toh(head.size));
	option = be32toh(head.option);
	if (r < 0 || option == OPT_ABORT || option == OPT_EXPORT_NAME)
		return r < 0 ? r : -EPROTO; /* QEMU says GO */
	if (option == OPT_INFO || option == OPT_GO)
		r = reply_info(s, option);
	else
		r = reply_option(s, option, REP_UNSUPPORTED, NULL, 0);
	return r < 0 ? r : option == OPT_GO;
}

static int negotiate(struct server *s)
{
	struct __attribute__((packed)) {
		uint64_t magic, option;
		uint16_t flags;
	} hello = { htobe64(INIT_MAGIC), htobe64(OPTION_MAGIC), htobe16(HELLO_FLAGS) };
	uint32_t flags;
	int r = io_write_full(s->sock, &hello, sizeof(hello));

	if (r == 0)
		r = get(s, &flags, sizeof(flags));
	while (r == 0)
		r = take_option(s);
	return r < 0 ? r : 0;
}

/* --- requests -------------------------------------------------------------------------------- */

/* A write that must be durable flushes all before it too: it is the rarer one, and allowed. */
static int carry_out(struct server *s, uint32_t type, uint64_t at, uint32_t size)
{
	int r = -EINVAL;

	switch (type & 0xffff) {
	case CMD_READ:
		return disk_read(s->disk, s->buf, size, at);
	case CMD_WRITE:
		r = disk_write(s->disk, s->buf, size, at);
		break;
	case CMD_ZERO:
		r = disk_zero(s->disk, size, at);
		break;
	case CMD_FLUSH:
		return disk_flush(s->disk);
	default:
		break;
	}
	return r == 0 && type & CMD_FUA ? disk_flush(s->disk) : r;
}

static bool is_time(struct server *s, uint32_t type)
{
	if ((type & 0xffff) == CMD_READ || (!armed && !now))
		return false;
	s->counted++;
	return now || (s->a->after && s->counted >= s->a->after);
}

static int answer(struct server *s, const struct nbd_request *req, uint32_t type, int err)
{
	struct nbd_reply reply = { .magic = htobe32(NBD_REPLY_MAGIC), .error = htobe32(-err) };
	int r;

	memcpy(&reply.handle, &req->handle, sizeof(reply.handle));
	r = io_write_full(s->sock, &reply, sizeof(reply));
	if (r == 0 && err == 0 && (type & 0xffff) == CMD_READ)
		r = io_write_full(s->sock, s->buf, be32toh(req->len));
	return r;
}

/* Returns 0 to go on; the cut, a hang-up and errors end it. */
static int serve_one(struct server *s)
{
	struct nbd_request req;
	uint32_t type, size;
	int r = get(s, &req, sizeof(req));

	if (r < 0)
		return r;
	type = be32toh(req.type);
	size = be32toh(req.len);
	if (be32toh(req.magic) != NBD_REQUEST_MAGIC || (type & 0xffff) == CMD_DISC ||
	    ((type & 0xffff) != CMD_ZERO && size > REQUEST_MAX))
		return -EPIPE;
	if ((type & 0xffff) == CMD_WRITE)
		r = get(s, s->buf, size);
	if (r < 0)
		return r;
	if (is_time(s, type)) {
		/* The machine first: nothing that it says from now on was true of this disk. */
		kill(s->qemu, SIGKILL);
		s->cut = true;
		return -EPIPE;
	}
	return answer(s, &req, type, carry_out(s, type, be64toh(req.from), size));
}

/* --- start and end --------------------------------------------------------------------------- */

static int accept_qemu(struct server *s)
{
	autoclose int listener = msg_listen(s->a->socket, 0600, SOCK_STREAM);
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (listener < 0)
		return listener;
	s->sock = accept(listener, NULL, NULL);
	if (s->sock < 0 || getsockopt(s->sock, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	s->qemu = cred.pid;
	return 0;
}

static int end(struct server *s)
{
	struct disk_loss loss;

	if (!s->cut)
		return disk_flush(s->disk) < 0 ? 1 : 3;
	if (disk_cut_power(s->disk, s->a->seed, &loss) < 0)
		return 1;
	printf("cut after %lld requests: %u not flushed, %u blocks, kept %s, %u blocks lost\n",
	       s->counted, loss.requests, loss.blocks, disk_cut_name(loss.how), loss.dropped);
	return 0;
}

static int serve(const struct args *a)
{
	struct server s = { .a = a, .sock = -EBADF };
	int r;

	s.buf = malloc(REQUEST_MAX);
	s.disk = disk_open(a->file);
	if (!s.buf || !s.disk) {
		perror(a->file);
		free(s.buf);
		return 1;
	}
	r = accept_qemu(&s);
	if (r == 0)
		r = negotiate(&s);
	if (r < 0)
		fprintf(stderr, "cut_disk: %s\n", strerror(-r));
	while (r == 0)
		r = serve_one(&s);
	r = end(&s);
	fd_close(&s.sock);
	disk_close(s.disk);
	free(s.buf);
	return r;
}

static int parse(int argc, char *argv[], struct args *a)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
						 { "file", required_argument, NULL, 'f' },
						 { "after", required_argument, NULL, 'a' },
						 { "seed", required_argument, NULL, 'r' },
						 { 0 } };
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 's')
			a->socket = optarg;
		else if (c == 'f')
			a->file = optarg;
		else if (c == 'a')
			r = num_parse(optarg, 0, 1000000000, &a->after);
		else if (c == 'r')
			r = num_parse(optarg, 0, 1000000000, &a->seed);
		else
			r = -EINVAL;
	}
	return r < 0 || optind != argc || !a->socket || !a->file ? -EINVAL : 0;
}

int main(int argc, char *argv[])
{
	struct args a = { 0 };
	/* No SA_RESTART is needed: io.h goes on over EINTR. */
	struct sigaction sa = { .sa_handler = on_signal };

	if (parse(argc, argv, &a) < 0) {
		fprintf(stderr, "cut_disk: see the head of cut_disk.c\n");
		return 2;
	}
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	return serve(&a);
}
