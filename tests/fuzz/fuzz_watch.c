/* Names and keys of "tazfs watch": whatever they are, each line fits and commands no terminal. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tazfs/watch_ui.h"

#define NS 1000000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(void *arg, size_t row, const char *text, enum watch_style style)
{
	const struct watch_paper *p = arg;
	size_t cols;

	if (row >= p->rows || watch_cut(text, SIZE_MAX, &cols) != strlen(text) || cols != p->cols)
		abort();
	for (; *text; text++)
		if ((unsigned char)*text < 32 || *text == 127)
			abort();
}

static void on_verdict(void *arg, size_t row, size_t col, size_t cols, uint32_t verdict)
{
	const struct watch_paper *p = arg;

	if (!cols || col + cols > p->cols || verdict >= AUDIT_VERDICTS)
		abort();
}

/* As audit_parse() has it, which any bytes may come from. */
static void add(struct watch_ui *u, uint8_t kind, const char *name)
{
	const struct audit_record r = { .time_ns = NS,
					.verdict = kind % AUDIT_VERDICTS,
					.event = kind & 64 ? AUDIT_NOTE : AUDIT_DECISION,
					.op = "r",
					.path = name,
					.text = name,
					.exe = name,
					.script = kind & 128 ? name : NULL,
					.pid = kind };

	if (watch_model_add(&u->m, &r) < 0)
		abort();
}

/* Rows and what the text is, columns and of what kind, how long; then the text: a name or keys. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct watch_ui u;

	if (!setlocale(LC_CTYPE, "C.UTF-8") || watch_ui_init(&u) < 0)
		abort();
	while (size > 2) {
		struct watch_paper p = { .rows = data[0] % 30,
					 .cols = data[1],
					 .arg = &p,
					 .line = on_line,
					 .verdict = on_verdict };
		size_t n = data[2] < size - 3 ? data[2] : size - 3;
		char *text = strndup((const char *)data + 3, n);

		if (data[0] & 1)
			add(&u, data[1], text);
		else if (data[0] & 2)
			watch_ui_say(&u, text);
		else
			for (const char *c = text; *c; c++)
				watch_ui_key(&u, (unsigned char)*c < 128 ? (uint32_t)*c
									 : data[1] * 257U);
		watch_ui_draw(&u, &p, 2 * NS);
		free(text);
		data += 3 + n;
		size -= 3 + n;
	}
	watch_ui_done(&u);
	return 0;
}
