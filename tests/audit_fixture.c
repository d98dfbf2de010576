#include "tests/audit_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

const struct audit_limits small = { .file_bytes = AUDIT_FILE_BYTES_MIN, .per_process = 1000000 };

int open_dir(struct fixture *x)
{
	x->log = malloc(LOG_MAX);
	x->dirfd = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return x->dirfd < 0 || !x->log ? -1 : 0;
}

int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	*state = x;
	snprintf(x->dir, sizeof(x->dir), "/var/tmp/taz-audit.XXXXXX");
	return mkdtemp(x->dir) ? open_dir(x) : -1;
}

int teardown(void **state)
{
	struct fixture *x = *state;

	audit_free(x->a);
	for (unsigned i = 1; i < AUDIT_FILES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "audit.%u", i);
		unlinkat(x->dirfd, name, 0);
	}
	unlinkat(x->dirfd, "audit.log", 0);
	unlinkat(x->dirfd, "audit.key", 0);
	unlinkat(x->dirfd, "ballast", 0);
	assert_true(unlinkat(x->dirfd, "audit.new", 0) < 0 && errno == ENOENT);
	close(x->dirfd);
	umount2(x->dir, MNT_DETACH);
	rmdir(x->dir);
	free(x->log);
	free(x);
	return 0;
}

void start(struct fixture *x, const struct audit_limits *limits)
{
	audit_free(x->a);
	x->a = NULL;
	assert_int_equal(audit_new(x->dirfd, limits, &x->a), 0);
}

void note_as(struct fixture *x, uint32_t pid, unsigned verdict, const char *path)
{
	struct audit_record r = { .verdict = verdict,
				  .rule = 3,
				  .op = "open",
				  .path = path,
				  .pid = pid,
				  .start = 17,
				  .exe = "/usr/bin/cat",
				  .session = 1,
				  .n_chain = 1,
				  .chain = { { 40, "/usr/bin/bash" } } };

	audit_note(x->a, &r, NULL, NULL);
}

void note(struct fixture *x, const char *path)
{
	note_as(x, 41, AUDIT_DENY, path);
}

void note_number(struct fixture *x, uint32_t pid, unsigned i)
{
	char path[64];

	snprintf(path, sizeof(path), "directory/with/a/name/file-%u", i);
	note_as(x, pid, AUDIT_ALLOW, path);
}

/* --- what is in the log ------------------------------------------------------------------------
 */

void read_log(struct fixture *x)
{
	uint64_t at = 0, was = 0;
	ssize_t n;

	x->n = 0;
	while ((n = audit_read(x->a, &at, x->log + x->n, LOG_MAX - x->n - 1)) > 0) {
		assert_true(at >= was);
		at += (uint64_t)n;
		was = at;
		x->n += (size_t)n;
	}
	assert_int_equal(n, 0);
	x->log[x->n] = '\0';
}

/* Calls @look for each record of the log that was read. */
void each(struct fixture *x, void (*look)(const struct audit_record *r, void *arg), void *arg)
{
	static char mem[AUDIT_PARSE_MEM(AUDIT_LINE_MAX)];
	struct audit_record r;

	for (char *line = x->log; *line;) {
		size_t n = strcspn(line, "\n");

		assert_int_equal(line[n], '\n');
		if (audit_parse(line, n, mem, &r) < 0)
			fail_msg("not parsed: %.*s", (int)n, line);
		look(&r, arg);
		line += n + 1;
	}
}

static void add_up(const struct audit_record *r, void *arg)
{
	struct sum *s = arg;

	s->lines++;
	s->events[r->event]++;
	s->count[r->verdict] += r->count;
	s->all += r->count;
	s->audit_only += r->by == AUDIT_BY_NOBODY ? r->count : 0;
	s->torn += r->torn;
}

struct sum sum(struct fixture *x)
{
	struct sum s = { 0 };

	read_log(x);
	each(x, add_up, &s);
	return s;
}

void whole(struct fixture *x)
{
	struct audit_check c;

	assert_int_equal(audit_verify(x->a, &c), 0);
	if (c.flaw != AUDIT_WHOLE)
		fail_msg("file %u line %llu: %s", c.file, (unsigned long long)c.line,
			 audit_flaw_text[c.flaw]);
}

off_t size_of(struct fixture *x, const char *name)
{
	struct stat st;

	return fstatat(x->dirfd, name, &st, 0) < 0 ? -1 : st.st_size;
}
