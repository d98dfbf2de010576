/* fido2 - in a build without libfido2 */
#include <errno.h>

#include "enclave/base/fido2.h"

int fido2_enroll(struct keytoken *ret, struct secret **ret_key)
{
	return -EOPNOTSUPP;
}

int fido2_open(const struct keytoken *tokens, size_t n, struct secret **ret_key)
{
	return -EOPNOTSUPP;
}
