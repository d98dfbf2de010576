/* The log of an audit: it goes on after every end, and nobody mends it unseen. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "tazfs/sandbox.h"
#include "tazfs/store.h"
#include "tests/audit_fixture.h"

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
	/* What failed is not asked for again and again: the thread that asks is the one that locks.
	 */
	assert_int_equal(audit_flush(x->a), -ENOSPC);
	assert_int_equal(poll(&(struct pollfd){ .fd = audit_fd(x->a), .events = POLLIN }, 1, 0), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
