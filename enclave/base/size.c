#include "enclave/base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A decimal number and what follows it; strtoll alone would take " +5" and "". */
static int parse_prefix(const char *text, long long *ret, const char **ret_end)
{
	char *end;
	long long v;

	if (!isdigit((unsigned char)text[0]) &&
	    !(text[0] == '-' && isdigit((unsigned char)text[1])))
		return -EINVAL;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno)
		return -ERANGE;
	*ret = v;
	*ret_end = end;
	return 0;
}

int num_parse(const char *text, long long min, long long max, long long *ret)
{
	const char *end = NULL;
	long long v = 0;
	int r = parse_prefix(text, &v, &end);

	if (r < 0)
		return r;
	if (*end)
		return -EINVAL;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

/* The value with its one-letter unit: @units[i] multiplies by @factors[i]. */
static int parse_unit(const char *text, const char *units, const long long *factors, long long max,
		      long long *ret)
{
	const char *end = NULL, *unit;
	long long v = 0;
	int r = parse_prefix(text, &v, &end);

	if (r < 0)
		return r;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return -EINVAL;
		if (__builtin_mul_overflow(v, factors[unit - units], &v))
			return -ERANGE;
	}
	if (v < 0 || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	static const long long factors[] = { 1LL << 10, 1LL << 20, 1LL << 30 };
	long long v = 0;
	int r = parse_unit(text, "KMG", factors, INT64_MAX, &v);

	if (r < 0)
		return r;
	*ret_bytes = v;
	return 0;
}

int duration_parse(const char *text, unsigned *ret_sec)
{
	static const long long factors[] = { 1, 60, 3600 };
	long long v = 0;
	int r = parse_unit(text, "smh", factors, 366LL * 24 * 3600, &v);

	if (r < 0)
		return r;
	*ret_sec = v;
	return 0;
}
