/* Lines of a log that somebody else has kept: as a record, and as a link of the chain. */
#include <stdlib.h>
#include <string.h>

#include "tazfs/audit_chain.h"
#include "tazfs/audit_record.h"
#include "tazfs/audit_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing of a name reaches a terminal that is not printable. */
static void show(const struct audit_record *r, size_t size)
{
	struct audit_out o = { .data = malloc(4 * size + 4096), .room = 4 * size + 4096 };

	audit_show(&o, r, false);
	for (size_t i = 0; i < o.n; i++)
		if ((unsigned char)o.data[i] < 32 || o.data[i] == 127)
			abort();
	free(o.data);
}

/* What is accepted is written in exactly one way. */
static void one_line(const char *line, size_t size)
{
	char *mem = malloc(AUDIT_PARSE_MEM(size)), *again = malloc(size + 1);
	struct audit_record r;

	if (audit_parse(line, size, mem, &r) == 0) {
		if (audit_format(&r, again, size) != (ssize_t)size || memcmp(again, line, size))
			abort();
		show(&r, size);
	}
	free(mem);
	free(again);
}

static void since(const char *data, size_t size)
{
	char *text = strndup(data, size);
	uint64_t ns;

	audit_since(text, 1769847300123456789ULL, &ns);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct secret *key;
	size_t piece = size ? 1 + data[0] : 1;
	struct audit_check c;

	if (!key) {
		key = secret_new(AUDIT_KEY_BYTES);
		if (!key)
			abort();
		key->len = AUDIT_KEY_BYTES;
	}
	one_line((const char *)data, size);
	since((const char *)data, size);
	if (audit_check_init(&c, key) < 0)
		abort();
	for (size_t at = 0; at < size; at += piece)
		audit_check_feed(&c, (const char *)data + at,
				 size - at < piece ? size - at : piece);
	audit_check_file(&c);
	if (audit_check_end(&c, 0))
		abort(); /* nobody forges a keyed hash */
	audit_check_done(&c);
	return 0;
}
