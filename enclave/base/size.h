/* size - numbers and sizes that people type: the whole string or nothing */
#ifndef TAZ_BASE_SIZE_H
#define TAZ_BASE_SIZE_H

#include <stdint.h>

/*
 * size_parse - "256M", "1G", "4096": bytes, with an optional K, M, G (powers of 1024)
 * Returns 0, -EINVAL when it is not such a number, -ERANGE when it does not fit 63 bits.
 */
int size_parse(const char *text, uint64_t *ret_bytes);

/*
 * num_parse - a decimal number between @min and @max, both included; "5x" is not one
 * Returns 0, -EINVAL or -ERANGE.
 */
int num_parse(const char *text, long long min, long long max, long long *ret);

/*
 * duration_parse - "90", "90s", "15m", "2h": seconds, 0 to a year
 * Returns 0, -EINVAL or -ERANGE.
 */
int duration_parse(const char *text, unsigned *ret_sec);

#endif
