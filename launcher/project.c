#include "launcher/project.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"

static bool idles_longer(const struct opts *o, const struct opts *than)
{
	return !o->idle_sec || o->idle_sec > than->idle_sec; /* 0: never */
}

/* A new key's derivation takes half of what is free: with less, passphrases are cheaper to guess.
 */
static bool has_less_memory(const struct opts *o, const struct opts *than)
{
	return o->memory_bytes < OPTS_MEMORY_BYTES + than->vault_bytes;
}

static bool keeps_fewer(const struct opts *o, const struct opts *than)
{
	return o->keep < than->keep;
}

static bool is_not_strict(const struct opts *o, const struct opts *than)
{
	return strcmp(o->view_memory, "strict") != 0;
}

/* What a workspace may say, and of that only what protects no less than the default does. */
static const struct key {
	const char *name;
	enum opt_bit bit;
	bool (*weaker)(const struct opts *o, const struct opts *than); /* NULL: it can't be */
	const char *limit;
} keys[] = {
	{ "layer", OPT_LAYER, NULL, NULL },
	{ "without", OPT_WITHOUT, NULL, NULL },
	{ "memory", OPT_MEMORY, has_less_memory, "not less than the default, 1280M" },
	{ "vault-size", OPT_VAULT_SIZE, NULL, NULL },
	{ "idle", OPT_IDLE, idles_longer, "not longer than the default, 15m" },
	{ "keep", OPT_KEEP, keeps_fewer, "not less than the default, 3" },
	{ "view-memory", OPT_VIEW_MEMORY, is_not_strict, "strict" },
};

#define KEYS_END (keys + sizeof(keys) / sizeof(*keys))

struct line {
	unsigned number;
	char *why;
	size_t size;
};

static int refuse(const struct line *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(const struct line *at, const char *fmt, ...)
{
	int n = at->number ? snprintf(at->why, at->size, PROJECT_FILE ":%u: ", at->number)
			   : snprintf(at->why, at->size, PROJECT_FILE ": ");
	va_list ap;

	va_start(ap, fmt);
	if (n > 0 && (size_t)n < at->size)
		vsnprintf(at->why + n, at->size - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t");
	for (end = s + strlen(s); end > s && strchr(" \t", end[-1]); end--)
		;
	*end = '\0';
	return s;
}

static const struct key *find(const char *name)
{
	for (const struct key *k = keys; k < KEYS_END; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

/* Nothing of the file is shown but words of letters: it may hold what moves a terminal's cursor. */
static bool is_plain(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-,.")] ==
	       '\0';
}

static int unknown(const struct line *at, const char *name)
{
	if (!is_plain(name))
		return refuse(at, "this is no 'option = value'");
	if (opts_is_name(name))
		return refuse(at, "'%s' is for the command line only: a workspace may not set it",
			      name);
	return refuse(at,
		      "no option '%s'; there are: layer, without, memory, vault-size, idle, keep, "
		      "view-memory",
		      name);
}

static int take(struct opts *o, const struct key *k, char *value, unsigned allowed, unsigned *seen,
		const struct line *at)
{
	struct opts defaults, tried;
	char why[160];
	char option[32], *const argv[] = { option, value, NULL };

	if (*seen & k->bit)
		return refuse(at, "'%s' is given twice", k->name);
	*seen |= k->bit;
	opts_init(&defaults);
	tried = defaults;
	snprintf(option, sizeof(option), "--%s", k->name);
	if (!is_plain(value) || opts_take(&tried, 2, argv, why, sizeof(why)) != 2)
		return refuse(at, "%s wants %s", k->name, opts_wants(k->name));
	if (k->weaker && k->weaker(&tried, &defaults))
		return refuse(at,
			      "%s: a workspace may ask for %s; all else is for the command line",
			      k->name, k->limit);
	/* What was typed wins. */
	if (allowed & k->bit && !(o->given & k->bit))
		opts_take(o, 2, argv, why, sizeof(why));
	return 0;
}

int project_parse(struct opts *o, char *text, size_t size, unsigned allowed, char *why,
		  size_t why_size)
{
	struct line at = { .why = why, .size = why_size };
	unsigned seen = 0;
	int r = 0;

	if (memchr(text, '\0', size))
		return refuse(&at, "it holds a zero byte: it is no text");
	for (char *line = text, *next; line && r == 0; line = next) {
		char *eq, *name;
		const struct key *k;

		at.number++;
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line[strcspn(line, "#")] = '\0';
		name = trim(line);
		if (!*name)
			continue;
		eq = strchr(name, '=');
		if (!eq)
			return refuse(&at, "this is no 'option = value'");
		*eq = '\0';
		name = trim(name);
		k = find(name);
		r = k ? take(o, k, trim(eq + 1), allowed, &seen, &at) : unknown(&at, name);
	}
	return r;
}

int project_load(struct opts *o, unsigned allowed)
{
	static char text[PROJECT_MAX + 1];
	autoclose int fd = open(PROJECT_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char why[240];
	ssize_t n;
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return log_err(-errno, "open " PROJECT_FILE " in this directory");
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PROJECT_MAX) {
		log_error(PROJECT_FILE " in this directory is no file, or longer than 16 KiB");
		return -EINVAL;
	}
	n = io_read_full(fd, text, PROJECT_MAX);
	if (n < 0)
		return log_err((int)n, "read " PROJECT_FILE " in this directory");
	text[n] = '\0';
	r = project_parse(o, text, (size_t)n, allowed, why, sizeof(why));
	if (r < 0)
		log_error("%s", why);
	return r;
}
