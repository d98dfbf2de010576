#include <errno.h>
#include <string.h>

#include "enclave/base/fido2.h"

const char *fido2_why(int err)
{
	switch (-err) {
	case EOPNOTSUPP: /* ENOTSUP is the same number here: the token's own is ENOSYS */
		return "this program was built without FIDO2 (meson setup -Dfido2=enabled)";
	case ENODEV:
		return "no FIDO2 token is plugged in, or it may not be opened";
	case ENOSYS:
		return "this token cannot make secrets (hmac-secret); use another one";
	case ENOKEY:
		return "the vault has no FIDO2 key that the plugged-in token knows";
	case EPERM:
		return "the token's PIN was wrong, or is needed";
	case ETIME:
		return "the token was not touched in time";
	case EIO:
		return "the token has failed";
	default:
		return strerror(-err);
	}
}
