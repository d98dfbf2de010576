/* targets - how fast the view has to be, as a ratio to others; issue 4's table */
#ifndef TAZ_TESTS_TARGETS_H
#define TAZ_TESTS_TARGETS_H

#include "tests/bench/bench.h"

struct target {
	const char *workload; /* its key */
	const char *view;     /* "cached", "strict" or "rules" */
	const char *against;
	double wanted; /* time over time, at most; of a rate: rate over rate, at least */
	bool p99;      /* of that, not of medians */
};

extern const struct target targets[];
extern const size_t n_targets;

/* target_ratio - of the best rounds (of a difference: of the medians); NaN when one of the two was
 * not measured */
double target_ratio(const struct bench *b, const struct target *t);

/* target_met - false for NaN */
bool target_met(const struct bench *b, const struct target *t);

#endif
