#include "enclave/base/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "enclave/base/shortlife.h"

#define BLACK_ON_WHITE "\033[0;30;107m"
#define PLAIN	       "\033[0m\n"

static int is_dark(const unsigned char *modules, int width, int x, int y)
{
	return x >= 0 && y >= 0 && x < width && y < width && modules[y * width + x] & 1;
}

int qr_rows(int width)
{
	return (width + 2 * QR_QUIET + 1) / 2;
}

size_t qr_draw(const unsigned char *modules, int width, int row, char buf[QR_ROW_MAX])
{
	static const char *const blocks[] = { " ", "\u2580", "\u2584", "\u2588" };
	int y = row * 2 - QR_QUIET;
	size_t len = 0;

	for (int x = -QR_QUIET; x < width + QR_QUIET; x++) {
		const char *block = blocks[is_dark(modules, width, x, y) |
					   is_dark(modules, width, x, y + 1) << 1];
		size_t n = strlen(block);

		if (len + n > QR_ROW_MAX)
			break;
		memcpy(buf + len, block, n);
		len += n;
	}
	return len;
}

static int write_row(int fd, const QRcode *code, int row)
{
	char line[sizeof(BLACK_ON_WHITE) + QR_ROW_MAX + sizeof(PLAIN)] = BLACK_ON_WHITE;
	size_t n = strlen(line);

	n += qr_draw(code->data, code->width, row, line + n);
	memcpy(line + n, PLAIN, strlen(PLAIN));
	return io_write_full(fd, line, n + strlen(PLAIN));
}

static int wide_enough(int fd, int width)
{
	struct winsize ws;

	return ioctl(fd, TIOCGWINSZ, &ws) < 0 || !ws.ws_col || ws.ws_col >= width + 2 * QR_QUIET;
}

struct job {
	const struct secret *s;
	int fd;
};

/* In the child. Returns an errno. */
static int draw(void *arg)
{
	const struct job *job = arg;
	QRinput *in = QRinput_new2(0, QR_ECLEVEL_M);
	QRcode *code;
	int r = 0;

	/* Alphanumeric: A to Z, 0 to 9 and '-' take 5.5 bits each. */
	if (!in || QRinput_append(in, QR_MODE_AN, job->s->len, job->s->data) < 0)
		return EINVAL;
	code = QRcode_encodeInput(in);
	if (!code)
		return EINVAL;
	if (!wide_enough(job->fd, code->width))
		return E2BIG;
	for (int row = 0; row < qr_rows(code->width) && r == 0; row++)
		r = write_row(job->fd, code, row);
	return r < 0 ? EIO : 0;
}

int qr_show(const struct secret *s, int fd)
{
	struct job job = { s, fd };
	int r;

	if (!isatty(fd))
		return -ENOTTY;
	r = shortlife_run(draw, &job);
	return r > 100 ? -EIO : r > 0 ? -r : r;
}
