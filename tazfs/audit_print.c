#include "tazfs/audit_print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "tazfs/audit_source.h"

struct show {
	const struct audit_print *args;
	bool color;
	char *mem;  /* AUDIT_PARSE_MEM(AUDIT_LINE_MAX) */
	char *line; /* SHOWN_MAX */
	bool told;  /* what went wrong */
};

/* A byte becomes four at most, and there are words in between. */
#define SHOWN_MAX (4 * AUDIT_LINE_MAX + 65536)

static int write_line(struct show *s, const char *line, size_t size)
{
	if (fwrite(line, 1, size, stdout) == size && putchar('\n') != EOF)
		return 0;
	s->told = true;
	return log_err(errno ? -errno : -EIO, "write");
}

/* A line of a later version, or of somebody else: as it is, without what commands a terminal. */
static int show_strange(struct show *s, const char *line, size_t size)
{
	struct audit_out o = { .data = s->line, .room = SHOWN_MAX };

	if (s->args->filter.denied || s->args->filter.since_ns)
		return 0;
	if (s->args->json)
		return write_line(s, line, size);
	memcpy(s->mem, line, size);
	s->mem[size] = '\0';
	audit_puts(&o, "not understood: ");
	audit_put_name(&o, s->mem);
	return write_line(s, o.data, o.n);
}

static int show_line(void *arg, const char *line, size_t size)
{
	struct show *s = arg;
	struct audit_out o = { .data = s->line, .room = SHOWN_MAX };
	struct audit_record r;

	if (audit_parse(line, size, s->mem, &r) < 0)
		return show_strange(s, line, size);
	if (!audit_filter_fits(&s->args->filter, &r))
		return 0;
	if (s->args->json)
		return write_line(s, line, size);
	audit_show(&o, &r, s->color);
	return write_line(s, o.data, o.n);
}

int audit_print(const struct audit_print *a)
{
	struct show s = { .args = a, .color = log_is_fancy(STDOUT_FILENO) };
	struct audit_source *source;
	int r = audit_source_open(a->file, a->dir, &source);

	if (r < 0)
		return r;
	s.told = source->says;
	if (a->follow)
		setvbuf(stdout, NULL, _IOLBF, 0);
	s.mem = malloc(AUDIT_PARSE_MEM(AUDIT_LINE_MAX));
	s.line = malloc(SHOWN_MAX);
	r = s.mem && s.line ? audit_lines(source, a->follow, show_line, &s) : -ENOMEM;
	if (r == 0 && fflush(stdout))
		r = -errno;
	source->close(source);
	free(s.mem);
	free(s.line);
	if (r == -EBADMSG)
		log_error("that is no log: a line is longer than %lu bytes", AUDIT_LINE_MAX);
	else if (r < 0 && !s.told)
		log_err(r, "show the log");
	return r;
}

int audit_print_since(const char *text, uint64_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (audit_since(text, (uint64_t)now.tv_sec * 1000000000, ret) == 0)
		return 0;
	log_error("--since '%s' is no time: say 10m, 2h, 2026-01-31 or 2026-01-31T08:15", text);
	return -EINVAL;
}
