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
	case ENOTUNIQ:
		return "several FIDO2 tokens are plugged in; leave the one that the key is to be on";
	case EBUSY:
		return "the token does not answer: another program may have it, or have it wait for a "
		       "touch; unplug it and try again";
	case ENXIO:
		return "the token was unplugged, or has stopped to answer";
	case EPERM:
		return "the token's PIN was wrong, or is needed";
	case EKEYEXPIRED:
		return "the token wants to be unplugged: it takes no more PINs after three wrong ones";
	case EKEYREVOKED:
		return "the token has blocked itself: its PIN was wrong too often; another key opens the "
		       "vault";
	case ENOTTY:
		return "the token has a PIN, and there is no terminal to ask for it on";
	case ENODATA:
		return "no PIN was typed";
	case ECANCELED:
		return "it was refused on the token";
	case ETIME:
		return "the token was not touched in time";
	case EIO:
		return "the token has failed";
	default:
		return strerror(-err);
	}
}
