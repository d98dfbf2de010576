/* A keyslot's token lies in a header that anybody may have written, and people type recovery keys.
 */
#include <stdlib.h>
#include <string.h>

#include "enclave/base/keytoken.h"
#include "enclave/base/recovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void token(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), again[KEYTOKEN_JSON];
	struct keytoken t, back, list[3];

	/* What is accepted can be written, and is the same when it is read back. */
	if (keytoken_parse(text, &t) == 0 &&
	    (keytoken_format(&t, 0, again, sizeof(again)) < 0 || keytoken_parse(again, &back) < 0 ||
	     memcmp(&t, &back, sizeof(t))))
		abort();
	if (keytoken_parse_list(text, list, 3) > 3)
		abort();
	free(text);
}

static void typed(const uint8_t *data, size_t size)
{
	static struct secret *s;
	unsigned group;

	s = s ? s : secret_new(SECRET_PASSPHRASE_MAX);
	if (!s || size > s->size)
		return;
	memcpy(s->data, data, size);
	s->len = size;
	if (recovery_check(s, &group) == RECOVERY_YES && s->len != RECOVERY_TEXT)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	token(data, size);
	typed(data, size);
	return 0;
}
