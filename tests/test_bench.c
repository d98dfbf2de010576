/* How the benchmark makes figures of times, and judges them. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "tests/bench/report.h"
#include "tests/bench/targets.h"

static struct bench b;

static int setup(void **state)
{
	b = (struct bench){ .contenders = { { .name = "cached" }, { .name = "gocryptfs" } },
			    .n_contenders = 2,
			    .cpu = -1,
			    .rounds = 1 };
	b.results = calloc(n_workloads, sizeof(*b.results));
	return b.results ? 0 : -1;
}

static int teardown(void **state)
{
	free(b.results);
	return 0;
}

static void took(const char *workload, const char *contender, double us)
{
	result_add((struct result *)bench_result(&b, workload, contender), &us, 1);
}

static const struct target *find(const char *workload, bool p99)
{
	for (size_t i = 0; i < n_targets; i++)
		if (!strcmp(targets[i].workload, workload) && targets[i].p99 == p99)
			return &targets[i];
	fail_msg("no target for %s", workload);
	return NULL;
}

static void test_one_time_in_a_hundred_is_slower_than_the_p99(void **state)
{
	struct result r = { 0 };
	double us[200];

	for (int i = 0; i < 200; i++)
		us[i] = 200 - i;
	result_add(&r, us, 200);
	assert_true(result_median(&r) == 100.5);
	assert_true(result_p99(&r) == 198);
}

static void test_one_bad_round_does_not_move_the_result(void **state)
{
	struct result r = { 0 };

	for (int i = 1; i <= 9; i++) {
		double us = i == 5 ? 1e6 : i;

		result_add(&r, &us, 1);
	}
	assert_true(result_median(&r) == 6);
	assert_true(result_best(&r) == 1);
}

static void test_a_target_for_a_time_is_met_by_less(void **state)
{
	const struct target *t = find("open", false);

	took("open", "cached", 54);
	took("open", "gocryptfs", 100);
	assert_true(target_ratio(&b, t) == 0.54 && target_met(&b, t));
	took("open", "gocryptfs", 90); /* its best round counts */
	assert_true(target_ratio(&b, t) == 0.6);
	assert_false(target_met(&b, t));
}

static void test_a_target_for_a_rate_is_met_by_more(void **state)
{
	const struct target *t = find("read-warm", false);

	took("read-warm", "cached", 100);
	took("read-warm", "gocryptfs", 399);
	assert_true(target_ratio(&b, t) == 3.99);
	assert_false(target_met(&b, t));
	took("read-warm", "cached", 99);
	assert_true(target_met(&b, t));
}

static void test_of_a_difference_the_median_counts(void **state)
{
	const struct target *t = find("spawn", false);

	for (int i = 0; i < 3; i++) {
		took("spawn", "cached", 40 * i);
		took("spawn", "gocryptfs", 100 * i - 100);
	}
	/* One that is not above 0 is noise. */
	assert_true(isnan(target_ratio(&b, t)));
	took("spawn", "gocryptfs", 200);
	assert_true(target_ratio(&b, t) == 0.8);
}

static void test_a_target_for_a_p99_looks_at_that(void **state)
{
	const struct target *t = find("open", true);
	double us[100];

	for (int i = 0; i < 100; i++)
		us[i] = i < 98 ? 1 : 30;
	result_add((struct result *)bench_result(&b, "open", "cached"), us, 100);
	took("open", "gocryptfs", 100);
	assert_true(target_ratio(&b, t) == 0.3);
}

static void test_what_was_not_measured_or_failed_meets_nothing(void **state)
{
	const struct target *t = find("open", false);

	assert_true(isnan(target_ratio(&b, t)));
	assert_false(target_met(&b, t));
	took("open", "cached", 1);
	took("open", "gocryptfs", 100);
	assert_true(target_met(&b, t));
	((struct result *)bench_result(&b, "open", "cached"))->err = -5;
	assert_false(target_met(&b, t));
	t = find("pread", false); /* against ext4, which is not here */
	assert_true(isnan(target_ratio(&b, t)));
}

static void test_a_key_stands_for_one_workload(void **state)
{
	static const struct workload open = { .key = "open" }, open4 = { .key = "open4" };

	assert_true(bench_wants(&b, &open));
	b.only = "stat,open4";
	assert_false(bench_wants(&b, &open));
	assert_true(bench_wants(&b, &open4));
}

static void test_each_target_names_a_workload(void **state)
{
	for (size_t i = 0; i < n_targets; i++) {
		size_t w = 0;

		while (w < n_workloads && strcmp(workloads[w].key, targets[i].workload) != 0)
			w++;
		assert_true(w < n_workloads);
	}
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static char *printed(int (*report)(const struct bench *b, FILE *f))
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(report(&b, f), 0);
	fclose(f);
	return text;
}

static void some_results(void)
{
	took("open", "cached", 10);
	took("open", "gocryptfs", 20);
	took("stat", "cached", 5);
	((struct result *)bench_result(&b, "stat", "gocryptfs"))->err = -EIO;
	b.only = "open,stat";
}

static void test_the_drawing_has_a_bar_for_each_result(void **state)
{
	autofree char *text = NULL;

	some_results();
	text = printed(report_svg);
	assert_int_equal(count(text, "class=\"o\"/>"), 2); /* of ours */
	assert_int_equal(count(text, "class=\"p\"/>"), 1);
	assert_int_equal(count(text, "nan"), 0);
	assert_int_equal(count(text, "</svg>"), 1);
}

static void test_json_says_what_is_missing(void **state)
{
	autofree char *text = NULL;

	some_results();
	b.missing[b.n_missing++] = "cryfs: is ill";
	text = printed(report_json);
	assert_int_equal(count(text, "cryfs: is ill"), 1);
	assert_int_equal(count(text, "Input\\/output error") + count(text, "Input/output error"),
			 1);
	assert_int_equal(count(text, "\"median_us\":null"), 1);
	assert_int_equal(count(text, "\"met\":true"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_time_in_a_hundred_is_slower_than_the_p99),
		cmocka_unit_test(test_one_bad_round_does_not_move_the_result),
		cmocka_unit_test_setup_teardown(test_a_target_for_a_time_is_met_by_less, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_target_for_a_rate_is_met_by_more, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_of_a_difference_the_median_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_target_for_a_p99_looks_at_that, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_was_not_measured_or_failed_meets_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_key_stands_for_one_workload, setup,
						teardown),
		cmocka_unit_test(test_each_target_names_a_workload),
		cmocka_unit_test_setup_teardown(test_the_drawing_has_a_bar_for_each_result, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_json_says_what_is_missing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
