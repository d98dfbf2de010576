/* measure - what the tests that measure share: whether to take their time, and how figures are said
 */
#ifndef TAZ_TESTS_MEASURE_H
#define TAZ_TESTS_MEASURE_H

#include <stdbool.h>

/* measure_full - TAZ_FULL=1: the longer version of a test (tests/run --full) */
bool measure_full(void);

/* measure_print - "# WHAT: p50 ..., p95 ..., max ..."; sorts the @n times, in ms. @n: at least 1 */
void measure_print(const char *what, double *ms, int n);

#endif
