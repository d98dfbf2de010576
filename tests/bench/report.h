/* report - the results as tables, as JSON, and drawn */
#ifndef TAZ_TESTS_REPORT_H
#define TAZ_TESTS_REPORT_H

#include <stdio.h>

#include "tests/bench/bench.h"

void report_tables(const struct bench *b);

/* report_json - to @f. 0 or -EIO. */
int report_json(const struct bench *b, FILE *f);

/* report_svg - a panel a workload, a bar a contender, with a line up to its p99. 0 or -EIO. */
int report_svg(const struct bench *b, FILE *f);

#endif
