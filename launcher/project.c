#include "launcher/project.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"

static bool idles_longer(const struct opts *o, const struct opts *than)
{
	return than->idle_sec && (!o->idle_sec || o->idle_sec > than->idle_sec); /* 0: never */
}

/* A new key's derivation takes half of what is free: with less, passphrases are cheaper to guess.
 */
static bool has_less_memory(const struct opts *o, const struct opts *than)
{
	uint64_t bytes = than->memory_bytes;

	return o->memory_bytes < (bytes ? bytes : OPTS_MEMORY_BYTES + than->vault_bytes);
}

static bool keeps_fewer(const struct opts *o, const struct opts *than)
{
	return o->keep < than->keep;
}

static bool is_not_strict(const struct opts *o, const struct opts *than)
{
	return strcmp(o->view_memory, "strict") != 0;
}

static bool has_more_rights(const struct opts *o, const struct opts *than)
{
	return !o->least;
}

static bool is_not_alone(const struct opts *o, const struct opts *than)
{
	return strcmp(o->network, "none") != 0;
}

/* What a file may say; of a workspace's only what protects no less than there is without it. */
static const struct key {
	const char *name;
	enum opt_bit bit;
	bool host_only;
	bool (*weaker)(const struct opts *o, const struct opts *than); /* NULL: it can't be */
	const char *limit;
	const char *no; /* the option of "no", when it is one without a value, which is "yes" */
} keys[] = {
	{ "layer", OPT_LAYER },
	{ "without", OPT_WITHOUT },
	{ "memory", OPT_MEMORY, false, has_less_memory,
	  "not less than this host's, 1280M by default" },
	{ "timezone", OPT_TIMEZONE },
	{ "vault-size", OPT_VAULT_SIZE },
	{ "idle", OPT_IDLE, false, idles_longer, "not longer than this host's, 15m by default" },
	{ "keep", OPT_KEEP, false, keeps_fewer, "not less than this host's, 3 by default" },
	{ "view-memory", OPT_VIEW_MEMORY, false, is_not_strict, "strict" },
	{ "network", OPT_NETWORK, false, is_not_alone, "none" },
	{ "least", OPT_LEAST, false, has_more_rights, "yes", "privileged" },
	{ "cpus", OPT_CPUS, true },
	{ "mount", OPT_MOUNT, true },
	{ "engine", OPT_ENGINE, true },
	{ "durability", OPT_DURABILITY, true },
};

#define KEYS_END (keys + sizeof(keys) / sizeof(*keys))

struct line {
	const char *file;
	unsigned number;
	char *why;
	size_t size;
};

static int refuse(const struct line *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(const struct line *at, const char *fmt, ...)
{
	int n = at->number ? snprintf(at->why, at->size, "%s:%u: ", at->file, at->number)
			   : snprintf(at->why, at->size, "%s: ", at->file);
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
	return s[strspn(s,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-,._/+:")] ==
	       '\0';
}

static int unknown(const struct line *at, const char *name)
{
	if (!is_plain(name))
		return refuse(at, "this is no 'option = value'");
	if (opts_is_name(name))
		return refuse(at, "'%s' is for the command line only", name);
	return refuse(at,
		      "no option '%s'; there are: layer, without, memory, timezone, "
		      "vault-size, idle, keep, view-memory, network, least",
		      name);
}

/* As words of the command line. Returns how many, or -EINVAL. */
static int words_of(const struct key *k, char *value, char option[32], char *argv[3])
{
	bool no = k->no && !strcmp(value, "no");

	if (!is_plain(value) || (k->no && !no && strcmp(value, "yes") != 0))
		return -EINVAL;
	snprintf(option, 32, "--%s", no ? k->no : k->name);
	argv[0] = option;
	argv[1] = k->no ? NULL : value;
	argv[2] = NULL;
	return k->no ? 1 : 2;
}

static int take(struct opts *o, const struct key *k, char *value, unsigned allowed,
		const struct opts *base, const struct line *at)
{
	struct opts tried;
	char why[160];
	char option[32], *argv[3];
	int n = words_of(k, value, option, argv);

	if (k->host_only && base)
		return refuse(at,
			      "'%s' is for the command line and " PROJECT_HOST
			      ": a workspace may not set it",
			      k->name);
	opts_init(&tried);
	if (n < 0 || opts_take(&tried, n, argv, why, sizeof(why)) != n)
		return refuse(at, "%s wants %s", k->name,
			      k->no ? "yes or no" : opts_wants(k->name));
	if (base && k->weaker && k->weaker(&tried, base))
		return refuse(at,
			      "%s: a workspace may ask for %s; all else is for the command line",
			      k->name, k->limit);
	/* What was typed wins. */
	if (allowed & k->bit && !(o->given & k->bit))
		opts_take(o, n, argv, why, sizeof(why));
	return 0;
}

static int take_line(struct opts *o, char *name, unsigned allowed, const struct opts *base,
		     unsigned *seen, const struct line *at)
{
	char *eq = strchr(name, '=');
	const struct key *k;

	if (!eq)
		return refuse(at, "this is no 'option = value'");
	*eq = '\0';
	name = trim(name);
	k = find(name);
	if (!k)
		return unknown(at, name);
	if (*seen & k->bit)
		return refuse(at, "'%s' is given twice", k->name);
	*seen |= k->bit;
	return take(o, k, trim(eq + 1), allowed, base, at);
}

int project_parse(struct opts *o, const char *file, char *text, size_t size, unsigned allowed,
		  const struct opts *base, char *why, size_t why_size)
{
	struct line at = { .file = file, .why = why, .size = why_size };
	unsigned seen = 0, typed = o->given;
	int r = 0;

	if (memchr(text, '\0', size))
		return refuse(&at, "it holds a zero byte: it is no text");
	for (char *line = text, *next; line && r == 0; line = next) {
		at.number++;
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line[strcspn(line, "#")] = '\0';
		line = trim(line);
		if (*line)
			r = take_line(o, line, allowed, base, &seen, &at);
	}
	/* A workspace's file may still say otherwise. */
	if (!base)
		o->given = typed;
	return r;
}

/* Returns its length, -ENOENT when there is none, or -errno after saying why. */
static ssize_t read_conf(const char *file, bool is_hosts, char text[PROJECT_MAX + 1])
{
	autoclose int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return log_err(-errno, "open %s", file);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PROJECT_MAX) {
		log_error("%s is no file, or longer than 16 KiB", file);
		return -EINVAL;
	}
	if (is_hosts && (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))) {
		log_error("%s could have been written by somebody else than root; chown root and "
			  "chmod go-w it",
			  file);
		return -EACCES;
	}
	n = io_read_full(fd, text, PROJECT_MAX);
	if (n < 0)
		return log_err((int)n, "read %s", file);
	text[n] = '\0';
	return n;
}

static int parse_said(struct opts *o, const char *file, char *text, ssize_t n, unsigned allowed,
		      const struct opts *base)
{
	char why[240];
	int r = project_parse(o, file, text, (size_t)n, allowed, base, why, sizeof(why));

	if (r < 0)
		log_error("%s", why);
	return r;
}

const char *project_host(void)
{
	const char *env = getenv("TAZ_CONF");

	return env ? env : PROJECT_HOST;
}

int project_load(struct opts *o, unsigned allowed)
{
	static char texts[3][PROJECT_MAX + 1]; /* the options point into them */
	const char *host = project_host();
	ssize_t n = read_conf(host, true, texts[0]);
	struct opts base;
	int r = 0;

	if (n < 0 && n != -ENOENT)
		return (int)n;
	opts_init(&base);
	if (n >= 0) {
		/* Once without what was typed: that is what a workspace may not go below. */
		memcpy(texts[1], texts[0], (size_t)n + 1);
		r = parse_said(&base, host, texts[0], n, ~0U, NULL);
		if (r == 0)
			r = parse_said(o, host, texts[1], n, allowed, NULL);
	}
	if (r < 0)
		return r;
	n = read_conf(PROJECT_FILE, false, texts[2]);
	if (n < 0)
		return n == -ENOENT ? 0 : (int)n;
	return parse_said(o, PROJECT_FILE, texts[2], n, allowed, &base);
}
