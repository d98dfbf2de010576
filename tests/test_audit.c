/* The audit of a view: whatever happens, no verdict is lost, and nobody mends the log unseen. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "tazfs/audit.h"
#include "tazfs/audit_log.h"
#include "tazfs/audit_ring.h"
#include "tazfs/sandbox.h"
#include "tazfs/store.h"

#define LOG_MAX (32UL * 1024 * 1024)

struct fixture {
	char dir[64];
	int dirfd;
	struct audit *a;
	char *log; /* of read_log() */
	size_t n;
};

static const struct audit_limits small = { .file_bytes = AUDIT_FILE_BYTES_MIN,
					   .per_process = 1000000 };

static int open_dir(struct fixture *x)
{
	x->log = malloc(LOG_MAX);
	x->dirfd = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return x->dirfd < 0 || !x->log ? -1 : 0;
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	*state = x;
	snprintf(x->dir, sizeof(x->dir), "/var/tmp/taz-audit.XXXXXX");
	return mkdtemp(x->dir) ? open_dir(x) : -1;
}

static int teardown(void **state)
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

static void start(struct fixture *x, const struct audit_limits *limits)
{
	audit_free(x->a);
	x->a = NULL;
	assert_int_equal(audit_new(x->dirfd, limits, &x->a), 0);
}

static void note_as(struct fixture *x, uint32_t pid, unsigned verdict, const char *path)
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

static void note(struct fixture *x, const char *path)
{
	note_as(x, 41, AUDIT_DENY, path);
}

static void note_number(struct fixture *x, uint32_t pid, unsigned i)
{
	char path[64];

	snprintf(path, sizeof(path), "directory/with/a/name/file-%u", i);
	note_as(x, pid, AUDIT_ALLOW, path);
}

/* --- what is in the log ------------------------------------------------------------------------
 */

static void read_log(struct fixture *x)
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
static void each(struct fixture *x, void (*look)(const struct audit_record *r, void *arg),
		 void *arg)
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

struct sum {
	uint64_t lines, events[AUDIT_EVENTS], count[AUDIT_VERDICTS], all, audit_only;
	uint32_t torn;
};

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

static struct sum sum(struct fixture *x)
{
	struct sum s = { 0 };

	read_log(x);
	each(x, add_up, &s);
	return s;
}

static void whole(struct fixture *x)
{
	struct audit_check c;

	assert_int_equal(audit_verify(x->a, &c), 0);
	if (c.flaw != AUDIT_WHOLE)
		fail_msg("file %u line %llu: %s", c.file, (unsigned long long)c.line,
			 audit_flaw_text[c.flaw]);
}

static off_t size_of(struct fixture *x, const char *name)
{
	struct stat st;

	return fstatat(x->dirfd, name, &st, 0) < 0 ? -1 : st.st_size;
}

/* --- noting ------------------------------------------------------------------------------------
 */

static void test_repeats_are_one_line_with_a_count(void **state)
{
	struct fixture *x = *state;
	struct sum s;

	start(x, NULL);
	for (int i = 0; i < 100; i++)
		note(x, "ssh/id");
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.lines, 3); /* the file, the view's start, and it */
	assert_int_equal(s.count[AUDIT_DENY], 100);
	assert_non_null(strstr(x->log, "\"count\":100,\"last\":\""));
	assert_non_null(strstr(x->log, "\"chain\":[{\"pid\":40,\"exe\":\"/usr/bin/bash\"}]"));
	whole(x);
}

static void test_another_caller_program_verdict_operation_or_file_is_another_line(void **state)
{
	struct fixture *x = *state;
	struct audit_record r = { .verdict = AUDIT_DENY, .op = "open", .path = "a", .pid = 7 };
	struct audit_record others[] = { r, r, r, r, r, r, r, r };

	others[0].pid = 8;
	others[1].start = 1; /* the same number, another process */
	others[2].program = 1;
	others[3].verdict = AUDIT_HIDE;
	others[4].op = "unlink";
	others[5].path = "b";
	others[6].to = "b";
	others[7].rule = 9;
	start(x, NULL);
	for (int round = 0; round < 2; round++) {
		audit_note(x->a, &r, NULL, NULL);
		for (int i = 0; i < 8; i++)
			audit_note(x->a, &others[i], NULL, NULL);
	}
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).lines, 2 + 9);
	assert_int_equal(sum(x).all, 18);
}

static void test_a_repeat_after_the_window_is_a_line_of_its_own(void **state)
{
	struct fixture *x = *state;
	struct audit_limits lim = { .window_ms = 20 };
	struct timespec more = { .tv_nsec = 30000000 };

	start(x, &lim);
	note(x, "a");
	nanosleep(&more, NULL);
	note(x, "a");
	note(x, "a");
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).lines, 4);
	assert_int_equal(sum(x).all, 3);
}

static unsigned described;

static void describe(struct audit_record *r, void *arg)
{
	described++;
	r->exe = arg;
	r->pid = 4711; /* the process of that thread */
}

static void test_the_caller_is_described_once_and_not_for_repeats(void **state)
{
	struct fixture *x = *state;
	struct audit_record r = { .verdict = AUDIT_ALLOW, .op = "open", .path = "a", .pid = 7 };

	described = 0;
	start(x, NULL);
	for (int i = 0; i < 50; i++)
		audit_note(x->a, &r, describe, "/opt/program");
	assert_int_equal(audit_flush(x->a), 0);
	read_log(x);
	assert_int_equal(described, 1);
	assert_non_null(strstr(x->log, "\"count\":50,"));
	assert_non_null(strstr(x->log, "\"pid\":4711,\"exe\":\"/opt/program\""));
}

static void test_without_a_decision_nothing_is_written(void **state)
{
	struct fixture *x = *state;

	start(x, NULL);
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(audit_end(x->a), 0);
	assert_int_equal(size_of(x, "audit.log"), -1);
	assert_int_equal(size_of(x, "audit.key"), -1);
}

static void test_names_of_any_bytes_and_length_are_kept(void **state)
{
	struct fixture *x = *state;
	char *path = malloc(4096);

	start(x, NULL);
	note(x, "new\nline \"quoted\" \\ \x1b[2J");
	note(x, "\xff\xfe");
	memset(path, 0xff, 4095);
	path[4095] = '\0';
	note(x, path);
	free(path);
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).lines, 5);
	assert_non_null(
		strstr(x->log, "\"path\":\"new\\\\x0aline \\\"quoted\\\" \\\\\\\\ \\\\x1b[2J\""));
	whole(x);
}

static void test_the_main_thread_is_asked_when_memory_is_half_full(void **state)
{
	struct fixture *x = *state;
	struct pollfd p = { .events = POLLIN };

	start(x, &small);
	p.fd = audit_fd(x->a);
	for (unsigned i = 0; i < 100; i++)
		note_number(x, 41, i);
	assert_int_equal(poll(&p, 1, 0), 0);
	for (unsigned i = 100; i < 900; i++)
		note_number(x, 41, i);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(sum(x).all, 900);
}

#define THREADS	   4
#define PER_THREAD 250000U

struct noter {
	struct fixture *x;
	uint32_t pid;
};

/* Mostly repeats, as of programs; many files, as of a search. */
static void *note_many(void *arg)
{
	struct noter *n = arg;

	for (unsigned i = 0; i < PER_THREAD; i++)
		if (i % 4)
			note_as(n->x, n->pid, i % 8 == 1 ? AUDIT_DENY : AUDIT_ALLOW, "kube/config");
		else
			note_number(n->x, n->pid + i % 3, i);
	return NULL;
}

static void test_of_a_million_decisions_of_four_threads_none_is_lost(void **state)
{
	struct fixture *x = *state;
	struct audit_limits lim = { .file_bytes = LOG_MAX / 2, .per_process = 3000 };
	pthread_t threads[THREADS];
	struct noter noters[THREADS];
	struct pollfd p = { .events = POLLIN };
	struct sum s;

	start(x, &lim);
	p.fd = audit_fd(x->a);
	for (uint32_t i = 0; i < THREADS; i++) {
		noters[i] = (struct noter){ .x = x, .pid = 100 * (i + 1) };
		assert_int_equal(pthread_create(&threads[i], NULL, note_many, &noters[i]), 0);
	}
	for (int i = 0; i < 50; i++)
		if (poll(&p, 1, 20) > 0)
			assert_int_equal(audit_flush(x->a), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(audit_end(x->a), 0);
	s = sum(x);
	assert_int_equal(s.all, THREADS * PER_THREAD);
	assert_int_equal(s.count[AUDIT_DENY], THREADS * PER_THREAD / 8);
	assert_int_equal(s.events[AUDIT_END], 1);
	whole(x);
}

static void test_one_process_cannot_push_the_others_out(void **state)
{
	struct fixture *x = *state;
	struct audit_limits lim = { .file_bytes = AUDIT_FILE_BYTES_MIN, .per_process = 100 };
	struct sum s;

	start(x, &lim);
	note(x, "evidence");
	for (unsigned i = 0; i < 100000; i++) {
		note_number(x, 66, i);
		if (i % 1000 == 0)
			assert_int_equal(audit_flush(x->a), 0);
	}
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.all, 100001);
	assert_true(s.lines < 400);
	assert_non_null(strstr(x->log, "\"path\":\"evidence\""));
	assert_int_equal(size_of(x, "audit.1"), -1);
}

/* A crowd of processes, each with a file of its own. */
static void test_many_processes_of_one_program_cannot_either(void **state)
{
	struct fixture *x = *state;
	struct audit_limits lim = { .file_bytes = AUDIT_FILE_BYTES_MIN, .per_process = 40 };
	struct sum s;

	start(x, &lim);
	note(x, "evidence");
	for (unsigned i = 0; i < 50000; i++) {
		note_number(x, 1000 + i, i);
		if (i % 500 == 0)
			assert_int_equal(audit_flush(x->a), 0);
	}
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.all, 50001);
	assert_true(s.lines < 600);
	assert_non_null(strstr(x->log, "\"path\":\"evidence\""));
	assert_int_equal(size_of(x, "audit.1"), -1);
	whole(x);
}

static void test_what_was_only_noted_is_never_counted_as_refused(void **state)
{
	struct fixture *x = *state;
	struct audit_record r = { .verdict = AUDIT_DENY, .op = "open", .path = "a" };
	char path[32];

	start(x, &small);
	r.path = path;
	for (uint32_t i = 0; i < 6000; i++) {
		snprintf(path, sizeof(path), "file-%u", i);
		r.pid = 1000 + i;
		r.program = i;
		r.by = i % 3 ? AUDIT_BY_RULE : AUDIT_BY_NOBODY;
		audit_note(x->a, &r, NULL, NULL);
	}
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).all, 6000);
	assert_int_equal(sum(x).events[AUDIT_REST], 2);
	assert_non_null(
		strstr(x->log, "\"event\":\"rest\",\"verdict\":\"deny\",\"by\":\"audit-only\""));
	assert_int_equal(sum(x).audit_only, 2000);
}

static void test_words_are_kept_when_memory_is_full(void **state)
{
	struct fixture *x = *state;

	start(x, &small);
	for (uint32_t i = 0; i < 9000; i++) {
		struct audit_record r = {
			.verdict = AUDIT_DENY, .op = "open", .path = "a", .pid = i + 1, .program = i
		};

		audit_note(x->a, &r, NULL, NULL);
	}
	audit_say(x->a, "the policy was replaced");
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).events[AUDIT_NOTE], 1);
	assert_int_equal(sum(x).all, 9000);
}

/* The main thread does nothing for a while. */
static void test_what_has_no_room_is_counted_by_process_then_by_verdict(void **state)
{
	struct fixture *x = *state;
	struct sum s;

	start(x, &small);
	for (unsigned i = 0; i < 5000; i++)
		note_number(x, 66, i);
	for (uint32_t i = 0; i < 5000; i++) {
		struct audit_record r = { .verdict = AUDIT_DENY,
					  .op = "open",
					  .path = "ssh/id",
					  .pid = 1000 + i,
					  .program = i };

		audit_note(x->a, &r, NULL, NULL);
	}
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.count[AUDIT_ALLOW], 5000);
	assert_int_equal(s.count[AUDIT_DENY], 5000);
	assert_int_equal(s.events[AUDIT_REST], 1);
	assert_non_null(strstr(x->log, "\"event\":\"rest\",\"verdict\":\"deny\",\"count\":"));
	whole(x);
}

static void test_what_is_noted_can_be_seen_before_it_is_written(void **state)
{
	struct fixture *x = *state;
	static char buf[65536];
	uint64_t since = 0;
	ssize_t n;

	start(x, NULL);
	assert_int_equal(audit_recent(x->a, &since, buf, sizeof(buf)), 0);
	note(x, "a");
	note(x, "b");
	n = audit_recent(x->a, &since, buf, sizeof(buf));
	assert_true(n > 0 && buf[n - 1] == '\n');
	buf[n] = '\0';
	assert_true(strstr(buf, "\"path\":\"a\"") < strstr(buf, "\"path\":\"b\""));
	assert_int_equal(audit_recent(x->a, &since, buf, sizeof(buf)), 0);
	note(x, "a");
	assert_int_equal(audit_flush(x->a), 0); /* written, and still there */
	n = audit_recent(x->a, &since, buf, sizeof(buf));
	buf[n] = '\0';
	assert_non_null(strstr(buf, "\"path\":\"a\",\"count\":2"));
	assert_null(strstr(buf, "\"path\":\"b\""));
	since = 0; /* a piece at a time */
	assert_int_equal(audit_recent(x->a, &since, buf, 100), -ENOSPC);
	for (int i = 0; i < 2; i++)
		assert_true(audit_recent(x->a, &since, buf, 400) > 0);
	assert_int_equal(audit_recent(x->a, &since, buf, 400), 0);
}

static void test_words_are_a_line_too_and_nothing_is_taken_after_the_end(void **state)
{
	struct fixture *x = *state;
	struct sum s;

	start(x, NULL);
	audit_say(x->a, "the policy was replaced");
	assert_int_equal(audit_end(x->a), 0);
	note(x, "late");
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.lines, 4);
	assert_non_null(strstr(x->log, "\"event\":\"note\",\"text\":\"the policy was replaced\""));
}

/* --- files -------------------------------------------------------------------------------------
 */

static void test_a_view_goes_on_where_the_last_one_ended(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < 20; i++) {
		start(x, NULL);
		note(x, "a");
		assert_int_equal(i % 2 ? audit_flush(x->a) : audit_end(x->a), 0);
		whole(x);
	}
	assert_int_equal(sum(x).lines, 1 + 20 * 2 + 10);
}

static void test_rotation_keeps_the_chain_and_its_limit(void **state)
{
	struct fixture *x = *state;
	struct audit_check c;
	uint64_t at = 0;
	char buf[4096];

	start(x, &small);
	for (unsigned i = 0; i < 12000; i++) {
		note_number(x, 41, i);
		if (i % 100 == 0)
			assert_int_equal(audit_flush(x->a), 0);
		if (i % 1000 == 500) {
			assert_int_equal(audit_end(x->a), 0);
			start(x, &small);
		}
		if (i == 6000)
			whole(x);
	}
	assert_int_equal(audit_flush(x->a), 0);
	whole(x);
	assert_true(size_of(x, "audit.4") > 200000);
	assert_int_equal(size_of(x, "audit.5"), -1);
	for (unsigned i = 0; i < AUDIT_FILES; i++) {
		char name[32] = "audit.log";

		if (i)
			snprintf(name, sizeof(name), "audit.%u", i);
		assert_in_range(size_of(x, name), 1, AUDIT_FILE_BYTES_MIN);
		assert_int_equal(size_of(x, name) % (off_t)STORE_ALIGN, 0);
	}
	/* Somebody who has read the beginning before it went. */
	assert_true(audit_read(x->a, &at, buf, sizeof(buf)) > 0);
	assert_int_equal(audit_verify(x->a, &c), 0);
	assert_true(c.first_seq > 1);
	read_log(x);
	assert_memory_equal(x->log, buf, 4000);
}

static void test_a_reader_that_follows_sees_each_line_once(void **state)
{
	struct fixture *x = *state;
	uint64_t at = 0, seq = 0;
	static char buf[65536];

	start(x, &small);
	for (unsigned i = 0; i < 3000; i++) {
		ssize_t n;

		note_number(x, 41, i);
		if (i % 50)
			continue;
		assert_int_equal(audit_flush(x->a), 0);
		while ((n = audit_read(x->a, &at, buf, sizeof(buf) - 1)) > 0) {
			at += (uint64_t)n;
			buf[n] = '\0';
			for (char *s = strstr(buf, "{\"seq\":"); s; s = strstr(s + 1, "{\"seq\":"))
				assert_int_equal(strtoull(s + 7, NULL, 10), ++seq);
		}
	}
	assert_true(seq > 2900);
}

static void put(struct fixture *x, const char *name, off_t at, const char *data, size_t n)
{
	autoclose int fd = openat(x->dirfd, name, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, n, at), n);
}

static void test_a_line_that_was_torn_is_cut_off_and_that_is_said(void **state)
{
	struct fixture *x = *state;
	static char garbage[4 * STORE_ALIGN];
	struct sum s;

	start(x, NULL);
	note(x, "a");
	assert_int_equal(audit_flush(x->a), 0);
	read_log(x);
	memset(garbage, 'x', sizeof(garbage)); /* as a write of four blocks that did not end */
	put(x, "audit.log", (off_t)x->n, garbage, 4 * STORE_ALIGN - x->n);
	start(x, NULL);
	note(x, "b");
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.lines, 5);
	assert_true(s.torn > 3 * STORE_ALIGN && s.torn < 4 * STORE_ALIGN);
	assert_int_equal(s.all, 2);
	assert_null(strstr(x->log, "xxx"));
	assert_int_equal(size_of(x, "audit.log"), STORE_ALIGN);
	whole(x);
}

static void child(struct fixture *x)
{
	x->a = NULL;
	if (audit_new(x->dirfd, &small, &x->a) < 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		note_number(x, (uint32_t)getpid(), i);
		if (i % 7 == 0 && audit_flush(x->a) < 0)
			_exit(1);
	}
}

static void test_a_view_that_is_killed_at_any_moment_leaves_a_log_that_goes_on(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < 25; i++) {
		struct timespec a_while = { .tv_nsec = 20000000 + i * 1234567 };
		int status;
		pid_t pid = fork();

		if (pid == 0)
			child(x);
		nanosleep(&a_while, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		start(x, &small);
		note(x, "after");
		assert_int_equal(audit_flush(x->a), 0);
		whole(x);
		unlinkat(x->dirfd, "audit.new", 0);
	}
}

/* --- somebody who changes it ------------------------------------------------------------------
 */

static void fill_five(struct fixture *x)
{
	start(x, &small);
	for (unsigned i = 0; i < 5; i++) {
		note_number(x, 41, i);
		assert_int_equal(audit_flush(x->a), 0);
	}
	read_log(x);
}

static off_t line_at(const struct fixture *x, unsigned i)
{
	const char *s = x->log;

	while (--i)
		s = strchr(s, '\n') + 1;
	return s - x->log;
}

static void finds(struct fixture *x, enum audit_flaw flaw, uint64_t line)
{
	struct audit_check c;

	assert_int_equal(audit_verify(x->a, &c), 0);
	assert_string_equal(audit_flaw_text[c.flaw], audit_flaw_text[flaw]);
	assert_int_equal(c.line, line);
}

static void test_a_changed_letter_is_found_and_the_file_is_set_aside_at_the_next_start(void **state)
{
	struct fixture *x = *state;
	off_t at;

	fill_five(x);
	at = line_at(x, 4) + (strstr(x->log + line_at(x, 4), "file-") - (x->log + line_at(x, 4)));
	put(x, "audit.log", at, "F", 1);
	finds(x, AUDIT_BAD_MAC, 4);
	start(x, &small);
	note(x, "later");
	assert_int_equal(audit_flush(x->a), 0);
	finds(x, AUDIT_BAD_MAC, 4); /* that is not forgotten */
	assert_true(size_of(x, "audit.1") > 0);
	read_log(x);
	assert_non_null(
		strstr(x->log, "\"text\":\"the file before this one, line 4: it was changed"));
	assert_int_equal(sum(x).all, 6);
}

static void test_a_removed_line_is_found(void **state)
{
	struct fixture *x = *state;
	off_t from, to;

	fill_five(x);
	from = line_at(x, 4);
	to = line_at(x, 5);
	memset(x->log + x->n, '\n', STORE_ALIGN);
	put(x, "audit.log", from, x->log + to, x->n - (size_t)to + (size_t)(to - from));
	finds(x, AUDIT_BAD_ORDER, 4);
}

static void test_without_its_key_the_old_log_cannot_be_checked_and_a_new_one_begins(void **state)
{
	struct fixture *x = *state;

	fill_five(x);
	assert_int_equal(unlinkat(x->dirfd, "audit.key", 0), 0);
	start(x, &small);
	note(x, "later");
	assert_int_equal(audit_flush(x->a), 0);
	finds(x, AUDIT_BAD_FIRST_MAC, 1);
	assert_int_equal(sum(x).all, 6);
	assert_non_null(strstr(x->log, "or the key is another one"));
	start(x, &small); /* from there on it is in order */
	assert_int_equal(unlinkat(x->dirfd, "audit.1", 0), 0);
	start(x, &small);
	whole(x);
}

static void test_a_missing_file_in_between_is_found(void **state)
{
	struct fixture *x = *state;
	struct audit_check c;

	start(x, &small);
	for (unsigned i = 0; i < 4000; i++) {
		note_number(x, 41, i);
		if (i % 100 == 0)
			assert_int_equal(audit_flush(x->a), 0);
	}
	assert_int_equal(unlinkat(x->dirfd, "audit.2", 0), 0);
	start(x, &small);
	assert_int_equal(audit_verify(x->a, &c), 0);
	assert_int_equal(c.flaw, AUDIT_BAD_HEAD);
	assert_int_equal(c.line, 1);
}

/* --- the disk ----------------------------------------------------------------------------------
 */

static void test_the_page_cache_never_has_a_line_or_the_key(void **state)
{
	struct fixture *x = *state;
	static const char *const names[] = { "audit.log", "audit.1", "audit.key" };

	start(x, &small);
	for (unsigned i = 0; i < 1500; i++) {
		note_number(x, 41, i);
		if (i % 50 == 0) {
			assert_int_equal(audit_flush(x->a), 0);
			if (i == 700)
				start(x, &small);
		}
	}
	assert_int_equal(audit_end(x->a), 0);
	whole(x);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		autoclose int fd = openat(x->dirfd, names[i], O_RDONLY | O_DIRECT | O_CLOEXEC);
		size_t pages = (size_t)size_of(x, names[i]) / STORE_ALIGN;
		unsigned char in[1024];
		void *map;

		if (fd < 0 && errno == EINVAL)
			skip();
		assert_true(fd >= 0 && pages && pages <= sizeof(in));
		map = mmap(NULL, pages * STORE_ALIGN, PROT_READ, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(map, MAP_FAILED);
		assert_int_equal(mincore(map, pages * STORE_ALIGN, in), 0);
		munmap(map, pages * STORE_ALIGN);
		for (size_t p = 0; p < pages; p++)
			if (in[p] & 1)
				fail_msg("page %zu of %s is cached", p, names[i]);
	}
}

/* A volume of its own, that is full when the ballast is in it. */
static void small_volume(struct fixture *x)
{
	if (geteuid() || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", x->dir, "tmpfs", 0, "size=4m") < 0)
		skip();
	close(x->dirfd);
	free(x->log);
	assert_int_equal(open_dir(x), 0);
}

static void fill_volume(struct fixture *x)
{
	autoclose int fd = openat(x->dirfd, "ballast", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char zeros[4096];

	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
}

static void test_a_full_volume_costs_no_verdict(void **state)
{
	struct fixture *x = *state;
	struct sum s;
	int refused = 0;

	small_volume(x);
	start(x, &small);
	note(x, "before");
	assert_int_equal(audit_flush(x->a), 0);
	fill_volume(x);
	for (unsigned i = 0; i < 20000; i++) {
		note_number(x, 41, i);
		if (i % 100 == 0)
			refused += audit_flush(x->a) == -ENOSPC;
	}
	assert_true(refused > 100);
	whole(x);
	assert_int_equal(unlinkat(x->dirfd, "ballast", 0), 0);
	assert_int_equal(audit_flush(x->a), 0);
	s = sum(x);
	assert_int_equal(s.all, 20001);
	assert_true(s.lines > 500); /* what memory had room for is told one by one */
	whole(x);
}

static void test_a_lock_on_a_full_volume_still_writes_how_many_there_were(void **state)
{
	struct fixture *x = *state;
	struct sum s;

	small_volume(x);
	start(x, &small);
	note(x, "before");
	assert_int_equal(audit_flush(x->a), 0);
	fill_volume(x);
	for (unsigned i = 0; i < 2000; i++)
		note_number(x, 41, i);
	for (unsigned i = 0; i < 30; i++)
		note(x, "ssh/id");
	assert_int_equal(audit_end(x->a), 0);
	s = sum(x);
	assert_int_equal(s.count[AUDIT_ALLOW], 2000);
	assert_int_equal(s.count[AUDIT_DENY], 31);
	assert_int_equal(s.events[AUDIT_END], 1);
	whole(x);
}

static void test_a_volume_that_is_full_from_the_start_does_not_stop_a_view(void **state)
{
	struct fixture *x = *state;

	small_volume(x);
	fill_volume(x);
	start(x, &small);
	note(x, "a");
	assert_int_equal(audit_flush(x->a), -ENOSPC);
	assert_int_equal(size_of(x, "audit.key"), -1);
	assert_int_equal(unlinkat(x->dirfd, "ballast", 0), 0);
	assert_int_equal(audit_flush(x->a), 0);
	assert_int_equal(sum(x).all, 1);
	start(x, &small);
	whole(x);
}

/* As in a view: the folder is found before, and everything else is done after. */
static void test_all_of_it_is_done_inside_the_sandbox(void **state)
{
	struct fixture *x = *state;
	int status;
	pid_t pid;

	start(x, &small);
	pid = fork();
	if (pid == 0) {
		struct audit_check c;
		uint64_t since = 0;
		int r = sandbox_enter();

		for (unsigned i = 0; i < 3000 && r == 0; i++) {
			note_number(x, 41, i);
			if (i % 100 == 0)
				r = audit_flush(x->a);
		}
		if (r == 0 && audit_recent(x->a, &since, x->log, LOG_MAX) <= 0)
			r = -EIO;
		if (r == 0)
			r = audit_end(x->a);
		if (r == 0)
			r = audit_verify(x->a, &c);
		_exit(r == 0 && c.flaw == AUDIT_WHOLE && c.file > 2 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	start(x, &small);
	assert_int_equal(sum(x).all, 3000);
}

static void test_nothing_of_it_is_left_in_memory_after_the_end(void **state)
{
	struct audit_ring g;
	struct audit_record r = {
		.verdict = AUDIT_DENY, .op = "open", .path = "marker", .count = 1
	};

	assert_int_equal(audit_ring_init(&g), 0);
	assert_true(audit_ring_add(&g, &r, 1));
	assert_non_null(memmem(g.mem, AUDIT_RING_BYTES, "marker", 6));
	audit_ring_clear(&g);
	assert_null(memmem(g.mem, AUDIT_RING_BYTES, "marker", 6));
	audit_ring_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_repeats_are_one_line_with_a_count),
		T(test_another_caller_program_verdict_operation_or_file_is_another_line),
		T(test_a_repeat_after_the_window_is_a_line_of_its_own),
		T(test_the_caller_is_described_once_and_not_for_repeats),
		T(test_without_a_decision_nothing_is_written),
		T(test_names_of_any_bytes_and_length_are_kept),
		T(test_the_main_thread_is_asked_when_memory_is_half_full),
		T(test_of_a_million_decisions_of_four_threads_none_is_lost),
		T(test_one_process_cannot_push_the_others_out),
		T(test_many_processes_of_one_program_cannot_either),
		T(test_what_was_only_noted_is_never_counted_as_refused),
		T(test_words_are_kept_when_memory_is_full),
		T(test_what_has_no_room_is_counted_by_process_then_by_verdict),
		T(test_what_is_noted_can_be_seen_before_it_is_written),
		T(test_words_are_a_line_too_and_nothing_is_taken_after_the_end),
		T(test_a_view_goes_on_where_the_last_one_ended),
		T(test_rotation_keeps_the_chain_and_its_limit),
		T(test_a_reader_that_follows_sees_each_line_once),
		T(test_a_line_that_was_torn_is_cut_off_and_that_is_said),
		T(test_a_view_that_is_killed_at_any_moment_leaves_a_log_that_goes_on),
		T(test_a_changed_letter_is_found_and_the_file_is_set_aside_at_the_next_start),
		T(test_a_removed_line_is_found),
		T(test_without_its_key_the_old_log_cannot_be_checked_and_a_new_one_begins),
		T(test_a_missing_file_in_between_is_found),
		T(test_the_page_cache_never_has_a_line_or_the_key),
		T(test_a_full_volume_costs_no_verdict),
		T(test_a_lock_on_a_full_volume_still_writes_how_many_there_were),
		T(test_a_volume_that_is_full_from_the_start_does_not_stop_a_view),
		T(test_all_of_it_is_done_inside_the_sandbox),
		T(test_nothing_of_it_is_left_in_memory_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
