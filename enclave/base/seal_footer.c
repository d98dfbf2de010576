#include "enclave/base/seal_footer.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "enclave/base/io.h"

int seal_footer_look(int file, struct seal_footer *ret)
{
	static const uint8_t zeros[SEAL_FOOTER_BYTES];
	union {
		struct seal_footer f;
		uint8_t bytes[SEAL_FOOTER_BYTES];
	} u;
	struct stat st;
	ssize_t n;

	if (fstat(file, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= SEAL_FOOTER_BYTES ||
	    st.st_size % SEAL_BLOCK_BYTES)
		return -EBADMSG;
	n = io_pread_full(file, &u, sizeof(u), st.st_size - SEAL_FOOTER_BYTES);
	if (n < 0)
		return (int)n;
	if (n != sizeof(u) || memcmp(u.f.magic, SEAL_MAGIC, sizeof(u.f.magic)) ||
	    u.f.version != SEAL_VERSION || u.f.footer_bytes != SEAL_FOOTER_BYTES ||
	    u.f.image_bytes != (uint64_t)st.st_size - SEAL_FOOTER_BYTES ||
	    u.f.generation > SEAL_GENERATION_MAX ||
	    memcmp(u.bytes + sizeof(u.f), zeros, sizeof(u) - sizeof(u.f)))
		return -EBADMSG;
	*ret = u.f;
	return 0;
}
