#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Between the two in the middle when there are two. */
static double middle(const double *sorted, size_t n)
{
	return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

void result_add(struct result *r, double *us, size_t n)
{
	if (r->rounds == ROUNDS_MAX)
		return;
	qsort(us, n, sizeof(*us), compare);
	r->median[r->rounds] = middle(us, n);
	r->p99[r->rounds++] = us[(n * 99 + 99) / 100 - 1];
}

static double of_rounds(const struct result *r, const double *values, bool best)
{
	double sorted[ROUNDS_MAX];

	if (!r->rounds || r->err)
		return NAN;
	memcpy(sorted, values, r->rounds * sizeof(*sorted));
	qsort(sorted, r->rounds, sizeof(*sorted), compare);
	return best ? sorted[0] : middle(sorted, r->rounds);
}

double result_median(const struct result *r)
{
	return of_rounds(r, r->median, false);
}

double result_p99(const struct result *r)
{
	return of_rounds(r, r->p99, false);
}

double result_best(const struct result *r)
{
	return of_rounds(r, r->median, true);
}

double result_best_p99(const struct result *r)
{
	return of_rounds(r, r->p99, true);
}

double result_judged(const struct result *r, const struct workload *w)
{
	return w->difference ? result_median(r) : result_best(r);
}

static size_t find_contender(const struct bench *b, const char *name)
{
	size_t i = 0;

	while (i < b->n_contenders && strcmp(b->contenders[i].name, name) != 0)
		i++;
	return i;
}

const struct result *bench_result(const struct bench *b, const char *workload,
				  const char *contender)
{
	size_t c = find_contender(b, contender);

	for (size_t w = 0; w < n_workloads && c < b->n_contenders; w++)
		if (!strcmp(workloads[w].key, workload))
			return &b->results[w][c];
	return NULL;
}

bool bench_wants(const struct bench *b, const struct workload *w)
{
	size_t len = strlen(w->key);

	for (const char *at = b->only; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, w->key, len) && (at[len] == ',' || !at[len]))
			return true;
	}
	return !b->only;
}
