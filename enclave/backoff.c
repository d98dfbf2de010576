#include "enclave/backoff.h"

#define SEC UINT64_C(1000000000)

static unsigned delay_sec(unsigned wrong)
{
	return wrong > 6 ? BACKOFF_MAX_SEC : 1U << (wrong - 1);
}

void backoff_wrong(struct backoff *b, uint64_t now_ns)
{
	if (b->wrong < 100) /* far beyond the longest delay, and it never wraps */
		b->wrong++;
	b->until_ns = now_ns + delay_sec(b->wrong) * SEC;
}

void backoff_right(struct backoff *b)
{
	*b = (struct backoff){ 0 };
}

unsigned backoff_wait_sec(const struct backoff *b, uint64_t now_ns)
{
	return b->until_ns > now_ns ? (b->until_ns - now_ns + SEC - 1) / SEC : 0;
}
