/* What "tazfs watch" keeps of an audit: repeats folded, newest first, in bounded room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tazfs/watch_model.h"

static struct watch_model m;

static int setup(void **state)
{
	return watch_model_init(&m);
}

static int teardown(void **state)
{
	watch_model_done(&m);
	return 0;
}

static struct audit_record opened(const char *path, uint64_t sec)
{
	return (struct audit_record){ .time_ns = sec * 1000000000,
				      .verdict = AUDIT_ALLOW,
				      .op = "open",
				      .path = path,
				      .pid = 41,
				      .exe = "/usr/bin/cat" };
}

static void add(struct audit_record r)
{
	assert_int_equal(watch_model_add(&m, &r), 0);
}

static void add_path(const char *path, uint64_t sec)
{
	add(opened(path, sec));
}

static void test_a_repeat_is_counted_and_comes_first(void **state)
{
	add_path("a", 1);
	add_path("b", 2);
	add_path("a", 3);
	assert_int_equal(m.n_shown, 2);
	assert_string_equal(m.shown[0]->r.path, "a");
	assert_int_equal(m.shown[0]->count, 2);
	assert_int_equal(m.shown[0]->first_ns, 1000000000);
	assert_int_equal(m.shown[0]->last_ns, 3000000000);
	assert_string_equal(m.shown[1]->r.path, "b");
	assert_int_equal(m.shown[1]->count, 1);
}

static void test_what_the_log_has_folded_is_counted_whole(void **state)
{
	struct audit_record r = opened("a", 1);

	r.count = 5;
	r.last_ns = 9000000000;
	add(r);
	add_path("a", 10);
	assert_int_equal(m.n_shown, 1);
	assert_int_equal(m.shown[0]->count, 6);
	assert_int_equal(m.shown[0]->last_ns, 10000000000);
}

static void test_what_differs_is_no_repeat(void **state)
{
	struct audit_record r[6];

	for (int i = 0; i < 6; i++)
		r[i] = opened("a", 1);
	r[1].verdict = AUDIT_DENY;
	r[2].op = "create";
	r[3].pid = 42;
	r[4].exe = "/usr/bin/tac";
	r[5].script = "/tmp/x.py";
	for (int i = 0; i < 6; i++)
		add(r[i]);
	assert_int_equal(m.n_shown, 6);
}

static void test_strings_are_copied(void **state)
{
	char path[] = "secret";

	add_path(path, 1);
	memset(path, 'x', sizeof(path) - 1);
	assert_string_equal(m.shown[0]->r.path, "secret");
}

static void test_a_filter_finds_names_as_they_are_shown_and_as_they_are(void **state)
{
	add_path("ssh/id", 1);
	add_path("a\033b", 2);
	watch_model_filter(&m, "ssh");
	assert_int_equal(m.n_shown, 1);
	add_path("ssh/config", 3);
	add_path("other", 4);
	assert_int_equal(m.n_shown, 2);
	watch_model_filter(&m, "\\x1b");
	assert_int_equal(m.n_shown, 1);
	watch_model_filter(&m, "\033");
	assert_int_equal(m.n_shown, 1);
	watch_model_filter(&m, "allow");
	assert_int_equal(m.n_shown, 4);
	watch_model_filter(&m, "nothing has this");
	assert_int_equal(m.n_shown, 0);
	assert_null(watch_model_selected(&m));
	watch_model_filter(&m, "");
	assert_int_equal(m.n_shown, 4);
}

static void test_a_long_filter_is_cut(void **state)
{
	char text[2 * WATCH_FILTER];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	watch_model_filter(&m, text);
	assert_int_equal(strlen(m.filter), WATCH_FILTER - 1);
}

static void test_the_selection_stays_with_its_row(void **state)
{
	add_path("a", 1);
	add_path("b", 2);
	assert_string_equal(watch_model_selected(&m)->r.path, "b");
	add_path("c", 3);
	assert_string_equal(watch_model_selected(&m)->r.path, "c"); /* the newest */
	watch_model_move(&m, 1);
	assert_string_equal(watch_model_selected(&m)->r.path, "b");
	add_path("d", 4);
	assert_string_equal(watch_model_selected(&m)->r.path, "b");
	add_path("b", 5); /* is the first now */
	assert_string_equal(watch_model_selected(&m)->r.path, "b");
	assert_int_equal(watch_model_selected(&m)->count, 2);
}

static void test_a_move_ends_at_the_first_and_the_last(void **state)
{
	watch_model_move(&m, 1);
	assert_null(watch_model_selected(&m));
	add_path("a", 1);
	add_path("b", 2);
	watch_model_move(&m, INT64_MAX);
	assert_string_equal(watch_model_selected(&m)->r.path, "a");
	watch_model_move(&m, INT64_MIN);
	assert_string_equal(watch_model_selected(&m)->r.path, "b");
}

static void test_room_is_bounded_and_what_goes_is_counted(void **state)
{
	char path[16];

	for (unsigned i = 0; i < WATCH_ROWS + 3; i++) {
		snprintf(path, sizeof(path), "%u", i);
		add_path(path, i + 1);
		if (i == 1)
			watch_model_move(&m, 1); /* the oldest, which goes */
	}
	assert_int_equal(m.n, WATCH_ROWS);
	assert_int_equal(m.gone, 3);
	assert_string_equal(m.rows[0]->r.path, "3");
	assert_string_equal(watch_model_selected(&m)->r.path, "3");
}

static void test_long_names_are_bounded_too(void **state)
{
	size_t size = 100000;
	char *path = malloc(size + 1);

	assert_non_null(path);
	memset(path, 'x', size);
	path[size] = '\0';
	for (unsigned i = 0; i < 100; i++) {
		path[0] = (char)('!' + i % 90);
		path[1] = (char)('!' + i / 90);
		add_path(path, i + 1);
	}
	assert_true(m.bytes <= WATCH_BYTES);
	assert_true(m.n > 30 && m.n < 45);
	assert_int_equal(m.n + m.gone, 100);
	free(path);
}

static void test_that_a_file_of_the_log_begins_is_no_row(void **state)
{
	add((struct audit_record){ .event = AUDIT_FILE, .time_ns = 1 });
	assert_int_equal(m.n, 0);
	add((struct audit_record){ .event = AUDIT_NOTE, .text = "words", .time_ns = 1 });
	assert_int_equal(m.n_shown, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_repeat_is_counted_and_comes_first),
		T(test_what_the_log_has_folded_is_counted_whole),
		T(test_what_differs_is_no_repeat),
		T(test_strings_are_copied),
		T(test_a_filter_finds_names_as_they_are_shown_and_as_they_are),
		T(test_a_long_filter_is_cut),
		T(test_the_selection_stays_with_its_row),
		T(test_a_move_ends_at_the_first_and_the_last),
		T(test_room_is_bounded_and_what_goes_is_counted),
		T(test_long_names_are_bounded_too),
		T(test_that_a_file_of_the_log_begins_is_no_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
