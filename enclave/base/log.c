#include "enclave/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/utf8.h"

static const char *program = "taz";

void log_init(const char *name)
{
	program = name;
}

int log_is_fancy(int fd)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(fd) && !(no_color && *no_color);
}

/* What others wrote may have lines; only ours begin with the program's name. */
static void indent(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 3 < size; text++) {
		out[n++] = *text;
		if (*text == '\n')
			n = stpcpy(out + n, "  ") - out;
	}
	out[n] = '\0';
}

/* One write(2) a line: two processes on one terminal must not mix their words. */
__attribute__((format(printf, 4, 0))) static void line(const char *color, const char *prefix,
						       int err, const char *fmt, va_list ap)
{
	int saved = errno; /* callers go on with it */
	char text[1024], lines[1200], out[1400];
	int n, fancy = log_is_fancy(STDERR_FILENO);

	vsnprintf(text, sizeof(text), fmt, ap);
	utf8_clean(text, "\n\t");
	indent(lines, sizeof(lines), text);
	n = snprintf(out, sizeof(out), "%s%s: %s%s%s%s%s\n", fancy ? color : "", program, prefix,
		     lines, err ? ": " : "", err ? strerror(err) : "",
		     fancy && *color ? "\033[0m" : "");
	if (n > (int)sizeof(out) - 1) {
		n = sizeof(out) - 1;
		out[n - 1] = '\n';
	}
	if (write(STDERR_FILENO, out, n) < 0) {
		/* There is nobody left to tell. */
	}
	errno = saved;
}

#define SAY(color, prefix, err)                    \
	do {                                       \
		va_list ap;                        \
		va_start(ap, fmt);                 \
		line(color, prefix, err, fmt, ap); \
		va_end(ap);                        \
	} while (0)

void log_info(const char *fmt, ...)
{
	SAY("", "", 0);
}

void log_warn(const char *fmt, ...)
{
	SAY("\033[33m", "warning: ", 0);
}

void log_error(const char *fmt, ...)
{
	SAY("\033[31m", "", 0);
}

int log_err(int err, const char *fmt, ...)
{
	SAY("\033[31m", "", -err);
	return err;
}
