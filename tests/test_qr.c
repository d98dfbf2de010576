#include <errno.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/qr.h"
#include "enclave/base/recovery.h"
#include "enclave/base/shortlife.h"

/* Half blocks back to modules: what a camera would see. */
static int is_dark_at(const char *row, int x, int lower)
{
	for (; x; x--)
		row += *row == ' ' ? 1 : 3;
	if (*row == ' ')
		return 0;
	return !memcmp(row, "\u2588", 3) || !memcmp(row, lower ? "\u2584" : "\u2580", 3);
}

static void test_every_module_is_where_it_belongs(void **state)
{
	enum { WIDTH = 21 };
	unsigned char modules[WIDTH * WIDTH];
	char row[QR_ROW_MAX + 1];

	for (int i = 0; i < WIDTH * WIDTH; i++)
		modules[i] = (i * 7 + i / 5) % 3 == 0 ? 0xff : 0xfe; /* only bit 0 counts */
	for (int r = 0; r < qr_rows(WIDTH); r++) {
		row[qr_draw(modules, WIDTH, r, row)] = '\0';
		for (int x = 0; x < WIDTH + 2 * QR_QUIET; x++)
			for (int half = 0; half < 2; half++) {
				int mx = x - QR_QUIET, my = r * 2 + half - QR_QUIET;
				int want = mx >= 0 && my >= 0 && mx < WIDTH && my < WIDTH &&
					   modules[my * WIDTH + mx] & 1;

				assert_int_equal(is_dark_at(row, x, half), want);
			}
	}
}

static void test_it_is_drawn_on_a_terminal_and_nowhere_else(void **state)
{
	struct winsize wide = { .ws_row = 50, .ws_col = 100 },
		       narrow = { .ws_row = 50, .ws_col = 20 };
	struct secret *s;
	int master, slave, p[2];
	char buf[65536];
	ssize_t n;

	assert_int_equal(recovery_new(&s), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(qr_show(s, p[1]), -ENOTTY);
	assert_int_equal(openpty(&master, &slave, NULL, NULL, &narrow), 0);
	assert_int_equal(qr_show(s, slave), -E2BIG);
	close(master);
	close(slave);
	assert_int_equal(openpty(&master, &slave, NULL, NULL, &wide), 0);
	if (!fork()) { /* a terminal holds only some thousand bytes */
		close(master);
		_exit(qr_show(s, slave) == 0 ? 0 : 1);
	}
	close(slave);
	for (size_t len = 0; (n = read(master, buf + len, sizeof(buf) - len)) > 0; len += n)
		buf[len + n] = '\0';
	assert_non_null(strstr(buf, "\u2588"));
	assert_null(strstr(buf, (char[]){ s->data[0], s->data[1], s->data[2], s->data[3], 0 }));
	secret_free(s);
	close(master);
}

static int return_seven(void *arg)
{
	char *copy = strdup(arg);

	return strlen(copy) == 6 ? 7 : 8;
}

static int write_on(void *arg)
{
	*(char *)arg = 'X';
	return 0;
}

static int crash(void *arg)
{
	raise(9);
	return 0;
}

static void test_a_short_life_tells_its_result_and_changes_nothing_here(void **state)
{
	char *heap = strdup("secret");

	assert_int_equal(shortlife_run(return_seven, heap), 7);
	assert_int_equal(shortlife_run(write_on, heap), 0);
	assert_string_equal(heap, "secret");
	assert_int_equal(shortlife_run(crash, heap), 128 + 9);
	free(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_module_is_where_it_belongs),
		cmocka_unit_test(test_it_is_drawn_on_a_terminal_and_nowhere_else),
		cmocka_unit_test(test_a_short_life_tells_its_result_and_changes_nothing_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
