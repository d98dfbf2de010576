/*
 * recheck_speed - what "recheck-always" costs a read and a write of 4 KiB, by hand:
 * recheck_speed [TIMES]
 *
 * As root, with TAZFS naming the program, of an optimised build, on a quiet machine. The view and
 * who reads run on one processor, what is below is in RAM. Rounds are interleaved, and only ratios
 * within one run count. With --memory strict both sides are direct I/O: the ratio is the price of
 * the decision alone. With cached it is that of the page cache that the kernel may not use.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "help.h"

#define ROUNDS 9
#define RULES  100

static struct view_fixture f;
static long times = 20000;
static double *ns; /* shared with the members */
static char many[65536];

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int make_file(void *arg)
{
	char text[4097];

	memset(text, 'x', 4096);
	text[4096] = '\0';
	return write_file(path_in(&f, "file"), text);
}

static int use(void *arg)
{
	bool writes = *(bool *)arg;
	int fd = open(path_in(&f, "file"), O_RDWR | O_CLOEXEC);
	static char buf[4096];
	double from;

	for (long i = 0; i < 100 && pread(fd, buf, sizeof(buf), 0) == sizeof(buf); i++)
		;
	from = now_ns();
	for (long i = 0; i < times; i++)
		if ((writes ? pwrite(fd, buf, sizeof(buf), 0) : pread(fd, buf, sizeof(buf), 0)) !=
		    sizeof(buf))
			return errno ? -errno : -EIO;
	*ns = (now_ns() - from) / (double)times;
	return 0;
}

static double round_of(const char *policy, bool writes)
{
	assert_int_equal(fixture_policy(&f, policy), 0);
	assert_int_equal(as(MEMBER, use, &writes), 0);
	return *ns;
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *list)
{
	qsort(list, ROUNDS, sizeof(*list), order);
	return list[ROUNDS / 2];
}

static void compare(const char *what, const char *plain, const char *rechecked, bool writes)
{
	double a[ROUNDS], b[ROUNDS], x, y;

	for (int i = 0; i < ROUNDS; i++) {
		a[i] = round_of(plain, writes);
		b[i] = round_of(rechecked, writes);
	}
	x = median(a);
	y = median(b);
	printf("%-34s %7.2f us, rechecked %7.2f us: %.2f times\n", what, x / 1000, y / 1000, y / x);
}

static void all_of(const char *mode, int how)
{
	char text[80];

	/* Its memory is locked, which is more than this user may without the keeper's help. */
	f.policy = "allow session - **\n";
	f.no_audit = true;
	fixture_start(&f, how);
	assert_int_equal(as(MEMBER, make_file, NULL), 0);
	for (int writes = 0; writes < 2; writes++) {
		snprintf(text, sizeof(text), "%s, %s, 1 rule", mode, writes ? "write" : "read");
		compare(text, "allow session - **\n", "recheck-always\nallow session - **\n",
			writes);
		snprintf(text, sizeof(text), "%s, %s, %d rules", mode, writes ? "write" : "read",
			 RULES);
		compare(text, many + strlen("recheck-always\n"), many, writes);
	}
	fixture_stop(&f);
}

static void many_rules(void)
{
	char *at = many + sprintf(many, "recheck-always\n");

	for (int i = 1; i < RULES; i++)
		at += sprintf(at, "deny session under=/usr/bin/no-%d r dir-%d/** **/*.key%d\n", i,
			      i, i);
	sprintf(at, "allow session - **\n");
}

/* A test, so that what goes wrong is said and cleaned up. */
static void test_what_it_costs(void **state)
{
	all_of("strict", STRICT | IN_RAM);
	all_of("cached", CACHED | IN_RAM);
}

static int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(test_what_it_costs,
								      teardown) };
	cpu_set_t one;

	if (argc > 1)
		times = strtol(argv[1], NULL, 10);
	ns = mmap(NULL, sizeof(*ns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (times < 1 || ns == MAP_FAILED || sched_setaffinity(0, sizeof(one), &one) < 0)
		return 1;
	many_rules();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
