/* What the workshop wants asked, and what it makes the terminal show and send. */
#include <stdlib.h>
#include <string.h>

#include "launcher/question.h"
#include "launcher/screen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct question q;
	static char buf[32768];
	struct question_keys k = { .offers = size % 4 };
	struct screen s = { 0 };
	ssize_t n = 0;

	memcpy(&q, data, size < sizeof(q) ? size : sizeof(q));
	if (size >= sizeof(q) && question_check(&q) == 0)
		n = question_draw(&q, data[size - 1], data[0] + 1U, 30, 0, buf, sizeof(buf));
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != 27 && (buf[i] < 0x20 || buf[i] > 0x7e))
			abort();
	question_keys_feed(&k, data, size, size);
	screen_feed(&s, data, size);
	return 0;
}
