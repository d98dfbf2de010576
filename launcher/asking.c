#include "launcher/asking.h"

#include <string.h>
#include <termios.h>

#include "enclave/base/io.h"
#include "enclave/base/terminal.h"

#define SEC   1000000000ULL
#define BYTES (64 * 1024) /* of a question on a large terminal */

void asking_shown(struct asking *a, const uint8_t *buf, size_t n)
{
	screen_feed(&a->screen, buf, n);
}

static int write_text(const struct asking *a, const char *text)
{
	return io_write_full(a->out, text, strlen(text)) < 0 ? -1 : 0;
}

void asking_end(struct asking *a)
{
	if (!a->on)
		return;
	a->on = false;
	/* What was typed behind the answer is not the program's. */
	tcflush(a->in, TCIFLUSH);
	write_text(a, screen_leave(&a->screen));
	memset(&a->put, 0, sizeof(a->put));
}

static enum question_answer end_with(struct asking *a, enum question_answer answer)
{
	if (answer != QUESTION_OPEN)
		asking_end(a);
	return answer;
}

static unsigned left_sec(const struct asking *a)
{
	uint64_t now = io_boottime_ns();

	return now < a->until_ns ? (unsigned)((a->until_ns - now + SEC - 1) / SEC) : 0;
}

enum question_answer asking_draw(struct asking *a)
{
	static char buf[BYTES];
	uint16_t rows, cols;
	ssize_t n;

	terminal_size(a->in, &rows, &cols);
	a->left_sec = left_sec(a);
	n = question_draw(&a->put.q, rows, cols, a->left_sec, question_typed(&a->keys), buf,
			  sizeof(buf));
	if (n < 0 || io_write_full(a->out, buf, n) < 0)
		return end_with(a, QUESTION_NO);
	return QUESTION_OPEN;
}

enum question_answer asking_begin(struct asking *a, const struct question_put *put)
{
	enum question_answer answer;

	if (question_check(&put->q) < 0)
		return QUESTION_NO;
	asking_end(a);
	a->put = *put;
	a->on = true;
	a->until_ns = io_boottime_ns() + QUESTION_SEC * SEC;
	tcflush(a->in, TCIFLUSH);
	write_text(a, screen_enter(&a->screen));
	question_keys_begin(&a->keys, put->q.offers, io_boottime_ns());
	answer = asking_draw(a);
	/* Not before it could be read. */
	question_keys_begin(&a->keys, put->q.offers, io_boottime_ns());
	return answer;
}

enum question_answer asking_keys(struct asking *a, const uint8_t *buf, size_t n)
{
	enum question_answer answer = question_keys_feed(&a->keys, buf, n, io_boottime_ns());

	return answer == QUESTION_OPEN ? asking_draw(a) : end_with(a, answer);
}

enum question_answer asking_tick(struct asking *a)
{
	unsigned left = a->on ? left_sec(a) : 1;

	if (!left)
		return end_with(a, QUESTION_NO);
	return a->on && left != a->left_sec ? asking_draw(a) : QUESTION_OPEN;
}

int asking_wait_ms(const struct asking *a)
{
	uint64_t now = io_boottime_ns(), next;

	if (!a->on)
		return -1;
	next = a->until_ns - (a->left_sec - 1) * SEC;
	return !a->left_sec || next <= now ? 0 : (int)((next - now) / 1000000) + 1;
}
