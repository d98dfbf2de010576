#include "tests/bench/targets.h"

#include <math.h>
#include <string.h>

const struct target targets[] = {
	{ "open", "cached", "gocryptfs", 0.55 },
	{ "open", "strict", "gocryptfs", 1.0 },
	{ "open", "cached", "hp", 0.95 },
	{ "open4", "cached", "gocryptfs", 0.60 },
	{ "open4", "strict", "gocryptfs", 1.0 },
	{ "open", "cached", "gocryptfs", 0.40, .p99 = true },
	{ "open", "strict", "gocryptfs", 0.80, .p99 = true },
	{ "stat", "cached", "hp-nocache", 0.35 },
	{ "stat", "strict", "hp-nocache", 0.60 },
	{ "list", "cached", "gocryptfs", 1.3 },
	{ "list", "strict", "gocryptfs", 1.5 },
	{ "save", "cached", "gocryptfs", 1.0 },
	{ "save", "strict", "gocryptfs", 1.1 },
	{ "fsync", "cached", "gocryptfs", 1.0 },
	{ "fsync", "strict", "gocryptfs", 1.0 },
	{ "pread", "cached", "ext4", 1.3 },
	{ "read-warm", "cached", "gocryptfs", 4.0 },
	{ "read-warm", "strict", "gocryptfs", 1.0 },
	{ "read-cold", "cached", "gocryptfs", 1.5 },
	{ "read-cold", "strict", "gocryptfs", 1.0 },
	{ "write", "cached", "gocryptfs", 1.5 },
	{ "write", "strict", "gocryptfs", 1.0 },
	{ "spawn", "cached", "gocryptfs", 0.60 },
	{ "spawn", "strict", "gocryptfs", 0.80 },
	{ "open", "rules", "cached", 1.05 },
};
const size_t n_targets = sizeof(targets) / sizeof(*targets);

static const struct workload *find(const char *key)
{
	size_t w = 0;

	while (w + 1 < n_workloads && strcmp(workloads[w].key, key) != 0)
		w++;
	return &workloads[w];
}

/* In us. */
static double judged(const struct result *r, const struct target *t)
{
	return t->p99 ? result_best_p99(r) : result_judged(r, find(t->workload));
}

double target_ratio(const struct bench *b, const struct target *t)
{
	const struct result *ours = bench_result(b, t->workload, t->view);
	const struct result *theirs = bench_result(b, t->workload, t->against);
	double a, c;

	if (!ours || !theirs)
		return NAN;
	a = judged(ours, t);
	c = judged(theirs, t);
	/* Times are kept: the rate of the one over that of the other is the other way round. A
	 * difference that is not above 0 is noise. */
	if (a <= 0 || c <= 0)
		return NAN;
	return find(t->workload)->rate ? c / a : a / c;
}

bool target_met(const struct bench *b, const struct target *t)
{
	double ratio = target_ratio(b, t);

	return find(t->workload)->rate ? ratio >= t->wanted : ratio <= t->wanted;
}
