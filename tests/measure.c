#include "tests/measure.h"

#include <stdio.h>
#include <stdlib.h>

bool measure_full(void)
{
	const char *full = getenv("TAZ_FULL");

	return full && *full == '1';
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void measure_print(const char *what, double *ms, int n)
{
	qsort(ms, n, sizeof(*ms), compare);
	printf("# %s: p50 %.1f ms, p95 %.1f ms, max %.1f ms (%d times)\n", what, ms[n / 2],
	       ms[(n * 95 + 99) / 100 - 1], ms[n - 1], n);
}
